/**
 * Key pairs: made by the platform, read from files, written to files.
 *
 * @module
 */
import { type AnyKeyAlgorithm, type KeyAlgorithm, kindOf } from "./algorithm.ts";
import { readWhole, Tag } from "./der.ts";
import { decryptKey, encryptKey } from "./encrypted_key.ts";
import { PkiError } from "./errors.ts";
import { exportedKey } from "./exported_key.ts";
import { openLegacyPem } from "./legacy_pem.ts";
import { pemDecode, pemEncode } from "./pem.ts";
import { type PrivateKey, readEc, readPrivateKey, readRsa } from "./private_key.ts";
import { type PublicKey, rememberPublicKey, toPublicKey } from "./public_key.ts";

export type { AnyKeyAlgorithm, KeyAlgorithm } from "./algorithm.ts";

/**
 * A private key and its public half. A pair made with Web Crypto is one when its algorithm is named beside it, as in
 * `{ algorithm: "ec-p256", ...pair }`; before it signs it is proven to be what it says.
 */
export interface KeyPair {
  /** Its kind. */
  readonly algorithm: AnyKeyAlgorithm;
  /** What signs. */
  readonly privateKey: CryptoKey;
  /** What others verify with. */
  readonly publicKey: CryptoKey;
}

/** Options of {@linkcode exportPrivateKey} and {@linkcode importPrivateKey}. */
export interface PassphraseOptions {
  /** What the key is, or is to be, encrypted under. */
  readonly passphrase?: string;
}

const ALGORITHMS: ReadonlySet<string> = new Set<KeyAlgorithm>([
  "ec-p256",
  "ec-p384",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
]);

/**
 * Makes a key pair. The private key can be exported.
 *
 * @example
 * ```ts
 * import { generateKeyPair } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * equal((await generateKeyPair()).algorithm, "ec-p256");
 * equal((await generateKeyPair("ed25519")).privateKey.type, "private");
 * ```
 * @param algorithm What kind.
 * @returns The pair.
 * @throws {TypeError} If there is no such kind.
 */
export async function generateKeyPair(algorithm: KeyAlgorithm = "ec-p256"): Promise<KeyPair> {
  if (!ALGORITHMS.has(algorithm)) throw new TypeError(`There is no key algorithm ${JSON.stringify(algorithm)}`);
  const { key } = kindOf(algorithm);
  const rsa = algorithm.startsWith("rsa-")
    ? { modulusLength: Number(algorithm.slice(4)), publicExponent: new Uint8Array([1, 0, 1]) }
    : {};
  const pair = await crypto.subtle.generateKey({ ...key, ...rsa }, true, ["sign", "verify"]) as CryptoKeyPair;
  if (algorithm === "ec-p256") rememberPublicKey(pair.publicKey, pair.privateKey);
  proven.set(pair.privateKey, pair.publicKey);
  return { algorithm, privateKey: pair.privateKey, publicKey: pair.publicKey };
}

/**
 * Writes a private key as PKCS#8 PEM; under a passphrase with PBES2 (PBKDF2 with 600,000 rounds of HMAC-SHA-256,
 * AES-256-CBC), which OpenSSL, GnuTLS, Node and Java read.
 *
 * @example
 * ```ts
 * import { exportPrivateKey, generateKeyPair, importPrivateKey } from "@helyos/pki";
 * import { match } from "node:assert/strict";
 *
 * const pem = await exportPrivateKey(await generateKeyPair(), { passphrase: "correct horse" });
 * match(pem, /BEGIN ENCRYPTED PRIVATE KEY/);
 * await importPrivateKey(pem, { passphrase: "correct horse" });
 * ```
 * @param pair The pair.
 * @param options The passphrase, if the key is to be encrypted.
 * @returns The PEM text. Without a passphrase whoever reads it has the key: keep it in a file of mode 0600.
 * @throws {RangeError} If the passphrase is empty.
 * @throws {PkiError} `invalid_key` if the key cannot be exported.
 */
export async function exportPrivateKey(pair: KeyPair, options: PassphraseOptions = {}): Promise<string> {
  const { passphrase } = options;
  if (passphrase === "") throw new RangeError("Cannot encrypt a private key under an empty passphrase");
  if (!pair.privateKey.extractable) throw new PkiError("invalid_key", "Cannot export a private key that is locked in");
  const pkcs8 = await exportedKey(pair.privateKey);
  return passphrase === undefined
    ? pemEncode("PRIVATE KEY", pkcs8)
    : pemEncode("ENCRYPTED PRIVATE KEY", await encryptKey(pkcs8, passphrase));
}

/**
 * Reads a private key from PEM: PKCS#8, encrypted PKCS#8 (PBES2), `EC PRIVATE KEY` (RFC 5915), `RSA PRIVATE KEY`
 * (RFC 8017 §A.1.2), and the two latter as OpenSSL used to encrypt them; or PKCS#8 (RFC 5958), encrypted or not, from DER.
 * The public half is derived, and what the file states of it must agree.
 *
 * PBES2 (RFC 8018 §6.2) is read with PBKDF2 of any HMAC with SHA-1 or SHA-2, up to 10,000,000 rounds, or scrypt (RFC 7914) in
 * up to 256 MiB, and AES-128, AES-192, AES-256 or triple DES in CBC mode.
 *
 * A passphrase that an unencrypted key does not need is ignored.
 *
 * @example A missing passphrase has its own code
 * ```ts
 * import { exportPrivateKey, generateKeyPair, importPrivateKey } from "@helyos/pki";
 * import { rejects } from "node:assert/strict";
 *
 * const pem = await exportPrivateKey(await generateKeyPair(), { passphrase: "correct horse" });
 * await rejects(() => importPrivateKey(pem), { code: "passphrase_required" });
 * ```
 * @param input PEM text with exactly one private key, certificates beside it are not looked at; or DER.
 * @param options The passphrase, if the key is encrypted.
 * @returns The pair.
 * @throws {PkiError} `invalid_pem`, `invalid_der`, `invalid_key`, `unsupported_key`, `passphrase_required`,
 *   `wrong_passphrase`.
 * @throws {TypeError} If `input` is neither text nor octets.
 */
export async function importPrivateKey(
  input: string | Uint8Array,
  options: PassphraseOptions = {},
): Promise<KeyPair> {
  const { passphrase } = options;
  const key = typeof input === "string" ? await readPem(input, passphrase) : await readDer(input, passphrase);
  const kind = kindOf(key.algorithm);
  let pair: KeyPair;
  try {
    const [privateKey, publicKey] = await Promise.all([
      crypto.subtle.importKey("pkcs8", key.pkcs8 as BufferSource, kind.key, true, ["sign"]),
      crypto.subtle.importKey("spki", key.publicKey.spki as BufferSource, kind.key, true, ["verify"]),
    ]);
    pair = { algorithm: key.algorithm, privateKey, publicKey };
  } catch (cause) {
    throw new PkiError("invalid_key", "Cannot read the private key: it is not a sound key", { cause });
  }
  rememberPublicKey(pair.publicKey, key.publicKey);
  if (!await belongTogether(pair)) {
    throw new PkiError("invalid_key", "Cannot read the private key: its halves do not belong together");
  }
  return pair;
}

/**
 * Proves that a pair is one, and is what it says: once for each pair, by a signature that is verified.
 *
 * @param pair The pair.
 * @returns Its public half.
 * @throws {PkiError} `key_mismatch` if it is none, and what reading the public half throws.
 * @throws {TypeError} If a half is of the wrong type.
 */
export async function provePair(pair: KeyPair): Promise<PublicKey> {
  const { type } = pair.privateKey;
  if (type !== "private") throw new TypeError(`A ${type} key does not sign`);
  const publicKey = await toPublicKey(pair.publicKey);
  if (publicKey.algorithm !== pair.algorithm || !await belongTogether(pair)) {
    throw new PkiError("key_mismatch", `Cannot sign: the ${pair.algorithm} key pair is no pair`);
  }
  return publicKey;
}

/** Pairs that were proven to be one, by their private halves. */
const proven = new WeakMap<CryptoKey, CryptoKey>();

/** A key whose halves do not belong together (swapped primes, a wrong exponent) must not get to sign anything. */
async function belongTogether({ algorithm, privateKey, publicKey }: KeyPair): Promise<boolean> {
  if (proven.get(privateKey) === publicKey) return true;
  const { key, signature } = kindOf(algorithm);
  const data = new Uint8Array(32);
  try {
    const spki = (await toPublicKey(publicKey)).spki as BufferSource;
    const verifier = await crypto.subtle.importKey("spki", spki, key, false, ["verify"]);
    const signed = await crypto.subtle.sign(signature, privateKey, data);
    if (!await crypto.subtle.verify(signature, verifier, signed, data)) return false;
  } catch {
    return false;
  }
  proven.set(privateKey, publicKey);
  return true;
}

async function readPem(pem: string, passphrase: string | undefined): Promise<PrivateKey> {
  const legacy = await openLegacyPem(pem, passphrase);
  const blocks = legacy ?? pemDecode(pem).filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [block, another] = blocks;
  if (block === undefined) throw new PkiError("invalid_pem", "Cannot read PEM: there is no private key");
  if (another !== undefined) throw new PkiError("invalid_pem", "Cannot read PEM: there are several private keys");
  switch (block.label) {
    case "PRIVATE KEY":
      return readPrivateKey(block.der);
    case "EC PRIVATE KEY":
      return decrypted(legacy !== undefined, () => readEc(block.der));
    case "RSA PRIVATE KEY":
      return decrypted(legacy !== undefined, () => readRsa(block.der));
    case "ENCRYPTED PRIVATE KEY":
      return await readEncrypted(block.der, passphrase);
    default:
      throw new PkiError("unsupported_key", `Cannot work with ${block.label}: use PKCS#8, EC or RSA`);
  }
}

/** RFC 5958 §2, §3: the one begins with a number, the other with an algorithm. */
async function readDer(der: Uint8Array, passphrase: string | undefined): Promise<PrivateKey> {
  if (!(der instanceof Uint8Array)) throw new TypeError("A private key is PEM in a string, or DER in a Uint8Array");
  const first = readWhole(der, Tag.SEQUENCE, "a private key").peek();
  return first === Tag.SEQUENCE ? await readEncrypted(der, passphrase) : readPrivateKey(der);
}

async function readEncrypted(der: Uint8Array, passphrase: string | undefined): Promise<PrivateKey> {
  if (passphrase === undefined) {
    throw new PkiError("passphrase_required", "Cannot open the private key: it is encrypted, give its passphrase");
  }
  const clear = await decryptKey(der, passphrase);
  return decrypted(true, () => readPrivateKey(clear));
}

/** What a wrong passphrase opens is noise; now and then the noise has a sound padding and only the DER gives it away. */
function decrypted(wasEncrypted: boolean, read: () => PrivateKey): PrivateKey {
  try {
    return read();
  } catch (cause) {
    if (!wasEncrypted || !(cause instanceof PkiError) || cause.code !== "invalid_der") throw cause;
    throw new PkiError("wrong_passphrase", "Cannot open the private key: the passphrase is wrong", { cause });
  }
}
