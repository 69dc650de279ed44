/**
 * Tables: the body of a panel, and the plain one.
 *
 * @module
 */
import { type Cell, cellColumns, drawCell } from "./cell.ts";
import type { Body } from "./panel.ts";
import { paint, type Role, type Style } from "./style.ts";

const GAP = "  ";

/** What {@linkcode tableBody} and {@linkcode plainTable} draw. */
export interface Table {
  /** Headings; upper-cased when drawn. */
  readonly columns: readonly string[];
  /** One cell per column. */
  readonly rows: readonly (readonly Cell[])[];
}

/** Colours of a deployment's, pod's, node's, route's or certificate's status; whatever is not here is secondary. */
const STATUS_ROLES: Readonly<Record<string, Role>> = {
  running: "green",
  ready: "green",
  active: "green",
  served: "green",
  ok: "green",
  pending: "cyan",
  creating: "cyan",
  issued: "cyan",
  restarting: "yellow",
  degraded: "yellow",
  draining: "yellow",
  no_upstream: "yellow",
  warning: "yellow",
  failed: "red",
  crashloopbackoff: "red",
  notready: "red",
  mismatch: "red",
  problem: "red",
  stopped: "muted",
  stopping: "muted",
  suspended: "muted",
  skipped: "muted",
};

/**
 * The cell of a column headed Status: a dot and the status in its colour.
 *
 * @param status The status; lower-cased.
 * @returns The cell.
 */
export function statusCell(status: string): Cell {
  const text = status.toLowerCase();
  return [{ text: `● ${text}`, role: STATUS_ROLES[text] ?? "secondary" }];
}

/** Widths that let nothing be cut. */
function naturalWidths(table: Table): number[] {
  return table.columns.map((heading, at) =>
    Math.max(cellColumns(heading.toUpperCase()), ...table.rows.map((row) => cellColumns(row[at] ?? "")))
  );
}

/** Takes columns from whichever is widest until all fit. */
function fit(widths: readonly number[], room: number): number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, width) => sum + width, 0) + GAP.length * (fitted.length - 1) - room;
  while (excess > 0) {
    const widest = Math.max(...fitted);
    if (widest <= 1) break;
    const next = Math.max(1, ...fitted.filter((width) => width < widest));
    const wide = fitted.flatMap((width, at) => width === widest ? [at] : []);
    const step = Math.min(widest - next, Math.max(1, Math.floor(excess / wide.length)));
    for (const at of wide) {
      if (excess <= 0) break;
      const taken = Math.min(step, excess);
      fitted[at] = widest - taken;
      excess -= taken;
    }
  }
  return fitted;
}

function heading(style: Style, table: Table, widths: readonly number[]): string {
  return table.columns
    .map((text, at) => drawCell(style, text.toUpperCase(), { columns: widths[at] ?? 0, align: "left", role: "muted" }))
    .join(GAP);
}

function line(style: Style, row: readonly Cell[], widths: readonly number[]): string {
  return widths
    .map((columns, at) =>
      drawCell(style, row[at] ?? "", { columns, align: "left", role: at === 0 ? "text" : "secondary" })
    )
    .join(GAP);
}

/**
 * A table as the body of a panel: headings, and a rule under them and between rows.
 *
 * @param table What to draw.
 * @returns The body.
 */
export function tableBody(table: Table): Body {
  const natural = naturalWidths(table);
  const columns = natural.reduce((sum, width) => sum + width, 0) + GAP.length * (natural.length - 1);
  return {
    columns: columns + 2,
    lines(style, room) {
      const inner = room - 2;
      const widths = fit(natural, inner);
      const rule = ` ${paint(style, "rule", "─".repeat(inner))} `;
      const lines = [heading(style, table, widths), ...table.rows.map((row) => line(style, row, widths))];
      const used = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
      const padded = lines.map((text) => ` ${text}${" ".repeat(Math.max(0, inner - used))} `);
      return padded.flatMap((text, at) => at === 0 ? [text] : [rule, text]);
    },
  };
}

/**
 * A table without a frame. Nothing is cut, so that what is printed can be copied.
 *
 * @param style Whether there is colour.
 * @param table What to draw.
 * @returns Lines with a line break after each.
 */
export function plainTable(style: Style, table: Table): string {
  if (table.rows.length === 0) return "No resources found.\n";
  const widths = naturalWidths(table);
  const last = widths.length - 1;
  const draw = (row: readonly Cell[], role: Role | undefined): string =>
    widths.map((columns, at) =>
      drawCell(style, row[at] ?? "", {
        columns,
        ...(at === last ? {} : { align: "left" as const }),
        ...(role ? { role } : {}),
      })
    ).join(GAP).trimEnd();
  return [
    draw(table.columns.map((text) => text.toUpperCase()), "muted"),
    ...table.rows.map((row) => draw(row, undefined)),
  ].map((text) => `${text}\n`).join("");
}
