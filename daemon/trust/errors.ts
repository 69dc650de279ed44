/**
 * How trust material is refused.
 *
 * @module
 */

/**
 * Why a certificate cannot be served.
 *
 * | code | meaning |
 * |---|---|
 * | `one_alone` | only one of `--tls-cert` and `--tls-key` was given |
 * | `unreadable` | a file is missing, not ours to read, or too large |
 * | `invalid_certificate` | the certificate file holds no readable certificate |
 * | `invalid_key` | the key file holds no readable private key, or one with a passphrase |
 * | `mismatch` | the key is not the certificate's |
 * | `chain_order` | a certificate in the file was not issued by the next one |
 * | `expired` | the certificate has ended |
 * | `not_yet_valid` | the certificate has not begun, or this clock is slow |
 * | `invalid_name` | a name that is to be in the certificate is neither a DNS name nor an IP address |
 * | `damaged` | our own files in the data directory do not fit together and cannot be made anew |
 */
export type TrustErrorCode =
  | "one_alone"
  | "unreadable"
  | "invalid_certificate"
  | "invalid_key"
  | "mismatch"
  | "chain_order"
  | "expired"
  | "not_yet_valid"
  | "invalid_name"
  | "damaged";

/** A certificate cannot be served; {@linkcode TrustError.code} says why. */
export class TrustError extends Error {
  override readonly name = "TrustError";
  constructor(readonly code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
