import type { Problem } from "./problem.ts";

/**
 * What a caller may want to handle. Codes are stable.
 *
 * - `rate_limited` too many orders, accounts or failures; wait for {@linkcode AcmeError.retryAt}
 * - `unavailable` the server is down for now (503, or no answer); try later
 * - `unreachable` no connection: refused, no such host, timed out
 * - `untrusted` the server's own certificate is not trusted
 * - `identifier_rejected` the server will not issue for this name
 * - `challenge_failed` the server looked and did not find the answer it asked for
 * - `caa` the name's CAA records forbid this CA
 * - `account` the account is unknown, deactivated, or must agree to new terms
 * - `order_lost` the order is gone, expired or invalid; start a new one
 * - `already_replaced` the certificate an order was to replace has a successor already
 * - `unsupported` the server offers no challenge that there is a solver for, or no such profile
 * - `refused` any other refusal with a problem document
 * - `protocol` an answer that makes no sense
 */
export type AcmeErrorCode =
  | "rate_limited"
  | "unavailable"
  | "unreachable"
  | "untrusted"
  | "identifier_rejected"
  | "challenge_failed"
  | "caa"
  | "account"
  | "order_lost"
  | "already_replaced"
  | "unsupported"
  | "refused"
  | "protocol";

/** What an {@linkcode AcmeError} knows beside its message. */
export interface AcmeErrorDetails extends ErrorOptions {
  /** What the server said, when it said anything. */
  readonly problem?: Problem;
  /** Do not try again before this instant. */
  readonly retryAt?: Date;
}

/**
 * A certificate could not be obtained, or something else asked of an ACME server failed.
 *
 * @example
 * ```ts
 * import { AcmeError } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * equal(new AcmeError("unreachable", "Cannot reach the CA").code, "unreachable");
 * ```
 */
export class AcmeError extends Error {
  /** Always `AcmeError`. */
  override readonly name = "AcmeError";
  /** Why, for programs. */
  readonly code: AcmeErrorCode;
  /** What the server said, when it said anything. */
  readonly problem: Problem | undefined;
  /** Do not try again before this instant. */
  readonly retryAt: Date | undefined;

  /**
   * Makes the error.
   *
   * @param code Why.
   * @param message What could not be done.
   * @param details The server's words, when to try again, and the cause.
   */
  constructor(code: AcmeErrorCode, message: string, details: AcmeErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.problem = details.problem;
    this.retryAt = details.retryAt;
  }
}
