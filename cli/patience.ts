/**
 * Trying again until something works or time is up.
 *
 * @module
 */
import { CliError } from "./failure.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Failures that pass by themselves while a daemon starts or a network comes up. What is not here, such as a certificate
 * of somebody else or a token that is not accepted, will be the same in a minute: waiting would only hide it.
 */
const PASSING = new Set([
  "refused",
  "timeout",
  "unreachable",
  "disconnected",
  "dns",
  "protocol",
  "aborted",
  "connection_failed",
  "internal",
  "unavailable",
  "rate_limited",
  "http_500",
  "http_502",
  "http_503",
  "http_504",
]);

/**
 * Tries until it works.
 *
 * @param attempt What to try. It is left alone, not awaited, when time is up.
 * @param timeoutMs How long to go on trying, in milliseconds.
 * @returns What the first attempt that worked gave.
 * @throws {CliError} The last failure when time is up, any failure that does not pass by itself at once.
 */
export async function untilItWorks<T>(attempt: () => Promise<T>, timeoutMs: number): Promise<T> {
  using deadline = timer(timeoutMs);
  let last: CliError | undefined;
  const stopped = new Promise<never>((_, reject) => {
    const none = new CliError(`no answer within ${timeoutMs / 1_000} s`, { code: "timeout" });
    deadline.passed.then(() => reject(last ?? none));
  });
  stopped.catch(() => {});
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const trying = attempt();
    trying.catch(() => {});
    try {
      return await Promise.race([trying, stopped]);
    } catch (error) {
      if (!(error instanceof CliError) || error === last || !PASSING.has(error.code)) throw error;
      last = new CliError(`${error.message} (tried for ${timeoutMs / 1_000} s)`, {
        code: error.code,
        hint: error.hint,
        exitCode: error.exitCode,
        cause: error.cause,
      });
    }
    using pause = timer(pauseMs);
    await Promise.race([pause.passed, stopped]);
  }
}

function timer(ms: number): Disposable & { readonly passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const id = setTimeout(resolve, ms);
  return { passed: promise, [Symbol.dispose]: () => clearTimeout(id) };
}
