/**
 * Durations on the command line.
 *
 * @module
 */

const UNIT_SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/**
 * Reads a duration: whole seconds, or a whole number with `s`, `m`, `h` or `d` behind it.
 *
 * @param text What was typed.
 * @returns Seconds; negative only when plain seconds were.
 * @throws {RangeError} If it is not that.
 */
export function readSeconds(text: string): number {
  const match = /^(-?\d+)$|^(\d+)([smhd])$/.exec(text);
  const seconds = Number(match?.[1] ?? match?.[2] ?? NaN) * (UNIT_SECONDS[match?.[3] ?? ""] ?? NaN);
  if (Number.isSafeInteger(seconds)) return seconds === 0 ? 0 : seconds;
  throw new RangeError("not whole seconds, nor a whole number with s, m, h or d behind it");
}

/**
 * Reads a duration that cannot be negative.
 *
 * @param text What was typed.
 * @returns Seconds, zero or more.
 * @throws {RangeError} If it is not that.
 */
export function readDuration(text: string): number {
  const seconds = readSeconds(text);
  if (seconds >= 0) return seconds;
  throw new RangeError("cannot be negative");
}
