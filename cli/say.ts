/**
 * What commands say: results on standard output, remarks on standard error, each in the shape the user asked for.
 *
 * @module
 */
import type { Surroundings } from "./command.ts";
import { json, type JsonOptions } from "./output/json.ts";
import { success, warning } from "./output/message.ts";
import { type Style, styleOf } from "./output/style.ts";

/**
 * How text may look on standard output.
 *
 * @param surroundings The invocation.
 * @returns Its style.
 */
export function outputStyle({ io }: Surroundings): Style {
  return styleOf(io.stdout, io);
}

/**
 * Prints JSON on standard output.
 *
 * @param surroundings The invocation.
 * @param value What to print.
 * @param options The order of keys.
 */
export function sayJson({ io }: Surroundings, value: unknown, options?: JsonOptions): void {
  io.stdout.write(json(value, options));
}

/**
 * Says that something was done: `✓ TEXT`, or with `--json` `{"status": "ok", …}`.
 *
 * @param surroundings The invocation.
 * @param text What was done.
 * @param facts The same for a program.
 */
export function sayDone(surroundings: Surroundings, text: string, facts: Readonly<Record<string, unknown>>): void {
  if (surroundings.globals.json) return sayJson(surroundings, { status: "ok", ...facts });
  surroundings.io.stdout.write(success(outputStyle(surroundings), text));
}

/**
 * Says what needs attention: `⚠ TEXT` on standard error; nothing with `--json`.
 *
 * @param surroundings The invocation.
 * @param text What needs attention.
 */
export function sayWarning({ globals, io }: Surroundings, text: string): void {
  if (globals.json) return;
  const style = styleOf(io.stderr, io);
  io.stderr.write(warning(style, text));
}
