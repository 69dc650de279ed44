/**
 * Private keys as files hold them, brought to the one form we work with: `PrivateKeyInfo` (RFC 5958 §2).
 *
 * @module
 */
import { type AnyKeyAlgorithm, KeyId, kindOf } from "./algorithm.ts";
import { countOf, DerReader, type DerValue, integerOf, oidOf, readWhole, sameBytes, Tag } from "./der.ts";
import { bitString, constructed, integer, objectIdentifier, octetString, sequence } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { type PublicKey, readPublicKey } from "./public_key.ts";

/** A private key that has been read and judged. */
export interface PrivateKey {
  /** Its kind. */
  readonly algorithm: AnyKeyAlgorithm;
  /** The key, a `PrivateKeyInfo` in our one form. */
  readonly pkcs8: Uint8Array;
  /** Its public half, derived and not merely believed. */
  readonly publicKey: PublicKey;
}

/**
 * Reads a `PrivateKeyInfo`.
 *
 * @param der The bytes.
 * @returns The key.
 * @throws {PkiError} `invalid_der`, `invalid_key`, `unsupported_key`.
 */
export function readPrivateKey(der: Uint8Array): PrivateKey {
  const reader = readWhole(der, Tag.SEQUENCE, "a private key");
  const version = countOf(reader.read(Tag.INTEGER, "the version of a private key"), "the version of a private key");
  if (version > 1) throw new PkiError("invalid_der", `Cannot read DER: a private key of version ${version}`);
  const algorithm = reader.read(Tag.SEQUENCE, "the algorithm of a private key");
  const key = reader.read(Tag.OCTET_STRING, "a private key").content;
  reader.optional(0xa0, "the attributes of a private key");
  const half = "the public half of a private key";
  // RFC 5958 §2: implicit, the octets of a BIT STRING; some writers made it explicit.
  const explicit = reader.optional(0xa1, half);
  const stated = explicit ? new DerReader(explicit.content).read(Tag.BIT_STRING, half) : reader.optional(0x81, half);
  reader.end("a private key");
  const found = readKind(algorithm, key);
  if (stated && !sameBytes(stated.content, Uint8Array.of(0, ...found.publicKey.bits))) {
    throw new PkiError("invalid_key", "A private key states a public half that is not its own");
  }
  return found;
}

function readKind(algorithm: DerValue, key: Uint8Array): PrivateKey {
  const identifier = new DerReader(algorithm.content);
  const id = oidOf(identifier.read(Tag.OID, "the algorithm of a private key"), "the algorithm of a private key");
  switch (id) {
    case KeyId.ec:
      return readEc(key, identifier.done ? undefined : identifier.next("the curve of a private key"));
    case KeyId.rsa:
      return readRsa(key);
    case KeyId.ed25519: {
      const seed = readSeed(key);
      const pkcs8 = sequence(integer(0), kindOf("ed25519").keyIdentifier, octetString(octetString(seed)));
      return finish(pkcs8);
    }
    default:
      throw new PkiError("unsupported_key", `Cannot work with a private key of type ${id}`);
  }
}

function readSeed(key: Uint8Array): Uint8Array {
  // RFC 8410 §7: CurvePrivateKey is an OCTET STRING inside the OCTET STRING.
  const reader = new DerReader(key);
  const seed = reader.read(Tag.OCTET_STRING, "an Ed25519 key").content;
  reader.end("an Ed25519 key");
  if (seed.length !== 32) throw new PkiError("invalid_key", `An Ed25519 key has 32 octets, not ${seed.length}`);
  return seed;
}

/**
 * Reads an `RSAPrivateKey` (RFC 8017 §A.1.2), as `RSA PRIVATE KEY` holds it.
 *
 * @param der The bytes.
 * @returns The key.
 * @throws {PkiError} `invalid_der`, `invalid_key`, `unsupported_key`.
 */
export function readRsa(der: Uint8Array): PrivateKey {
  const reader = readWhole(der, Tag.SEQUENCE, "an RSA key");
  const version = countOf(reader.read(Tag.INTEGER, "the version of an RSA key"), "the version of an RSA key");
  if (version !== 0) throw new PkiError("unsupported_key", "Cannot work with an RSA key of more than two primes");
  const part = () => integerOf(reader.read(Tag.INTEGER, "a part of an RSA key"), "a part of an RSA key");
  const [n, e, d] = [part(), part(), part()];
  const [p, q, dp, dq, qInverse] = [part(), part(), part(), part(), part()];
  reader.end("an RSA key");
  // Platforms believe the shortcuts or compute them anew, each as it likes; a wrong one gives the key away when it signs.
  const sound = p > 1n && q > 1n && p * q === n && dp === d % (p - 1n) && dq === d % (q - 1n) &&
    (e * dp) % (p - 1n) === 1n && (e * dq) % (q - 1n) === 1n && (q * qInverse) % p === 1n;
  if (!sound) throw new PkiError("invalid_key", "Cannot read the private key: its numbers do not belong together");
  return finish(sequence(integer(0), kindOf("rsa-2048").keyIdentifier, octetString(der)));
}

/**
 * Reads an `ECPrivateKey` (RFC 5915 §3), as `EC PRIVATE KEY` holds it.
 *
 * @param der The bytes.
 * @param outerCurve The curve named beside the key, if any.
 * @returns The key.
 * @throws {PkiError} `invalid_der`, `invalid_key`, `unsupported_key`.
 */
export function readEc(der: Uint8Array, outerCurve?: DerValue): PrivateKey {
  const reader = readWhole(der, Tag.SEQUENCE, "an EC key");
  const version = countOf(reader.read(Tag.INTEGER, "the version of an EC key"), "the version of an EC key");
  if (version !== 1) throw new PkiError("invalid_der", `Cannot read DER: an EC key of version ${version}`);
  const number = reader.read(Tag.OCTET_STRING, "an EC key").content;
  const inner = reader.optional(0xa0, "the curve of an EC key");
  const stated = reader.optional(0xa1, "the public half of an EC key");
  reader.end("an EC key");

  const curve = outerCurve ?? (inner && new DerReader(inner.content).next("the curve of an EC key"));
  if (curve === undefined) throw new PkiError("invalid_key", "An EC key names no curve");
  if (inner && !sameBytes(inner.content, curve.encoding)) {
    throw new PkiError("invalid_key", "An EC key names two curves");
  }
  if (curve.tag !== Tag.OID) {
    throw new PkiError("unsupported_key", "Cannot work with an elliptic curve that is not named");
  }
  const id = oidOf(curve, "the curve of an EC key");
  if (id !== KeyId.p256 && id !== KeyId.p384) {
    throw new PkiError("unsupported_key", `Cannot work with the elliptic curve ${id}: use P-256 or P-384`);
  }
  const scalar = fixedLength(number, kindOf(id === KeyId.p256 ? "ec-p256" : "ec-p384").coordinate!);

  // Without the public half first: the platform believes a stated one, whatever it is.
  const bare = ecPkcs8(id, scalar);
  const publicKey = derivePublic(bare);
  const bits = bitString(publicKey.bits);
  // RFC 5480 §2.2: whole, or the first coordinate and which of two points it is.
  if (stated && ![bits, bitString(compressed(publicKey.bits))].some((own) => sameBytes(stated.content, own))) {
    throw new PkiError("invalid_key", "An EC key states a public half that is not its own");
  }
  return { algorithm: publicKey.algorithm, pkcs8: ecPkcs8(id, scalar, bits), publicKey };
}

/** RFC 5915 §3 fixes the length; GnuTLS writes an octet of zero more where an INTEGER would have it, others drop zeros. */
function fixedLength(number: Uint8Array, octets: number): Uint8Array {
  const first = number.findIndex((octet) => octet !== 0);
  const digits = first < 0 ? new Uint8Array(0) : number.subarray(first);
  if (number.length === 0 || digits.length > octets) {
    throw new PkiError("invalid_key", `An EC key of ${number.length} octets, not ${octets}`);
  }
  const scalar = new Uint8Array(octets);
  scalar.set(digits, octets - digits.length);
  return scalar;
}

function compressed(point: Uint8Array): Uint8Array {
  return Uint8Array.of(2 + (point[point.length - 1]! & 1), ...point.subarray(1, (point.length + 1) / 2));
}

function ecPkcs8(curve: string, scalar: Uint8Array, bits?: Uint8Array): Uint8Array {
  const key = sequence(integer(1), octetString(scalar), ...(bits ? [constructed(1, bits)] : []));
  return sequence(integer(0), sequence(objectIdentifier(KeyId.ec), objectIdentifier(curve)), octetString(key));
}

function finish(pkcs8: Uint8Array): PrivateKey {
  const publicKey = derivePublic(pkcs8);
  return { algorithm: publicKey.algorithm, pkcs8, publicKey };
}

function derivePublic(pkcs8: Uint8Array): PublicKey {
  let spki: Uint8Array;
  try {
    const { createPrivateKey, createPublicKey } = nodeCrypto();
    const key = createPrivateKey({ key: pkcs8 as never, format: "der", type: "pkcs8" });
    spki = new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
  } catch (cause) {
    throw new PkiError("invalid_key", "Cannot read the private key: it is not a sound key", { cause });
  }
  return readPublicKey(spki);
}
