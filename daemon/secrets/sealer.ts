/**
 * What seals secrets at rest.
 *
 * @module
 */

/** Seals, opens and digests under the node's master key. */
export interface Sealer {
  /**
   * Encrypts `clear` so that only {@linkcode Sealer.open} with the same name on this node gives it back.
   *
   * @param name Where it will be kept, for example `http-ca-key`: a sealed value moved to another name fails to open.
   */
  seal(name: string, clear: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Decrypts what {@linkcode Sealer.seal} made under this name.
   *
   * @throws {SecretError} `sealed_invalid` when it was altered, cut, made under another name or by another master key.
   */
  open(name: string, sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** HMAC-SHA-256 of `data` with a key of its own for each purpose: equal input, equal output, and useless elsewhere. */
  digest(purpose: string, data: Uint8Array | string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Decrypts a value of the original daemon's secret store: 12-byte nonce, ciphertext and tag under the master key
   * itself, bound to no name.
   *
   * @throws {SecretError} `sealed_invalid` when it was altered or made by another master key.
   */
  openOriginal(sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Why a secret could not be handled.
 *
 * | code | meaning |
 * |---|---|
 * | `key_invalid` | `master.key` has the wrong size |
 * | `key_missing` | `master.key` is gone while things sealed under it are there |
 * | `key_unreadable` | `master.key` cannot be read or created |
 * | `sealed_invalid` | a sealed value does not open |
 */
export type SecretErrorCode = "key_invalid" | "key_missing" | "key_unreadable" | "sealed_invalid";

/** A secret could not be handled; {@linkcode SecretError.code} says why. */
export class SecretError extends Error {
  override readonly name = "SecretError";
  constructor(readonly code: SecretErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
