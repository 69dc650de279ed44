/**
 * The framed box in which listings and summaries appear.
 *
 * @module
 */
import { type Cell, cellColumns, drawCell } from "./cell.ts";
import { icon, type IconName, paint, type Style } from "./style.ts";

const PIPE_COLUMNS = 80;
const LEAST_COLUMNS = 30;
const KEY_COLUMNS = 16;

/** What stands inside a panel. */
export interface Body {
  /** Columns it takes between the frame's sides when nothing is cut. */
  readonly columns: number;
  /** Draws it: lines of exactly `room` columns. */
  lines(style: Style, room: number): readonly string[];
}

/** What {@linkcode panel} draws. */
export interface Panel {
  /** Icon before the title. */
  readonly icon: IconName;
  /** What this is. */
  readonly title: string;
  /** What it is about. */
  readonly subtitle?: string;
  /** Right end of the title line, for example `3 total`. */
  readonly count?: string;
  /** What stands inside. */
  readonly body: Body;
  /** Last line: its left and its right end. */
  readonly footer?: { readonly left: Cell; readonly right?: Cell };
}

/** A line of exactly `room` columns: one end left, the other right; the left one gives way. */
function ends(style: Style, line: { left: Cell; right: Cell }, room: number): string {
  const right = Math.min(cellColumns(line.right), room - 3);
  const gap = right === 0 ? 2 : 3;
  const left = drawCell(style, line.left, { columns: Math.max(0, room - right - gap), align: "left" });
  return ` ${left}${right === 0 ? "" : " "}${
    drawCell(style, line.right, { columns: right, align: "right", role: "secondary" })
  } `;
}

/**
 * Draws a panel as wide as the terminal. Where there is no terminal it is 80 columns, or as many as it takes to cut
 * nothing: what goes into a file or another program arrives whole.
 *
 * @param style Width and colours.
 * @param content What to draw.
 * @returns Lines with a line break after each.
 */
export function panel(style: Style, content: Panel): string {
  const title: Cell = [
    { text: `${icon(style, content.icon)} ${content.title}`, role: "accent" },
    ...(content.subtitle === undefined ? [] : [{ text: `  ${content.subtitle}`, role: "secondary" as const }]),
  ];
  const count = content.count ?? "";
  const footer = content.footer && { left: content.footer.left, right: content.footer.right ?? "" };
  const natural = Math.max(
    content.body.columns,
    cellColumns(title) + cellColumns(count) + 3,
    footer ? cellColumns(footer.left) + cellColumns(footer.right) + 3 : 0,
  );
  const columns = style.columns ?? Math.max(PIPE_COLUMNS, natural + 2);
  const room = Math.max(LEAST_COLUMNS, columns) - 2;
  const bar = (left: string, right: string): string => paint(style, "border", left + "─".repeat(room) + right);
  const side = paint(style, "border", "│");
  const inside = (lines: readonly string[]): string[] => lines.map((line) => `${side}${line}${side}`);
  return [
    bar("┌", "┐"),
    ...inside([ends(style, { left: title, right: count }, room)]),
    bar("├", "┤"),
    ...inside(content.body.lines(style, room)),
    ...(footer ? [bar("├", "┤"), ...inside([ends(style, footer, room)])] : []),
    bar("└", "┘"),
  ].map((line) => `${line}\n`).join("");
}

/**
 * Keys and values: keys right-aligned in 16 columns, two spaces, the value.
 *
 * @param pairs In the order to draw them.
 * @returns The body of a panel.
 */
export function keyValues(pairs: readonly (readonly [key: string, value: Cell])[]): Body {
  return {
    columns: KEY_COLUMNS + 2 + Math.max(0, ...pairs.map(([, value]) => cellColumns(value))) + 1,
    lines: (style, room) =>
      pairs.map(([key, value]) =>
        `${drawCell(style, key, { columns: KEY_COLUMNS, align: "right", role: "secondary" })}  ${
          drawCell(style, value, { columns: room - KEY_COLUMNS - 3, align: "left", role: "text" })
        } `
      ),
  };
}

/**
 * Lines one below the other, each beginning one column in.
 *
 * @param lines The lines.
 * @returns The body of a panel.
 */
export function steps(lines: readonly Cell[]): Body {
  return {
    columns: Math.max(0, ...lines.map(cellColumns)) + 2,
    lines: (style, room) =>
      lines.map((line) => ` ${drawCell(style, line, { columns: room - 2, align: "left", role: "text" })} `),
  };
}
