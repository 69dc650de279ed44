/**
 * One-line results and complaints, each behind its mark.
 *
 * @module
 */
import type { Io, TextSink } from "../io.ts";
import { icon, type IconName, paint, type Role, styleOf } from "./style.ts";
import { visible } from "./text.ts";

type Screen = Pick<Io, "stdout" | "stderr" | "env">;

const MARKS = {
  success: { icon: "success", role: "green" },
  warning: { icon: "warning", role: "yellow" },
  error: { icon: "error", role: "red" },
} as const satisfies Readonly<Record<string, { icon: IconName; role: Role }>>;

function mark(io: Screen, sink: TextSink, message: { kind: keyof typeof MARKS; text: string }): void {
  const style = styleOf(sink, io);
  const { icon: name, role } = MARKS[message.kind];
  sink.write(`${paint(style, role, icon(style, name))} ${visible(message.text, { lines: true })}\n`);
}

/**
 * Says what was done: `✓ TEXT` on standard output.
 *
 * @param io The outside world.
 * @param text What was done; further lines follow without a mark.
 */
export function success(io: Screen, text: string): void {
  mark(io, io.stdout, { kind: "success", text });
}

/**
 * Says what needs attention: `⚠ TEXT` on standard error.
 *
 * @param io The outside world.
 * @param text What needs attention.
 */
export function warn(io: Screen, text: string): void {
  mark(io, io.stderr, { kind: "warning", text });
}

/**
 * Says what could not be done: `✗ TEXT` and, if there is one, a hint below it, on standard error.
 *
 * @param io The outside world.
 * @param text What could not be done.
 * @param hint What to try.
 */
export function fail(io: Screen, text: string, hint?: string): void {
  mark(io, io.stderr, { kind: "error", text });
  if (hint !== undefined) io.stderr.write(`  hint: ${visible(hint, { lines: true })}\n`);
}
