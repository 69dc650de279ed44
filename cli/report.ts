/**
 * How a failure is printed.
 *
 * @module
 */
import { type CliError, UsageError } from "./failure.ts";
import type { Io } from "./io.ts";
import { json as asJson } from "./output/json.ts";
import { failure as failureLine } from "./output/message.ts";
import { styleOf } from "./output/style.ts";
import { visible } from "./output/text.ts";

/**
 * Prints a failure on standard error: for people a line and a hint, for programs a JSON object.
 *
 * @param failure What went wrong.
 * @param options Where to, and for whom.
 */
export function reportFailure(failure: CliError, { io, json }: { io: Io; json: boolean }): void {
  if (json) {
    const { message, code, hint } = failure;
    return io.stderr.write(asJson({ error: message, code, ...(hint === undefined ? {} : { hint }) }));
  }
  if (!(failure instanceof UsageError)) {
    const style = styleOf(io.stderr, io);
    return io.stderr.write(failureLine(style, failure.message, failure.hint));
  }
  const parts = [`error: ${failure.message}`];
  if (failure.hint) parts.push(`  tip: ${failure.hint}`);
  if (failure.usage) parts.push(`Usage: ${failure.usage}`);
  parts.push("For more information, try '--help'.");
  io.stderr.write(`${visible(parts.join("\n\n"), { lines: true })}\n`);
}
