/**
 * AES-256-GCM and HMAC under keys derived from one master key.
 *
 * A sealed value is `1 | nonce (12) | ciphertext | tag (16)`: version 1, a random nonce, and as additional data the name
 * it was sealed under, so that a value moved to another row or file does not open. Sealing and each digest purpose have a
 * key of their own (HKDF-SHA-256, RFC 5869); only the original's values are opened with the master key itself.
 *
 * Random 96-bit nonces are good for 2^32 seals per key (NIST SP 800-38D §8.3), far beyond what one node ever seals.
 * Does not protect against whoever can read `master.key`, nor against an old value being put back under its own name.
 *
 * @module
 */
import { type Sealer, SecretError } from "./sealer.ts";

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES;

const encoder = new TextEncoder();

/**
 * A sealer over a key in memory. The key is copied into Web Crypto: the caller may wipe it afterwards.
 *
 * @param masterKey 32 bytes.
 */
export async function openSealerWith(masterKey: Uint8Array<ArrayBuffer>): Promise<Sealer> {
  const root = await crypto.subtle.importKey("raw", masterKey, "HKDF", false, ["deriveKey"]);
  const original = await crypto.subtle.importKey("raw", masterKey, "AES-GCM", false, ["decrypt"]);
  const sealing = await derive(root, "helyos seal v1", { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]);
  const digesting = new Map<string, Promise<CryptoKey>>();

  return {
    async seal(name, clear) {
      const sealed = new Uint8Array(HEADER_BYTES + clear.length + TAG_BYTES);
      sealed[0] = VERSION;
      const nonce = crypto.getRandomValues(sealed.subarray(1, HEADER_BYTES));
      const cipher = await crypto.subtle.encrypt(parameters(nonce, name), sealing, own(clear));
      sealed.set(new Uint8Array(cipher), HEADER_BYTES);
      return sealed;
    },
    async open(name, sealed) {
      if (sealed.length < HEADER_BYTES + TAG_BYTES) throw invalid(name, "it is too short");
      if (sealed[0] !== VERSION) throw invalid(name, `its version ${sealed[0]} is unknown`);
      const bytes = own(sealed);
      const nonce = bytes.subarray(1, HEADER_BYTES);
      return await decrypt(name, parameters(nonce, name), sealing, bytes.subarray(HEADER_BYTES));
    },
    async digest(purpose, data) {
      let key = digesting.get(purpose);
      if (key === undefined) {
        key = derive(root, `helyos digest v1 ${purpose}`, { name: "HMAC", hash: "SHA-256", length: 256 }, ["sign"]);
        digesting.set(purpose, key);
      }
      const bytes = typeof data === "string" ? encoder.encode(data) : own(data);
      return new Uint8Array(await crypto.subtle.sign("HMAC", await key, bytes));
    },
    async openOriginal(sealed) {
      const name = "a secret of the original";
      if (sealed.length < NONCE_BYTES + TAG_BYTES) throw invalid(name, "it is too short");
      const bytes = own(sealed);
      const iv = bytes.subarray(0, NONCE_BYTES);
      return await decrypt(name, { name: "AES-GCM", iv }, original, bytes.subarray(NONCE_BYTES));
    },
  };
}

function derive(
  root: CryptoKey,
  info: string,
  algorithm: AesKeyGenParams | HmacKeyGenParams,
  usages: KeyUsage[],
): Promise<CryptoKey> {
  // The master key is uniformly random, so HKDF needs no salt (RFC 5869 §3.1)
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(info) };
  return crypto.subtle.deriveKey(hkdf, root, algorithm, false, usages);
}

function parameters(iv: Uint8Array<ArrayBuffer>, name: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: encoder.encode(`helyos ${name}`) };
}

async function decrypt(
  name: string,
  how: AesGcmParams,
  key: CryptoKey,
  cipher: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(how, key, cipher));
  } catch (cause) {
    throw invalid(name, "it was altered, moved, or sealed under another master.key", cause);
  }
}

function invalid(name: string, why: string, cause?: unknown): SecretError {
  return new SecretError("sealed_invalid", `secret error: decryption failed: cannot open ${name}: ${why}`, { cause });
}

/** The same bytes in a buffer of their own kind, which Web Crypto's types ask for. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? bytes as Uint8Array<ArrayBuffer> : new Uint8Array(bytes);
}
