/**
 * What a connection can fail of. Codes are stable: they may be matched on and written to logs.
 *
 * Reaching the server:
 * - `refused` nothing listens there
 * - `timeout` it did not answer in time
 * - `dns` its name cannot be resolved
 * - `unreachable` there is no way to it, or no permission to use it
 * - `disconnected` it hung up
 * - `proxy_refused` the proxy would not connect to it
 * - `aborted` the caller's signal said to stop
 *
 * Believing the server:
 * - `unknown_ca` its certificate does not come from the CA that is trusted
 * - `wrong_name` its certificate is for other names (`offered`)
 * - `expired` a certificate is no longer valid (`since`)
 * - `not_yet_valid` a certificate is not valid yet (`from`, `clock`)
 * - `invalid_certificate` its certificates break a rule no trustworthy server breaks
 * - `invalid_ca` what should be a CA's certificate is none that could be trusted
 * - `fingerprint_mismatch` the CA it offers is not the one that was expected (`expected`, `got`, `tried`)
 * - `no_ca` it offers no CA to pin
 * - `invalid_link` a link certificate does not lead from the pinned CA to the new one
 *
 * Talking to the server:
 * - `not_tls` it speaks plain HTTP where TLS was wanted
 * - `tls_required` it speaks TLS where plain HTTP was wanted
 * - `tls` the TLS handshake failed for another reason
 * - `redirect_off_origin` it points elsewhere, where nothing is sent
 * - `too_large` its answer is larger than the limit
 * - `protocol` its answer makes no sense
 */
export type PinningErrorCode =
  | "refused"
  | "timeout"
  | "dns"
  | "unreachable"
  | "disconnected"
  | "proxy_refused"
  | "aborted"
  | "unknown_ca"
  | "wrong_name"
  | "expired"
  | "not_yet_valid"
  | "invalid_certificate"
  | "invalid_ca"
  | "fingerprint_mismatch"
  | "no_ca"
  | "invalid_link"
  | "not_tls"
  | "tls_required"
  | "tls"
  | "redirect_off_origin"
  | "too_large"
  | "protocol";

/** Which of the three spellings of a CA's fingerprint was compared. */
export type FingerprintForm = "pem" | "der" | "spki";

/**
 * Whose clock a date that does not fit speaks against: `ours` this machine's, `theirs` that of the server or of whoever
 * issued its certificate, `unknown` one of the two.
 */
export type WrongClock = "ours" | "theirs" | "unknown";

/** What belongs to a {@linkcode PinningError} beside its code and message. */
export interface PinningErrorDetails {
  /** What lies underneath. */
  readonly cause?: unknown;
  /** With `wrong_name`: the names the certificate is for. They are the server's words: escape them before you show them. */
  readonly offered?: readonly string[];
  /** With `expired`: the last instant of the certificate. */
  readonly since?: Date;
  /** With `not_yet_valid`: the first instant of the certificate. */
  readonly from?: Date;
  /** With `not_yet_valid` and `expired`: whose clock is likely to be wrong. */
  readonly clock?: WrongClock;
  /** With `fingerprint_mismatch`: what was expected. */
  readonly expected?: string;
  /** With `fingerprint_mismatch`: the fingerprint of the CA's PEM text, as the daemon prints it. */
  readonly got?: string;
  /** With `fingerprint_mismatch`: the spellings that were compared. */
  readonly tried?: readonly FingerprintForm[];
  /** With `protocol` and `proxy_refused`: the status of the answer. */
  readonly status?: number;
}

/**
 * A server that could not be reached, believed or understood.
 *
 * Misuse (a URL that is none, a limit that is negative) throws `TypeError`, `RangeError` or `SyntaxError` instead.
 *
 * @example Tell a stranger from a server that is down
 * ```ts
 * import { fetchCa, PinningError } from "@helyos/pinning";
 * import { ok } from "node:assert/strict";
 *
 * try {
 *   await fetchCa("https://127.0.0.1:1");
 * } catch (error) {
 *   ok(error instanceof PinningError);
 *   ok(error.code !== "fingerprint_mismatch");
 * }
 * ```
 */
export class PinningError extends Error {
  /** Always `"PinningError"`. */
  override readonly name = "PinningError";
  /** What went wrong, to match on. */
  readonly code: PinningErrorCode;
  /** With `wrong_name`: the names the certificate is for. They are the server's words: escape them before you show them. */
  readonly offered?: readonly string[];
  /** With `expired`: the last instant of the certificate. */
  readonly since?: Date;
  /** With `not_yet_valid`: the first instant of the certificate. */
  readonly from?: Date;
  /** With `not_yet_valid` and `expired`: whose clock is likely to be wrong. */
  readonly clock?: WrongClock;
  /** With `fingerprint_mismatch`: what was expected. */
  readonly expected?: string;
  /** With `fingerprint_mismatch`: the fingerprint of the CA's PEM text, as the daemon prints it. */
  readonly got?: string;
  /** With `fingerprint_mismatch`: the spellings that were compared. */
  readonly tried?: readonly FingerprintForm[];
  /** With `protocol` and `proxy_refused`: the status of the answer. */
  readonly status?: number;

  /**
   * Makes an error.
   *
   * @param code What went wrong, to match on.
   * @param message What could not be done and the value at hand.
   * @param details What else is known of it.
   */
  constructor(code: PinningErrorCode, message: string, details: PinningErrorDetails = {}) {
    const { cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    Object.assign(this, rest);
  }
}
