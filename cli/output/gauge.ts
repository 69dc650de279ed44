/**
 * How full something is.
 *
 * @module
 */
import type { Cell } from "./cell.ts";
import type { Role } from "./style.ts";

const CELLS = 16;
const RED_FROM = 80;
const YELLOW_FROM = 60;

/**
 * A gauge: 16 cells, a space, the percentage in three columns. Red from 80, yellow from 60, else green.
 *
 * @param used How much is used.
 * @param total How much there is; zero or below counts as unused.
 * @returns The cell.
 */
export function gauge(used: number, total: number): Cell {
  const share = total > 0 ? used / total : 0;
  const percent = Math.trunc(100 * Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)));
  const filled = Math.floor(percent * CELLS / 100);
  const role: Role = percent >= RED_FROM ? "red" : percent >= YELLOW_FROM ? "yellow" : "green";
  return [
    { text: "█".repeat(filled), role },
    { text: "░".repeat(CELLS - filled), role: "muted" },
    { text: ` ${String(percent).padStart(3)}%`, role },
  ];
}
