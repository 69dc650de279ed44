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
  const message = shortened(scrubbed(failure.message));
  const hint = failure.hint === undefined ? undefined : scrubbed(failure.hint);
  if (json) {
    return io.stderr.write(asJson({ error: message, code: failure.code, ...(hint === undefined ? {} : { hint }) }));
  }
  if (!(failure instanceof UsageError)) return io.stderr.write(failureLine(styleOf(io.stderr, io), message, hint));
  const parts = [`error: ${message}`];
  if (hint) parts.push(`  tip: ${hint}`);
  if (failure.usage) parts.push(`Usage: ${failure.usage}`);
  parts.push("For more information, try '--help'.");
  io.stderr.write(`${visible(parts.join("\n\n"), { lines: true })}\n`);
}

/** What a failure may take of a terminal or a log, in characters: some of its text comes from strangers. */
const MAX_MESSAGE = 4_000;

function shortened(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE).toWellFormed()}…` : text;
}

/** A token typed in the wrong place is quoted in the complaint, and complaints end up in logs: its beginning is enough. */
function scrubbed(text: string): string {
  return text.replace(/(nxa(?:-api)?_[0-9A-Za-z]{4})[0-9A-Za-z]+/g, "$1…");
}
