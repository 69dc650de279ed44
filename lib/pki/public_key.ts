/**
 * Public keys as X.509 writes them (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7), judged before anything is signed over them.
 *
 * @module
 */
import { type AnyKeyAlgorithm, KeyId, type KeyKind, kindOf } from "./algorithm.ts";
import { bitStringOf, DerReader, hexOf, integerOctets, oidOf, readWhole, Tag } from "./der.ts";
import { bitString, sequence } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { exportedKey } from "./exported_key.ts";
import { nodeCrypto } from "./node_crypto.ts";

/** A public key that may stand in a certificate. */
export interface PublicKey {
  /** Its kind. */
  readonly algorithm: AnyKeyAlgorithm;
  /** Its `SubjectPublicKeyInfo`. */
  readonly spki: Uint8Array;
  /** The bits of its BIT STRING. */
  readonly bits: Uint8Array;
  /** Its key identifier: the first 160 bits of the SHA-256 of the key's bits (RFC 7093 §2, method 1). */
  readonly identifier: Uint8Array;
}

/**
 * Reads and judges a public key.
 *
 * @param spki Its `SubjectPublicKeyInfo`.
 * @returns The key.
 * @throws {PkiError} `invalid_der`, `invalid_key` if it is no sound key, `unsupported_key` if it is of another kind.
 */
export function readPublicKey(spki: Uint8Array): PublicKey {
  const reader = readWhole(spki, Tag.SEQUENCE, "a public key");
  const algorithm = reader.enter(Tag.SEQUENCE, "the algorithm of a public key");
  const id = oidOf(algorithm.read(Tag.OID, "the algorithm of a public key"), "the algorithm of a public key");
  const key = bitStringOf(reader.read(Tag.BIT_STRING, "a public key"), "a public key");
  reader.end("a public key");
  if (key.unusedBits !== 0) throw new PkiError("invalid_der", "Cannot read DER: a public key is not whole octets");
  return finish(judge(id, algorithm, key.bytes), spki, key.bytes);
}

/**
 * Puts a public key together whose bits the platform has just made.
 *
 * @param algorithm Its kind.
 * @param bits The bits inside the BIT STRING.
 * @returns The key.
 */
export function publicKeyOf(algorithm: AnyKeyAlgorithm, bits: Uint8Array): PublicKey {
  return finish(algorithm, sequence(kindOf(algorithm).keyIdentifier, bitString(bits)), bits);
}

function finish(algorithm: AnyKeyAlgorithm, spki: Uint8Array, bits: Uint8Array): PublicKey {
  const digest = nodeCrypto().createHash("sha256").update(bits).digest();
  return { algorithm, spki, bits, identifier: new Uint8Array(digest.subarray(0, 20)) };
}

function judge(id: string, parameters: DerReader, bits: Uint8Array): AnyKeyAlgorithm {
  switch (id) {
    case KeyId.ec: {
      if (parameters.peek() !== Tag.OID) unsupported("an elliptic curve that is not named (RFC 5480 §2.1.1)");
      const curve = oidOf(parameters.next(), "the curve of a public key");
      parameters.end("the curve of a public key");
      if (curve === KeyId.p256) return judgePoint("ec-p256", CURVES.p256, bits);
      if (curve === KeyId.p384) return judgePoint("ec-p384", CURVES.p384, bits);
      return unsupported(`the elliptic curve ${curve}`);
    }
    case KeyId.ed25519:
      // RFC 8410 §3: the parameters are absent.
      parameters.end("the algorithm of an Ed25519 key");
      return judgeEdwards(bits);
    case KeyId.rsa:
      // RFC 3279 §2.3.1: the parameters are NULL.
      if (parameters.read(Tag.NULL, "the parameters of an RSA key").content.length !== 0) {
        unsupported("NULL with content");
      }
      parameters.end("the algorithm of an RSA key");
      return judgeRsa(bits);
    default:
      return unsupported(`a public key of type ${id}`);
  }
}

function unsupported(what: string): never {
  throw new PkiError("unsupported_key", `Cannot work with ${what}: use EC P-256, EC P-384, Ed25519 or RSA`);
}

function invalid(why: string): never {
  throw new PkiError("invalid_key", `Cannot accept a public key: ${why}`);
}

interface Curve {
  readonly octets: number;
  readonly p: bigint;
  readonly b: bigint;
}

/** y² = x³ - 3x + b over p (FIPS 186-5, SP 800-186 §3.2.1). */
const CURVES: { readonly p256: Curve; readonly p384: Curve } = {
  p256: {
    octets: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  p384: {
    octets: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
};

function judgePoint(algorithm: "ec-p256" | "ec-p384", curve: Curve, bits: Uint8Array): AnyKeyAlgorithm {
  if (bits[0] === 2 || bits[0] === 3) unsupported("a compressed point (RFC 5480 §2.2)");
  if (bits[0] !== 4 || bits.length !== 1 + 2 * curve.octets) invalid("it is not a point of its curve");
  const x = BigInt(`0x${hexOf(bits.subarray(1, 1 + curve.octets))}`);
  const y = BigInt(`0x${hexOf(bits.subarray(1 + curve.octets))}`);
  const { p, b } = curve;
  // SP 800-56A §5.6.2.3.3: both curves have cofactor 1, so a point on the curve has the right order.
  if (x >= p || y >= p || (y * y - (x * x * x - 3n * x + b)) % p !== 0n) invalid("it is not a point of its curve");
  return algorithm;
}

const ED25519_P = 2n ** 255n - 19n;
/** The y of every point whose order divides 8: whoever uses one accepts signatures that nobody made. */
const ED25519_SMALL: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  ED25519_P - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  ED25519_P - 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);

function judgeEdwards(bits: Uint8Array): AnyKeyAlgorithm {
  if (bits.length !== 32) invalid(`an Ed25519 key has 32 octets, not ${bits.length}`);
  const y = BigInt(`0x${hexOf(bits.toReversed())}`) & (2n ** 255n - 1n);
  if (y >= ED25519_P || ED25519_SMALL.has(y)) invalid("it is not a sound Ed25519 point");
  return "ed25519";
}

function judgeRsa(bits: Uint8Array): AnyKeyAlgorithm {
  const reader = readWhole(bits, Tag.SEQUENCE, "an RSA key");
  const modulus = integerOctets(reader.read(Tag.INTEGER, "an RSA modulus"), "an RSA modulus");
  const exponent = integerOctets(reader.read(Tag.INTEGER, "an RSA exponent"), "an RSA exponent");
  reader.end("an RSA key");
  if (modulus[0]! >= 0x80 || exponent[0]! >= 0x80) invalid("an RSA modulus or exponent is negative");
  const n = BigInt(`0x${hexOf(modulus)}`);
  const e = BigInt(`0x${hexOf(exponent)}`);
  const size = n.toString(2).length;
  if (size < 2048) invalid(`an RSA key of ${size} bits is too small, 2048 is the least`);
  if (size > 4096) unsupported(`an RSA key of ${size} bits, above 4096`);
  // SP 800-89 §5.3.3: a partial validation of an RSA public key.
  if (n % 2n === 0n || smallFactor(n)) invalid("an RSA modulus has a small factor");
  if (e % 2n === 0n || e < 65537n || e >= 2n ** 256n) invalid(`an RSA exponent of ${e} is not a sound one`);
  return `rsa-${size}`;
}

/** The product of the odd primes below 752 (SP 800-89 §5.3.3 b). */
const SMALL_PRIMES: bigint = Array.from({ length: 375 }, (_, i) => 2 * i + 3)
  .filter((n) => n < 752 && Array.from({ length: 26 }, (_, i) => i + 2).every((d) => n === d || n % d !== 0))
  .reduce((product, prime) => product * BigInt(prime), 1n);

function smallFactor(n: bigint): boolean {
  let [a, b] = [SMALL_PRIMES, n % SMALL_PRIMES];
  while (b !== 0n) [a, b] = [b, a % b];
  return a !== 1n;
}

const known = new WeakMap<CryptoKey, PublicKey | CryptoKey>();

/**
 * Remembers what a public key of the platform looks like: to ask for its private half costs a fifth of asking for it.
 *
 * @param publicKey The public key.
 * @param source What it looks like, or its exportable private half.
 */
export function rememberPublicKey(publicKey: CryptoKey, source: PublicKey | CryptoKey): void {
  known.set(publicKey, source);
}

/**
 * Reads and judges a public key of the platform.
 *
 * @param publicKey The key, or its `SubjectPublicKeyInfo`.
 * @returns The key.
 * @throws {PkiError} As {@linkcode readPublicKey} does.
 * @throws {TypeError} If it is not a public key, or cannot be exported.
 */
export async function toPublicKey(publicKey: CryptoKey | Uint8Array): Promise<PublicKey> {
  if (publicKey instanceof Uint8Array) return readPublicKey(publicKey.slice());
  if (publicKey.type !== "public") throw new TypeError(`A ${publicKey.type} key is not a public key`);
  const remembered = known.get(publicKey);
  if (remembered !== undefined && !(remembered instanceof CryptoKey)) return remembered;
  let found = remembered && pointInside(await exportedKey(remembered));
  found ??= readPublicKey(new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)));
  known.set(publicKey, found);
  return found;
}

/** The public point inside a private EC key (RFC 5915 §3), when it is a P-256 key and holds it. */
function pointInside(pkcs8: Uint8Array): PublicKey | undefined {
  const reader = readWhole(pkcs8, Tag.SEQUENCE, "a private key");
  reader.next();
  const kind: KeyKind = kindOf("ec-p256");
  const identifier = reader.read(Tag.SEQUENCE, "the algorithm of a private key").encoding;
  if (hexOf(identifier) !== hexOf(kind.keyIdentifier)) return undefined;
  const inside = new DerReader(reader.read(Tag.OCTET_STRING, "a private key").content);
  const fields = inside.enter(Tag.SEQUENCE, "an EC private key");
  fields.next();
  fields.next();
  fields.optional(0xa0, "the curve of a private key");
  const point = fields.optional(0xa1, "the public half of a private key");
  if (point === undefined) return undefined;
  const bits = bitStringOf(new DerReader(point.content).next(), "the public half of a private key").bytes;
  return bits.length === 65 ? publicKeyOf("ec-p256", bits) : undefined;
}
