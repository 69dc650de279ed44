/**
 * How a feature refuses.
 *
 * @module
 */
import { FAILURE_STATUS, type FailureBody, type FailureCode } from "@helyos/api";

/** What goes with a {@linkcode Failure}. */
export interface FailureOptions {
  /** What lies underneath; it reaches the log, never the wire. */
  readonly cause?: unknown;
  /** Headers of the refusal, for example `allow` or `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal on its way to the caller. Anything else a handler throws becomes `internal` with a text that says nothing. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param code Which refusal; it decides the status.
   * @param message What the caller reads.
   */
  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.headers = options.headers ?? {};
  }
}

/** The answer a {@linkcode Failure} becomes: always JSON, never stored by anything in between. */
export function failureResponse(failure: Failure): Response {
  const body: FailureBody = { error: failure.message, code: failure.code };
  return new Response(JSON.stringify(body), {
    status: FAILURE_STATUS[failure.code],
    headers: { "content-type": "application/json", "cache-control": "no-store", ...failure.headers },
  });
}
