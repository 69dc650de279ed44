/**
 * The one time a token's secret is shown.
 *
 * @module
 */
import type { Surroundings } from "./command.ts";
import { CliError } from "./failure.ts";
import { type Loose, textOf } from "./listing.ts";
import { success } from "./output/message.ts";
import { visible } from "./output/text.ts";
import { outputStyle } from "./say.ts";

/**
 * Prints what was done and the secret.
 *
 * @param surroundings The invocation.
 * @param done What was done.
 * @param answer What the daemon sent.
 * @returns The secret, safe to print.
 * @throws {CliError} If the answer holds none.
 */
export function printNewToken(surroundings: Surroundings, done: string, answer: unknown): string {
  const token = typeof answer === "object" && answer !== null ? visible(textOf(answer as Loose, "token", "")) : "";
  if (token === "") {
    throw new CliError("cannot understand the daemon's answer: it holds no token", { code: "bad_answer" });
  }
  surroundings.io.stdout.write(
    `${success(outputStyle(surroundings), done)}\nToken (shown once — save it now):\n  ${token}\n`,
  );
  return token;
}
