/**
 * The kinds of keys we make, as data: how the platform calls them and how X.509 writes them and their signatures.
 *
 * @module
 */
import { NULL, objectIdentifier, sequence } from "./encode.ts";

/** A kind of key that can be made. */
export type KeyAlgorithm = "ec-p256" | "ec-p384" | "ed25519" | "rsa-2048" | "rsa-3072" | "rsa-4096";

/** The kind of a key that was read: an RSA key made elsewhere may be of any size from 2048 to 4096 bits. */
export type AnyKeyAlgorithm = KeyAlgorithm | `rsa-${number}`;

/** What a kind of key needs to be known for. */
export interface KeyKind {
  /** Parameters of Web Crypto's `importKey`, and of `generateKey` but for RSA's size. */
  readonly key: EcKeyImportParams | RsaHashedImportParams | Algorithm;
  /** Parameters of Web Crypto's `sign` and `verify`. */
  readonly signature: EcdsaParams | Algorithm;
  /** Octets of a coordinate, for an elliptic curve of RFC 5480. */
  readonly coordinate?: number;
  /** The `AlgorithmIdentifier` of the key (RFC 3279 §2.3, RFC 5480 §2.1, RFC 8410 §3). */
  readonly keyIdentifier: Uint8Array;
  /** The `AlgorithmIdentifier` of its signatures (RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3). */
  readonly signatureIdentifier: Uint8Array;
}

/** Object identifiers of keys. */
export const KeyId = {
  rsa: "1.2.840.113549.1.1.1",
  ec: "1.2.840.10045.2.1",
  p256: "1.2.840.10045.3.1.7",
  p384: "1.3.132.0.34",
  ed25519: "1.3.101.112",
} as const;

const P256: KeyKind = {
  key: { name: "ECDSA", namedCurve: "P-256" },
  signature: { name: "ECDSA", hash: "SHA-256" },
  coordinate: 32,
  keyIdentifier: sequence(objectIdentifier(KeyId.ec), objectIdentifier(KeyId.p256)),
  signatureIdentifier: sequence(objectIdentifier("1.2.840.10045.4.3.2")),
};

const P384: KeyKind = {
  key: { name: "ECDSA", namedCurve: "P-384" },
  signature: { name: "ECDSA", hash: "SHA-384" },
  coordinate: 48,
  keyIdentifier: sequence(objectIdentifier(KeyId.ec), objectIdentifier(KeyId.p384)),
  signatureIdentifier: sequence(objectIdentifier("1.2.840.10045.4.3.3")),
};

const ED25519: KeyKind = {
  key: { name: "Ed25519" },
  signature: { name: "Ed25519" },
  keyIdentifier: sequence(objectIdentifier(KeyId.ed25519)),
  signatureIdentifier: sequence(objectIdentifier(KeyId.ed25519)),
};

const RSA: KeyKind = {
  key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  signature: { name: "RSASSA-PKCS1-v1_5" },
  // RFC 4055 §1.2, §5: the parameters are NULL, not absent.
  keyIdentifier: sequence(objectIdentifier(KeyId.rsa), NULL),
  signatureIdentifier: sequence(objectIdentifier("1.2.840.113549.1.1.11"), NULL),
};

/**
 * Looks a kind of key up.
 * @param algorithm Its name.
 * @returns What is known of it.
 * @throws {TypeError} If there is no such kind.
 */
export function kindOf(algorithm: AnyKeyAlgorithm): KeyKind {
  switch (algorithm) {
    case "ec-p256":
      return P256;
    case "ec-p384":
      return P384;
    case "ed25519":
      return ED25519;
    default:
      if (/^rsa-\d{4}$/.test(algorithm)) return RSA;
      throw new TypeError(`There is no key algorithm ${JSON.stringify(algorithm)}`);
  }
}
