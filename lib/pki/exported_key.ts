/**
 * Private keys of the platform as bytes, asked for once: it is the dearest thing about a new key after making it.
 *
 * @module
 */
const exported = new WeakMap<CryptoKey, Promise<Uint8Array>>();

/**
 * Exports a private key.
 *
 * @param privateKey The key, which must be exportable. The bytes live as long as it does, as its own do.
 * @returns Its `PrivateKeyInfo` (RFC 5958 §2). Shared: do not write to it.
 */
export function exportedKey(privateKey: CryptoKey): Promise<Uint8Array> {
  let bytes = exported.get(privateKey);
  if (bytes === undefined) {
    bytes = crypto.subtle.exportKey("pkcs8", privateKey).then((key) => new Uint8Array(key));
    exported.set(privateKey, bytes);
  }
  return bytes;
}
