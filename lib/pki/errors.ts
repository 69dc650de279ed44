/**
 * What a caller may want to handle. Codes are stable: they may be matched on and written to logs.
 *
 * - `invalid_pem` the text is not strict PEM, or not the kind of PEM that was asked for
 * - `invalid_der` the bytes are not DER, or not the structure they claim to be
 * - `invalid_key` the key cannot be read, is too small, or lies about itself
 * - `unsupported_key` a sound key of a kind this library does not work with
 * - `passphrase_required` the key is encrypted and no passphrase was given
 * - `wrong_passphrase` the passphrase does not open the key
 * - `key_mismatch` a private key does not belong to the certificate it came with
 * - `invalid_name` a name that must not stand in a certificate
 * - `invalid_certificate` sound DER that is not an X.509 certificate this library accepts
 * - `invalid_request` sound DER that is not a certification request this library accepts
 * - `invalid_crl` sound DER that is not a CRL this library accepts
 * - `invalid_lifetime` a certificate that would end before it starts, or outlive its issuer
 * - `issuer_not_ca` the issuer may not sign what was asked
 * - `name_not_permitted` the issuer's name constraints forbid the name
 */
export type PkiErrorCode =
  | "invalid_pem"
  | "invalid_der"
  | "invalid_key"
  | "unsupported_key"
  | "passphrase_required"
  | "wrong_passphrase"
  | "key_mismatch"
  | "invalid_name"
  | "invalid_certificate"
  | "invalid_request"
  | "invalid_crl"
  | "invalid_lifetime"
  | "issuer_not_ca"
  | "name_not_permitted";

/**
 * A certificate, key, request or CRL that cannot be read or must not be made.
 *
 * Misuse of a function (a negative length, an unknown option) throws `TypeError` or `RangeError` instead.
 *
 * @example Tell a wrong passphrase from a broken file
 * ```ts
 * import { exportPrivateKey, generateKeyPair, importPrivateKey, PkiError } from "@helyos/pki";
 * import { equal, ok } from "node:assert/strict";
 *
 * const pem = await exportPrivateKey(await generateKeyPair(), { passphrase: "correct horse" });
 * try {
 *   await importPrivateKey(pem, { passphrase: "battery staple" });
 * } catch (error) {
 *   ok(error instanceof PkiError);
 *   equal(error.code, "wrong_passphrase");
 * }
 * ```
 */
export class PkiError extends Error {
  /** Always `"PkiError"`. */
  override readonly name = "PkiError";
  /** What went wrong, to match on. */
  readonly code: PkiErrorCode;

  /**
   * Says what could not be done.
   * @param code What went wrong, to match on.
   * @param message What could not be done and the value at hand.
   * @param options The cause underneath, when there is one.
   */
  constructor(code: PkiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
