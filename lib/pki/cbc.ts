/**
 * Opening what was encrypted block by block (CBC) with padding, as PBES2 (RFC 8018 §B.2) and OpenSSL's old PEM do.
 *
 * @module
 */
import { nodeCrypto } from "./node_crypto.ts";

/** A cipher: the octets of its key and of its blocks. */
export interface Cipher {
  /** As Node calls it. */
  readonly name: string;
  /** Octets of its key. */
  readonly key: number;
  /** Octets of a block, and of the initialization vector. */
  readonly block: number;
}

/** The ciphers that are read. */
export const CIPHERS = {
  aes128: { name: "aes-128-cbc", key: 16, block: 16 },
  aes192: { name: "aes-192-cbc", key: 24, block: 16 },
  aes256: { name: "aes-256-cbc", key: 32, block: 16 },
  // Not written by anybody any more, and not known to every platform.
  tripleDes: { name: "des-ede3-cbc", key: 24, block: 8 },
} as const satisfies Record<string, Cipher>;

/**
 * Tells whether the platform knows a cipher.
 * @param cipher The cipher.
 * @returns Whether it does.
 */
export function canOpen({ name, block }: Cipher): boolean {
  return block === 16 || nodeCrypto().getCiphers().includes(name);
}

/**
 * Opens octets, and takes the padding off.
 * @param cipher The cipher, one that {@linkcode canOpen}.
 * @param sealed What was encrypted, the key and the initialization vector, of the lengths the cipher has.
 * @returns What was inside; rejects when the padding is not sound, as it mostly is not with a wrong key.
 */
export async function openCbc(
  cipher: Cipher,
  sealed: { readonly octets: Uint8Array; readonly key: Uint8Array; readonly iv: Uint8Array },
): Promise<Uint8Array> {
  const { octets, key, iv } = sealed;
  if (cipher.block !== 16) {
    const opener = nodeCrypto().createDecipheriv(cipher.name, key, iv);
    return Uint8Array.from([...opener.update(octets), ...opener.final()]);
  }
  // Deno's node:crypto lacks AES-192-CBC; Web Crypto has every size.
  const aes = await crypto.subtle.importKey("raw", key as BufferSource, "AES-CBC", false, ["decrypt"]);
  const algorithm = { name: "AES-CBC", iv: iv as BufferSource };
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, aes, octets as BufferSource));
}
