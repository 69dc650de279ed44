/**
 * How a refusal looks on the wire, and the codes it may carry.
 *
 * @module
 */

/**
 * Stable codes of a JSON error body, beside its human text. Clients branch on these, never on the text.
 *
 * | code | status | meaning |
 * |---|---|---|
 * | `bad_request` | 400 | the request cannot be read: broken JSON, bad percent-encoding, unknown shape of a query |
 * | `unauthorized` | 401 | no token, or one that is unknown, expired or revoked |
 * | `forbidden` | 403 | the token is good, its scope does not allow this endpoint |
 * | `not_found` | 404 | no such path, or no such thing |
 * | `method_not_allowed` | 405 | the path exists, not with this method; see the `Allow` header |
 * | `timeout` | 408 | the body did not arrive in time |
 * | `conflict` | 409 | it exists already, or its state forbids this |
 * | `gone` | 410 | it was there once and will not come back |
 * | `too_large` | 413 | the body is over the limit |
 * | `unsupported_media_type` | 415 | a JSON endpoint was sent something else |
 * | `invalid` | 422 | readable, but a value breaks a rule |
 * | `rate_limited` | 429 | too many failed attempts from this address; see `Retry-After` |
 * | `internal` | 500 | the daemon failed; its log says why |
 * | `unavailable` | 503 | the daemon cannot do this now; try again |
 */
export type FailureCode =
  | "bad_request"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "timeout"
  | "conflict"
  | "gone"
  | "too_large"
  | "unsupported_media_type"
  | "invalid"
  | "rate_limited"
  | "internal"
  | "unavailable";

/** The HTTP status that goes with each {@linkcode FailureCode}. */
export const FAILURE_STATUS: Readonly<Record<FailureCode, number>> = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  timeout: 408,
  conflict: 409,
  gone: 410,
  too_large: 413,
  unsupported_media_type: 415,
  invalid: 422,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
};

/** The JSON body of every refusal. */
export interface FailureBody {
  /** What could not be done, for a person. */
  readonly error: string;
  /** Why, for a program. */
  readonly code: FailureCode;
}
