/**
 * Private keys under a passphrase: `EncryptedPrivateKeyInfo` (RFC 5958 §3) with PBES2 (RFC 8018 §6.2).
 *
 * @module
 */
import { canOpen, type Cipher, CIPHERS, openCbc } from "./cbc.ts";
import { countOf, type DerReader, oidOf, readWhole, Tag } from "./der.ts";
import { integer, NULL, objectIdentifier, octetString, sequence } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { nodeCrypto } from "./node_crypto.ts";

const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const SCRYPT = "1.3.6.1.4.1.11591.4.11";
const HMAC_SHA256 = "1.2.840.113549.2.9";
const AES_256_CBC = "2.16.840.1.101.3.4.1.42";

/** Pseudorandom functions of PBKDF2 (RFC 8018 §B.1). */
const DIGESTS: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.7": "sha1",
  "1.2.840.113549.2.8": "sha224",
  [HMAC_SHA256]: "sha256",
  "1.2.840.113549.2.10": "sha384",
  "1.2.840.113549.2.11": "sha512",
  "1.2.840.113549.2.12": "sha512-224",
  "1.2.840.113549.2.13": "sha512-256",
};

/** Ciphers (RFC 8018 §B.2). */
const SCHEMES: Readonly<Record<string, Cipher>> = {
  "2.16.840.1.101.3.4.1.2": CIPHERS.aes128,
  "2.16.840.1.101.3.4.1.22": CIPHERS.aes192,
  [AES_256_CBC]: CIPHERS.aes256,
  "1.2.840.113549.3.7": CIPHERS.tripleDes,
};

/** What OWASP asks of PBKDF2 with HMAC-SHA-256: some 0.2 s on one core. */
const ITERATIONS = 600_000;
/** A file must not be able to keep us busy for more than seconds, or fill the memory. */
const MOST_ITERATIONS = 10_000_000;
const MOST_SCRYPT_BYTES = 256 * 1024 * 1024;
const MOST_SCRYPT_WORK = 4 * MOST_SCRYPT_BYTES;

interface Pbkdf2 {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly length: number;
  readonly digest: string;
}

// Off this thread, both: they are slow on purpose.
function derivePbkdf2(passphrase: string, { salt, iterations, length, digest }: Pbkdf2): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  nodeCrypto().pbkdf2(
    passphrase,
    salt,
    iterations,
    length,
    digest,
    (error, key) => error ? reject(error) : resolve(key),
  );
  return promise;
}

interface Scrypt {
  readonly salt: Uint8Array;
  readonly length: number;
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

function deriveScrypt(passphrase: string, { salt, length, ...cost }: Scrypt): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const options = { ...cost, maxmem: 2 * MOST_SCRYPT_BYTES };
  nodeCrypto().scrypt(passphrase, salt, length, options, (error, key) => error ? reject(error) : resolve(key));
  return promise;
}

/** What has been encrypted, and how. */
export interface Sealed {
  /** The `AlgorithmIdentifier` of PBES2 with its parameters (RFC 8018 §A.4). */
  readonly algorithm: Uint8Array;
  /** The octets. */
  readonly octets: Uint8Array;
}

/**
 * Encrypts octets under a passphrase: PBKDF2 with HMAC-SHA-256, AES-256-CBC, as every tool reads it.
 *
 * @param clear The octets.
 * @param passphrase The passphrase, at least one character.
 * @returns What it takes to open them with the passphrase.
 */
export async function seal(clear: Uint8Array, passphrase: string): Promise<Sealed> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(16));
  const key = await derivePbkdf2(passphrase, { salt, iterations: ITERATIONS, length: 32, digest: "sha256" });
  const cipher = nodeCrypto().createCipheriv("aes-256-cbc", key, iv);
  const octets = Uint8Array.from([...cipher.update(clear), ...cipher.final()]);
  const derivation = sequence(
    objectIdentifier(PBKDF2),
    sequence(octetString(salt), integer(ITERATIONS), sequence(objectIdentifier(HMAC_SHA256), NULL)),
  );
  const encryption = sequence(objectIdentifier(AES_256_CBC), octetString(iv));
  return { algorithm: sequence(objectIdentifier(PBES2), sequence(derivation, encryption)), octets };
}

/**
 * Encrypts a private key under a passphrase.
 *
 * @param pkcs8 The private key, a `PrivateKeyInfo`.
 * @param passphrase The passphrase, at least one character.
 * @returns An `EncryptedPrivateKeyInfo`.
 */
export async function encryptKey(pkcs8: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const { algorithm, octets } = await seal(pkcs8, passphrase);
  return sequence(algorithm, octetString(octets));
}

/**
 * Opens an encrypted private key.
 *
 * CBC has no tag, so a wrong passphrase shows in the padding, or else in bytes that are no key: whoever reads what comes
 * back must take both for a wrong passphrase.
 *
 * @param der An `EncryptedPrivateKeyInfo`.
 * @param passphrase The passphrase.
 * @returns What was inside, if the passphrase is right.
 * @throws {PkiError} `wrong_passphrase`, `invalid_der`, `unsupported_key` for a scheme that is too weak or too costly.
 */
export async function decryptKey(der: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const outer = readWhole(der, Tag.SEQUENCE, "an encrypted key");
  const scheme = outer.enter(Tag.SEQUENCE, "the scheme of an encrypted key");
  const sealed = outer.read(Tag.OCTET_STRING, "an encrypted key").content;
  outer.end("an encrypted key");
  const schemeId = oidOf(scheme.read(Tag.OID, "the scheme of an encrypted key"), "the scheme of an encrypted key");
  if (schemeId !== PBES2) unsupported(`the encryption scheme ${schemeId}`);
  const parameters = scheme.enter(Tag.SEQUENCE, "PBES2 parameters");
  scheme.end("the scheme of an encrypted key");
  const derivation = parameters.enter(Tag.SEQUENCE, "a key derivation");
  const encryption = parameters.enter(Tag.SEQUENCE, "an encryption");
  parameters.end("PBES2 parameters");

  const cipherId = oidOf(encryption.read(Tag.OID, "a cipher"), "a cipher");
  const cipher = Object.hasOwn(SCHEMES, cipherId) ? SCHEMES[cipherId]! : unsupported(`the cipher ${cipherId}`);
  if (!canOpen(cipher)) unsupported(`the cipher ${cipher.name}`);
  const iv = encryption.read(Tag.OCTET_STRING, "an initialization vector").content;
  encryption.end("an encryption");
  if (iv.length !== cipher.block) throw new PkiError("invalid_der", "Cannot read DER: an initialization vector");
  if (sealed.length === 0 || sealed.length % cipher.block !== 0) {
    throw new PkiError("invalid_der", "Cannot read DER: an encrypted key is not whole blocks");
  }

  // What the platform itself holds to be unsound among parameters.
  const key = await derive(derivation, passphrase, cipher.key).catch((cause) =>
    unsupported("its key derivation", cause)
  );
  try {
    return await openCbc(cipher, { octets: sealed, key, iv });
  } catch (cause) {
    throw new PkiError("wrong_passphrase", "Cannot open the private key: the passphrase is wrong", { cause });
  }
}

function unsupported(what: string, cause?: unknown): never {
  const message = `Cannot open the private key: ${what} is not supported, convert the key first`;
  throw new PkiError("unsupported_key", message, cause === undefined ? {} : { cause });
}

function derive(derivation: DerReader, passphrase: string, length: number): Promise<Uint8Array> {
  const id = oidOf(derivation.read(Tag.OID, "a key derivation"), "a key derivation");
  const parameters = derivation.enter(Tag.SEQUENCE, "key derivation parameters");
  derivation.end("a key derivation");
  const salt = parameters.read(Tag.OCTET_STRING, "a salt").content;
  const next = (what: string) => countOf(parameters.read(Tag.INTEGER, what), what);
  if (id === PBKDF2) {
    const iterations = next("an iteration count");
    if (parameters.peek() === Tag.INTEGER) judgeLength(next("a key length"), length);
    const digest = parameters.done ? "sha1" : digestOf(parameters.enter(Tag.SEQUENCE, "a pseudorandom function"));
    parameters.end("key derivation parameters");
    if (iterations < 1 || iterations > MOST_ITERATIONS) unsupported(`an iteration count of ${iterations}`);
    return derivePbkdf2(passphrase, { salt, iterations, length, digest });
  }
  if (id === SCRYPT) {
    // RFC 7914 §7.1.
    const [N, r, p] = [next("a cost"), next("a block size"), next("a parallelization")];
    if (!parameters.done) judgeLength(next("a key length"), length);
    parameters.end("key derivation parameters");
    const sound = N > 1 && Number.isInteger(Math.log2(N)) && r >= 1 && p >= 1;
    const [bytes, work] = [128 * N * r, 128 * N * r * p];
    if (!sound || bytes > MOST_SCRYPT_BYTES || work > MOST_SCRYPT_WORK) {
      unsupported(`scrypt with N=${N}, r=${r}, p=${p}`);
    }
    return deriveScrypt(passphrase, { salt, length, N, r, p });
  }
  return unsupported(`the key derivation ${id}`);
}

function judgeLength(stated: number, length: number): void {
  if (stated !== length) throw new PkiError("invalid_der", `Cannot read DER: a key length of ${stated}, not ${length}`);
}

function digestOf(identifier: DerReader): string {
  const id = oidOf(identifier.read(Tag.OID, "a pseudorandom function"), "a pseudorandom function");
  return Object.hasOwn(DIGESTS, id) ? DIGESTS[id]! : unsupported(`the pseudorandom function ${id}`);
}
