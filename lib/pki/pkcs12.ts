/**
 * Key and certificates in one file under a passphrase (PKCS#12, RFC 7292), for programs that want it so.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "./certificate.ts";
import { sameBytes, Tag } from "./der.ts";
import {
  constructed,
  integer,
  NULL,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  setOf,
  tlv,
} from "./encode.ts";
import { encryptKey, seal } from "./encrypted_key.ts";
import { PkiError } from "./errors.ts";
import { exportedKey } from "./exported_key.ts";
import { type KeyPair, provePair } from "./key.ts";
import { nodeCrypto } from "./node_crypto.ts";

/** Options of {@linkcode exportPkcs12}. */
export interface Pkcs12Options {
  /** The key. */
  readonly key: KeyPair;
  /** Its certificate, PEM or DER. */
  readonly certificate: string | Uint8Array;
  /** The certificates above it, PEM or DER each. */
  readonly chain?: readonly (string | Uint8Array)[];
  /** What it all is encrypted under; at least one character. */
  readonly passphrase: string;
  /** What programs show it as; the certificate's common name, when left out. */
  readonly name?: string;
}

const DATA = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
const SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3";
const X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID = "1.2.840.113549.1.9.21";
const SHA256 = "2.16.840.1.101.3.4.2.1";

/** Rounds of the key derivation of the seal: some 0.2 s on one core. */
const MAC_ITERATIONS = 100_000;

/**
 * Writes a key and its certificates as one PKCS#12 file: AES-256 and SHA-256 throughout, which OpenSSL 1.1 and later, GnuTLS,
 * Java 8u301 and later, Windows Server 2019 and macOS 15 read. Older ones want ciphers that protect nothing any more.
 *
 * @example
 * ```ts
 * import { createRootCa, exportPkcs12, generateKeyPair } from "@helyos/pki";
 * import { ok } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem: certificate } = await createRootCa({ commonName: "Example CA", key });
 * ok((await exportPkcs12({ key, certificate, passphrase: "correct horse" })).length > 500);
 * ```
 * @param options The key, its certificates, the passphrase.
 * @returns The file. Whoever has it and the passphrase has the key.
 * @throws {RangeError} If the passphrase is empty, or `name` holds a character beyond the Basic Multilingual Plane.
 * @throws {PkiError} `key_mismatch` if the certificate is not that of the key, or the key pair is none; `invalid_key` if the key cannot be exported,
 *   and what reading the certificates throws.
 */
export async function exportPkcs12(options: Pkcs12Options): Promise<Uint8Array> {
  const { key, passphrase, chain = [] } = options;
  if (passphrase === "") throw new RangeError("Cannot encrypt a private key under an empty passphrase");
  if (!key.privateKey.extractable) throw new PkiError("invalid_key", "Cannot export a private key that is locked in");
  const certificate = parseCertificate(options.certificate);
  if (!sameBytes(certificate.spki, (await provePair(key)).spki)) {
    throw new PkiError(
      "key_mismatch",
      `Cannot export: the certificate of "${certificate.subject}" is not that of the key`,
    );
  }
  // RFC 2985 §5.5: what tells which certificate is the key's. Any octets do; these are the same wherever it is exported.
  const digest = nodeCrypto().createHash("sha256").update(certificate.der).digest();
  const id = attribute(LOCAL_KEY_ID, octetString(new Uint8Array(digest.subarray(0, 20))));
  const shown = options.name ?? certificate.subject.commonName;
  const attributes = shown === undefined ? [id] : [id, attribute(FRIENDLY_NAME, tlv(Tag.BMP_STRING, utf16(shown)))];

  const keyBag = bag(SHROUDED_KEY_BAG, await encryptKey(await exportedKey(key.privateKey), passphrase), attributes);
  const above = chain.map((source) => certificateBag(parseCertificate(source), []));
  const certificates = await encryptedData(sequence(certificateBag(certificate, attributes), ...above), passphrase);
  const safe = sequence(certificates, data(sequence(keyBag)));
  return sequence(integer(3), data(safe), macOf(safe, passphrase));
}

/** `SafeBag` (RFC 7292 §4.2). */
function bag(type: string, value: Uint8Array, attributes: readonly Uint8Array[]): Uint8Array {
  const own = attributes.length === 0 ? [] : [setOf(...attributes)];
  return sequence(objectIdentifier(type), constructed(0, value), ...own);
}

function certificateBag({ der }: Certificate, attributes: readonly Uint8Array[]): Uint8Array {
  const value = sequence(objectIdentifier(X509_CERTIFICATE), constructed(0, octetString(der)));
  return bag(CERTIFICATE_BAG, value, attributes);
}

function attribute(type: string, value: Uint8Array): Uint8Array {
  return sequence(objectIdentifier(type), setOf(value));
}

/** `ContentInfo` of octets in the clear (RFC 2315 §8). */
function data(content: Uint8Array): Uint8Array {
  return sequence(objectIdentifier(DATA), constructed(0, octetString(content)));
}

/** `ContentInfo` of encrypted octets (RFC 2315 §13). */
async function encryptedData(content: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const { algorithm, octets } = await seal(content, passphrase);
  const inside = sequence(objectIdentifier(DATA), algorithm, primitive(0, octets));
  return sequence(objectIdentifier(ENCRYPTED_DATA), constructed(0, sequence(integer(0), inside)));
}

/** `MacData` (RFC 7292 §4): whoever lacks the passphrase cannot change the file unseen. */
function macOf(content: Uint8Array, passphrase: string): Uint8Array {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const mac = nodeCrypto().createHmac("sha256", deriveMacKey(passphrase, salt)).update(content).digest();
  const info = sequence(sequence(objectIdentifier(SHA256), NULL), octetString(new Uint8Array(mac)));
  return sequence(info, octetString(salt), integer(MAC_ITERATIONS));
}

/** RFC 7292 §B.2, for a key as long as one digest. */
function deriveMacKey(passphrase: string, salt: Uint8Array): Uint8Array {
  const block = 64;
  const { createHash } = nodeCrypto();
  const password = Uint8Array.from([...utf16(passphrase), 0, 0]);
  // §B.3: 3 stands for a key to authenticate with.
  const diversifier = new Uint8Array(block).fill(3);
  let key = createHash("sha256").update(diversifier).update(filled(salt, block)).update(filled(password, block))
    .digest();
  for (let i = 1; i < MAC_ITERATIONS; i++) key = createHash("sha256").update(key).digest();
  return new Uint8Array(key);
}

/** Octets repeated until they fill whole blocks. */
function filled(octets: Uint8Array, block: number): Uint8Array {
  const length = Math.ceil(octets.length / block) * block;
  return Uint8Array.from({ length }, (_, i) => octets[i % octets.length]!);
}

/** RFC 7292 §B.1: two octets a character, the larger first. */
function utf16(text: string): Uint8Array {
  if (/\p{Cs}|[\u{10000}-\u{10ffff}]/u.test(text)) {
    throw new RangeError("Cannot write a character beyond the Basic Multilingual Plane in PKCS#12");
  }
  const octets = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) new DataView(octets.buffer).setUint16(2 * i, text.charCodeAt(i));
  return octets;
}
