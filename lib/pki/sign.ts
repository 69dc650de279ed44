/**
 * Signatures as X.509 writes them: what is signed, the algorithm, the bits (RFC 5280 §4.1.1).
 *
 * @module
 */
import { type AnyKeyAlgorithm, kindOf } from "./algorithm.ts";
import { bitString, sequence, unsigned } from "./encode.ts";

/** A key that signs, and how its signatures are named. */
export interface Signer {
  /** Its kind. */
  readonly algorithm: AnyKeyAlgorithm;
  /** The private key. */
  readonly privateKey: CryptoKey;
  /** The `AlgorithmIdentifier` of its signatures. */
  readonly signatureIdentifier: Uint8Array;
}

/**
 * Makes a signer of a key pair.
 *
 * @param pair The pair, proven to be one.
 * @returns The signer.
 * @throws {TypeError} If there is no such kind of key.
 */
export function signerOf(pair: { readonly algorithm: AnyKeyAlgorithm; readonly privateKey: CryptoKey }): Signer {
  const { algorithm, privateKey } = pair;
  return { algorithm, privateKey, signatureIdentifier: kindOf(algorithm).signatureIdentifier };
}

/**
 * Signs a value and puts the three parts together, as certificates, requests and CRLs all do.
 *
 * @param signer Who signs.
 * @param content The DER of what is signed.
 * @returns The DER of the whole.
 */
export async function signed(signer: Signer, content: Uint8Array): Promise<Uint8Array> {
  const kind = kindOf(signer.algorithm);
  const raw = new Uint8Array(await crypto.subtle.sign(kind.signature, signer.privateKey, content as BufferSource));
  // RFC 3279 §2.2.3: the platform gives r and s side by side, X.509 wants them as INTEGERs.
  const { coordinate } = kind;
  const signature = coordinate === undefined
    ? raw
    : sequence(unsigned(raw.subarray(0, coordinate)), unsigned(raw.subarray(coordinate)));
  return sequence(content, signer.signatureIdentifier, bitString(signature));
}
