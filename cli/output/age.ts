/**
 * Spans of time for people.
 *
 * @module
 */

const UNITS: readonly (readonly [letter: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/**
 * How long ago something was, in its largest unit alone: `3d`, `5h`, `45m`, `30s`.
 *
 * @param instant RFC 3339 as the server sent it.
 * @param now The present.
 * @returns The age; `just now` for under a second or the future, `-` when `instant` cannot be read.
 */
export function age(instant: string, now: Date): string {
  const elapsed = now.getTime() - Date.parse(instant);
  if (Number.isNaN(elapsed)) return "-";
  const unit = UNITS.find(([, ms]) => elapsed >= ms);
  return unit ? `${Math.floor(elapsed / unit[1])}${unit[0]}` : "just now";
}

/**
 * A duration as exactly as whole units allow: `1h`, `90s`, `2d`.
 *
 * @param seconds A whole number, zero or above.
 * @returns The largest unit that divides it.
 */
export function duration(seconds: number): string {
  const ms = seconds * 1_000;
  const unit = UNITS.find(([, size]) => ms > 0 && ms % size === 0);
  return unit ? `${ms / unit[1]}${unit[0]}` : `${seconds}s`;
}
