/**
 * A stretch of text in one or several colours that can be cut and padded to columns.
 *
 * @module
 */
import { paint, type Role, type Style } from "./style.ts";
import { columnsOf, cut, visible } from "./text.ts";

/** Text in one colour. */
export interface Span {
  /** The text, as it came; made safe when it is drawn. */
  readonly text: string;
  /** Its colour; absent for the terminal's own. */
  readonly role?: Role;
}

/** What stands in one place: plain text, or spans one after another. */
export type Cell = string | readonly Span[];

function spansOf(cell: Cell): readonly Span[] {
  return typeof cell === "string" ? [{ text: cell }] : cell;
}

/**
 * Columns a cell takes when nothing is cut.
 *
 * @param cell The cell.
 * @returns Columns.
 */
export function cellColumns(cell: Cell): number {
  return spansOf(cell).reduce((sum, span) => sum + columnsOf(visible(span.text)), 0);
}

/** Where a cell stands within its room. */
export interface DrawOptions {
  /** How much room there is. */
  readonly columns: number;
  /** Where it stands; without it the room left is not filled. */
  readonly align?: "left" | "right";
  /** Colour of spans that name none. */
  readonly role?: Role;
}

/**
 * Draws a cell: made safe, cut to its room, padded if asked, coloured.
 *
 * @param style Whether there is colour.
 * @param cell The cell.
 * @param options Its room.
 * @returns One line of text.
 */
export function drawCell(style: Style, cell: Cell, options: DrawOptions): string {
  let room = options.columns;
  let drawn = "";
  for (const span of spansOf(cell)) {
    const whole = visible(span.text);
    const text = cut(whole, room);
    room -= columnsOf(text);
    const role = span.role ?? options.role;
    drawn += role ? paint(style, role, text) : text;
    if (room <= 0 || text !== whole) break;
  }
  const padding = " ".repeat(Math.max(0, room));
  if (options.align === "left") return drawn + padding;
  return options.align === "right" ? padding + drawn : drawn;
}
