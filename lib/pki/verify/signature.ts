/**
 * Signatures on certificates and CRLs: which algorithms count, and whether a signature is good.
 *
 * @module
 */
import type { AlgorithmIdentifier, PublicKeyInfo } from "../certificate.ts";
import { type BitString, DerReader, hexOf, integerOctets, oidOf, readWhole, sameBytes, Tag } from "../der.ts";
import { nodeCrypto } from "../node_crypto.ts";
import { oidName } from "../oid.ts";

/** What a public key is, when it is one this library accepts; else why not. */
export type KeyJudgement =
  | { readonly kind: "rsa"; readonly bits: number; readonly pss: PssLimits | undefined; readonly spki: Uint8Array }
  | { readonly kind: "ec"; readonly curve: Curve; readonly spki: Uint8Array }
  | { readonly kind: "ed25519" | "ed448"; readonly spki: Uint8Array }
  | { readonly kind: "agreement" }
  | { readonly kind: "refused"; readonly reason: string };

/** What an RSASSA-PSS key allows (RFC 4055 §3.1). */
interface PssLimits {
  readonly any: boolean;
  readonly hash?: Hash;
  readonly saltLength?: number;
}

type Curve = "P-256" | "P-384" | "P-521";
type Hash = "sha256" | "sha384" | "sha512";

const CURVES: Readonly<Record<string, { curve: Curve; size: number }>> = {
  "1.2.840.10045.3.1.7": { curve: "P-256", size: 32 },
  "1.3.132.0.34": { curve: "P-384", size: 48 },
  "1.3.132.0.35": { curve: "P-521", size: 66 },
};
const ECDSA: Readonly<Record<string, Hash>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};
const RSA: Readonly<Record<string, Hash>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
};
const HASHES: Readonly<Record<string, Hash>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
const RSA_KEY = "1.2.840.113549.1.1.1";
const PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const NULL_DER = Uint8Array.of(0x05, 0x00);

/** The largest RSA modulus that is looked at: a verification with one costs a millisecond, and grows with its square. */
const MAX_RSA_BITS = 8192;
/** The largest RSA modulus that every platform reads. */
const READ_BY_ALL = 4096;

const judged = new WeakMap<PublicKeyInfo, KeyJudgement>();

/**
 * Judges a public key: RSA of 2048 bits and more, the NIST curves by name, Ed25519, Ed448; nothing weaker.
 * @param key The key.
 * @returns What it is, or why it is refused.
 */
export function judgeKey(key: PublicKeyInfo): KeyJudgement {
  let judgement = judged.get(key);
  if (judgement === undefined) {
    try {
      judgement = judge(key);
    } catch (error) {
      judgement = refused(error instanceof Error ? error.message : String(error));
    }
    judged.set(key, judgement);
  }
  return judgement;
}

function refused(reason: string): KeyJudgement {
  return { kind: "refused", reason };
}

function judge({ algorithm, key, der }: PublicKeyInfo): KeyJudgement {
  const { id, parameters } = algorithm;
  if (key.unusedBits !== 0) return refused("the public key is not whole octets");
  switch (id) {
    case RSA_KEY:
      // RFC 3279 §2.3.1: the parameters are NULL; absent ones occur and mean the same.
      if (parameters !== undefined && !sameBytes(parameters, NULL_DER)) return refused("the RSA key has parameters");
      return judgeRsa(key, der, undefined);
    case PSS: {
      const limits = parameters === undefined ? { any: true } : pssOf(parameters);
      if (typeof limits === "string") return refused(limits);
      return judgeRsa(key, rsaSpki(key.bytes), "any" in limits ? limits : { any: false, ...limits });
    }
    case "1.2.840.10045.2.1": {
      if (parameters === undefined) return refused("the key names no curve");
      const reader = new DerReader(parameters);
      // RFC 5480 §2.1.1: implicitCurve and specifiedCurve MUST NOT be used.
      if (reader.peek() !== Tag.OID) return refused("the key does not name its curve");
      const name = oidOf(reader.next("curve"), "curve");
      const known = CURVES[name];
      if (known === undefined) return refused(`the curve ${oidName(name)} is not accepted`);
      const first = key.bytes[0];
      const whole = first === 0x04 && key.bytes.length === 1 + 2 * known.size;
      const compressed = (first === 0x02 || first === 0x03) && key.bytes.length === 1 + known.size;
      if ((!whole && !compressed) || !isReadable(der)) return refused("the public key is no point of its curve");
      return { kind: "ec", curve: known.curve, spki: der };
    }
    case "1.3.101.112":
    case "1.3.101.113": {
      const kind = id === "1.3.101.112" ? "ed25519" : "ed448";
      if (parameters !== undefined) return refused(`the ${oidName(id)} key has parameters`);
      if (key.bytes.length !== (kind === "ed25519" ? 32 : 57)) return refused("the public key has the wrong length");
      return { kind, spki: der };
    }
    case "1.3.101.110":
    case "1.3.101.111":
      return { kind: "agreement" };
    default:
      return refused(`keys of type ${oidName(id)} are not accepted`);
  }
}

/** Whether the platform takes a key: of an elliptic curve, it looks whether the point lies on it. */
function isReadable(spki: Uint8Array): boolean {
  try {
    keyObject(spki);
    return true;
  } catch {
    return false;
  }
}

function judgeRsa(key: BitString, spki: Uint8Array, pss: PssLimits | undefined): KeyJudgement {
  const inside = readWhole(key.bytes, Tag.SEQUENCE, "RSA public key");
  const modulus = integerOctets(inside.read(Tag.INTEGER, "RSA modulus"), "RSA modulus");
  const exponent = integerOctets(inside.read(Tag.INTEGER, "RSA exponent"), "RSA exponent");
  inside.end("RSA public key");
  if (modulus[0]! >= 0x80 || exponent[0]! >= 0x80) return refused("the RSA key has a negative number");
  const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  const bits = magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24;
  if (bits < 2048) return refused(`an RSA key of ${bits} bits is too small`);
  if (bits > MAX_RSA_BITS) return refused(`an RSA key of ${bits} bits is larger than ${MAX_RSA_BITS}`);
  if ((modulus[modulus.length - 1]! & 1) === 0) return refused("the RSA modulus is even");
  const last = exponent[exponent.length - 1]!;
  const large = exponent.length > 5 || (exponent.length === 5 && exponent[0]! > 1);
  if (large || (last & 1) === 0 || (exponent.length === 1 && last < 3)) {
    return refused("the RSA exponent is not an odd number from 3 to 2^33");
  }
  return { kind: "rsa", bits, pss, spki };
}

/** The same RSA key as `rsaEncryption`, which is all that the platform reads. */
function rsaSpki(key: Uint8Array): Uint8Array {
  // deno-fmt-ignore
  const algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
  const string = [0x03, ...lengthOf(key.length + 1), 0x00];
  return Uint8Array.from([
    0x30,
    ...lengthOf(algorithm.length + string.length + key.length),
    ...algorithm,
    ...string,
    ...key,
  ]);
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

/** RSASSA-PSS-params (RFC 4055 §3.1): one of the SHA-2 functions, the same inside MGF1, the only trailer. */
function pssOf(parameters: Uint8Array): { hash: Hash; saltLength: number } | string {
  const reader = readWhole(parameters, Tag.SEQUENCE, "PSS parameters");
  const hash = reader.optional(0xa0, "PSS hash");
  const mask = reader.optional(0xa1, "PSS mask");
  const salt = reader.optional(0xa2, "PSS salt length");
  const trailer = reader.optional(0xa3, "PSS trailer");
  reader.end("PSS parameters");
  // The defaults are SHA-1.
  if (hash === undefined || mask === undefined) return "RSASSA-PSS with SHA-1 is not accepted";
  const own = hashOf(hash.content);
  const generator = new DerReader(mask.content).enter(Tag.SEQUENCE, "PSS mask");
  const kind = oidOf(generator.read(Tag.OID, "PSS mask"), "PSS mask");
  if (own === undefined || kind !== MGF1 || hashOf(generator.next("PSS mask hash").encoding) !== own) {
    return "RSASSA-PSS is only accepted with one SHA-2 function for message and mask";
  }
  generator.end("PSS mask");
  if (trailer !== undefined && numberIn(trailer.content) !== 1) {
    return "RSASSA-PSS with another trailer is not accepted";
  }
  return { hash: own, saltLength: salt === undefined ? 20 : numberIn(salt.content) };
}

function hashOf(der: Uint8Array): Hash | undefined {
  const reader = readWhole(der, Tag.SEQUENCE, "hash");
  const hash = HASHES[oidOf(reader.read(Tag.OID, "hash"), "hash")];
  // RFC 4055 §2.1: parameters are NULL or absent.
  if (!reader.done && reader.next("hash parameters").encoding.length !== 2) return undefined;
  reader.end("hash");
  return hash;
}

function numberIn(content: Uint8Array): number {
  const octets = integerOctets(new DerReader(content).read(Tag.INTEGER, "number"), "number");
  return octets.length > 3 || octets[0]! >= 0x80 ? -1 : parseInt(hexOf(octets), 16);
}

/** Whether a signature is good; or why it cannot be. */
export type SignatureVerdict = "good" | "bad" | { readonly unsupported: string };

/**
 * Verifies a signature.
 * @param key The key of the signer.
 * @param signed What was signed, by which algorithm, and the signature.
 * @returns Whether it is good; `unsupported` when the algorithm or key does not count.
 */
export function verifySignature(
  key: PublicKeyInfo,
  signed: { readonly data: Uint8Array; readonly algorithm: AlgorithmIdentifier; readonly signature: BitString },
): SignatureVerdict | Promise<SignatureVerdict> {
  const judgement = judgeKey(key);
  if (judgement.kind === "refused") return { unsupported: judgement.reason };
  if (signed.signature.unusedBits !== 0) return "bad";
  try {
    return verify(judgement, signed.data, signed.algorithm, signed.signature.bytes);
  } catch {
    // A key that is no point of its curve, a modulus the platform refuses: no signature of it is good.
    return "bad";
  }
}

function verify(
  key: Exclude<KeyJudgement, { kind: "refused" }>,
  data: Uint8Array,
  algorithm: AlgorithmIdentifier,
  signature: Uint8Array,
): SignatureVerdict | Promise<SignatureVerdict> {
  const { id, parameters } = algorithm;
  if (key.kind === "rsa" && key.bits > READ_BY_ALL && !isReadable(key.spki)) {
    return { unsupported: `signatures of an RSA key of ${key.bits} bits are more than the platform verifies` };
  }
  const mismatch = { unsupported: `the signature is ${oidName(id)}, which does not fit the key of the signer` };
  const crypto = nodeCrypto();
  const verdict = (good: boolean): SignatureVerdict => good ? "good" : "bad";

  if (Object.hasOwn(ECDSA, id)) {
    // RFC 5758 §3.2: the parameters MUST be absent.
    if (parameters !== undefined) return { unsupported: "the ECDSA signature has parameters" };
    if (key.kind !== "ec") return mismatch;
    const hash = ECDSA[id]!;
    const raw = rawSignature(signature, key.curve === "P-256" ? 32 : key.curve === "P-384" ? 48 : 66);
    if (raw === undefined) return "bad";
    return verifyEcdsa(key, hash, { raw, data });
  }
  if (Object.hasOwn(RSA, id)) {
    // RFC 4055 §5: NULL, and absent must be accepted as well.
    if (parameters !== undefined && !sameBytes(parameters, NULL_DER)) {
      return { unsupported: "the RSA signature has parameters" };
    }
    if (key.kind !== "rsa" || key.pss !== undefined) return mismatch;
    if (signature.length !== Math.ceil(key.bits / 8)) return "bad";
    return verdict(crypto.verify(RSA[id]!, data, keyObject(key.spki), signature));
  }
  if (id === PSS) {
    const chosen = parameters === undefined ? "RSASSA-PSS with SHA-1 is not accepted" : pssOf(parameters);
    if (typeof chosen === "string") return { unsupported: chosen };
    if (key.kind !== "rsa") return mismatch;
    // RFC 4055 §3.3: a key with parameters signs with that hash, and no shorter salt.
    const limits = key.pss;
    if (limits !== undefined && !limits.any) {
      if (limits.hash !== chosen.hash || chosen.saltLength < (limits.saltLength ?? 0)) return mismatch;
    }
    if (chosen.saltLength < 0 || signature.length !== Math.ceil(key.bits / 8)) return "bad";
    const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
    const how = { key: keyObject(key.spki), padding, saltLength: chosen.saltLength };
    return verdict(crypto.verify(chosen.hash, data, how, signature));
  }
  if (id === "1.3.101.112" || id === "1.3.101.113") {
    if (parameters !== undefined) return { unsupported: `the ${oidName(id)} signature has parameters` };
    if (key.kind !== (id === "1.3.101.112" ? "ed25519" : "ed448")) return mismatch;
    if (signature.length !== (key.kind === "ed25519" ? 64 : 114)) return "bad";
    return verdict(crypto.verify(null, data, keyObject(key.spki), signature));
  }
  return { unsupported: `signatures of type ${oidName(id)} are not accepted` };
}

function keyObject(spki: Uint8Array): import("node:crypto").KeyObject {
  return nodeCrypto().createPublicKey({ key: spki as never, format: "der", type: "spki" });
}

/** Web Crypto takes half the time of `node:crypto` on these curves, and reads every hash on each of them. */
async function verifyEcdsa(
  key: { readonly curve: Curve; readonly spki: Uint8Array },
  hash: Hash,
  signed: { readonly raw: Uint8Array; readonly data: Uint8Array },
): Promise<SignatureVerdict> {
  const algorithm = { name: "ECDSA", namedCurve: key.curve, hash: `SHA-${hash.slice(3)}` };
  // The platform's types ask for bytes that are not shared between threads; who shares certificates gets a copy.
  const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
    bytes.buffer instanceof ArrayBuffer ? bytes as Uint8Array<ArrayBuffer> : new Uint8Array(bytes);
  try {
    const imported = await crypto.subtle.importKey("spki", own(key.spki), algorithm, false, ["verify"]);
    return await crypto.subtle.verify(algorithm, imported, own(signed.raw), own(signed.data)) ? "good" : "bad";
  } catch {
    return "bad";
  }
}

/** Ecdsa-Sig-Value (RFC 5480 appendix A) as two numbers of a fixed size; strictly, for other spellings are forgeries. */
function rawSignature(signature: Uint8Array, size: number): Uint8Array | undefined {
  const raw = new Uint8Array(2 * size);
  try {
    const reader = readWhole(signature, Tag.SEQUENCE, "signature");
    for (const end of [size, 2 * size]) {
      const octets = integerOctets(reader.read(Tag.INTEGER, "signature"), "signature");
      const magnitude = octets[0] === 0 ? octets.subarray(1) : octets;
      if (octets[0]! >= 0x80 || magnitude.length > size) return undefined;
      raw.set(magnitude, end - magnitude.length);
    }
    reader.end("signature");
  } catch {
    return undefined;
  }
  return raw;
}
