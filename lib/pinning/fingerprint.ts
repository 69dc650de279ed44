/**
 * Fingerprints of a CA: read in any spelling, computed three ways, compared in constant time.
 *
 * @module
 */
import type { FingerprintForm } from "./errors.ts";

/** A SHA-256 in the one spelling we store and print: lower-case pairs of hex digits, joined by 31 colons. */
export type Fingerprint = string & { readonly __fingerprint: unique symbol };

/** How a CA's certificate is written: PEM text, or its bytes. */
export type PemText = string | Uint8Array;

// Before the digits: which form is meant, and `openssl x509 -fingerprint`'s way of saying what follows.
const SPELLING = /^(?:(pem|der|spki):)?(?:sha-?256(?::| fingerprint=))?([0-9a-f:]+)$/;

/**
 * Reads a SHA-256 fingerprint in any spelling people paste.
 *
 * Letter case, colons, white space around it and a prefix do not matter: `sha256:`, `der:` or `spki:`, and the line that
 * `openssl x509 -fingerprint -sha256` prints.
 *
 * @example Prefix, capitals, no colons
 * ```ts
 * import { parseFingerprint } from "@helyos/pinning";
 * import { equal } from "node:assert/strict";
 *
 * equal(parseFingerprint("SHA256:" + "9F".repeat(32)).slice(0, 5), "9f:9f");
 * ```
 * @param text What the user typed or pasted.
 * @returns The fingerprint in the one spelling we store and print, without a prefix.
 * @throws {SyntaxError} If `text` is not 32 bytes of hex.
 */
export function parseFingerprint(text: string): Fingerprint {
  return read(text).fingerprint;
}

function read(text: string): { fingerprint: Fingerprint; form: FingerprintForm | undefined } {
  const match = typeof text === "string" ? SPELLING.exec(text.trim().toLowerCase()) : null;
  const digits = match?.[2]?.replaceAll(":", "") ?? "";
  if (digits.length !== 64) {
    const shown = JSON.stringify(String(text).slice(0, 120));
    throw new SyntaxError(`Cannot read ${shown} as a SHA-256 fingerprint: 64 hex digits are needed`);
  }
  return { fingerprint: spell(digits), form: match?.[1] as FingerprintForm | undefined };
}

function spell(digits: string): Fingerprint {
  return digits.match(/../g)!.join(":") as Fingerprint;
}

async function digest(bytes: Uint8Array): Promise<Fingerprint> {
  return spell(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)).toHex());
}

/**
 * The fingerprint that is pinned: SHA-256 over the PEM text exactly as the daemon serves it.
 *
 * Another line length or line end gives another fingerprint, so hand over the text untouched.
 *
 * @example
 * ```ts
 * import { fingerprintOfPem } from "@helyos/pinning";
 * import { equal } from "node:assert/strict";
 *
 * equal((await fingerprintOfPem("")).slice(0, 11), "e3:b0:c4:42");
 * ```
 * @param pem The text, or its bytes.
 * @returns The fingerprint.
 */
export function fingerprintOfPem(pem: PemText): Promise<Fingerprint> {
  return digest(typeof pem === "string" ? new TextEncoder().encode(pem) : pem);
}

/**
 * SHA-256 over the certificate itself: what `openssl x509 -fingerprint -sha256` prints.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { fingerprintOfCertificate, fingerprintOfPem } from "@helyos/pinning";
 * import { notEqual } from "node:assert/strict";
 *
 * const { pem } = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 * notEqual(await fingerprintOfCertificate(pem), await fingerprintOfPem(pem));
 * ```
 * @param pem PEM text with exactly one certificate.
 * @returns The fingerprint.
 * @throws {PinningError} `invalid_ca` if `pem` is not one certificate.
 */
export async function fingerprintOfCertificate(pem: PemText): Promise<Fingerprint> {
  return await digest((await only(pem)).der);
}

/**
 * SHA-256 over the certificate's SubjectPublicKeyInfo: it stays the same when a CA is renewed with its old key.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { fingerprintOfPublicKey } from "@helyos/pinning";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const before = await createRootCa({ commonName: "Example CA", key });
 * const after = await createRootCa({ commonName: "Example CA", key });
 * equal(await fingerprintOfPublicKey(before.pem), await fingerprintOfPublicKey(after.pem));
 * ```
 * @param pem PEM text with exactly one certificate.
 * @returns The fingerprint.
 * @throws {PinningError} `invalid_ca` if `pem` is not one certificate.
 */
export async function fingerprintOfPublicKey(pem: PemText): Promise<Fingerprint> {
  return await digest((await only(pem)).spki);
}

async function only(pem: PemText): Promise<{ readonly der: Uint8Array; readonly spki: Uint8Array }> {
  const { readCertificates } = await import("./certificates.ts");
  return readCertificates(typeof pem === "string" ? pem : new TextDecoder().decode(pem), { exactly: 1 })[0]!;
}

/**
 * Which spellings a fingerprint can stand for, in the order they are tried.
 *
 * @example Without a prefix, or with `sha256:`, all three are
 * ```ts
 * import { fingerprintForms } from "@helyos/pinning";
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(fingerprintForms("00".repeat(32)), ["pem", "der", "spki"]);
 * deepEqual(fingerprintForms("SPKI:" + "00".repeat(32)), ["spki"]);
 * ```
 * @param text What the user typed or pasted.
 * @returns The forms.
 * @throws {SyntaxError} If `text` is not 32 bytes of hex.
 */
export function fingerprintForms(text: string): FingerprintForm[] {
  const { form } = read(text);
  return form === undefined ? ["pem", "der", "spki"] : [form];
}

/**
 * Says whether a fingerprint is that of a CA, and in which spelling.
 *
 * The text of a CA is hashed first, then its certificate, then its public key. The latter two say nothing about what
 * else a text holds, so a text with more than one certificate matches as text alone.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { fingerprintOfPublicKey, matchFingerprint } from "@helyos/pinning";
 * import { deepEqual, equal } from "node:assert/strict";
 *
 * const { pem } = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * deepEqual(await matchFingerprint(await fingerprintOfPublicKey(pem), pem), { form: "spki" });
 * equal(await matchFingerprint("00".repeat(32), pem), undefined);
 * ```
 * @param text The fingerprint, as the user typed or pasted it.
 * @param caPem The CA's certificate in PEM.
 * @returns The spelling that matched, or undefined.
 * @throws {SyntaxError} If `text` is not 32 bytes of hex.
 * @throws {PinningError} `invalid_ca` if the text did not match as text and `caPem` is not one certificate.
 */
export async function matchFingerprint(text: string, caPem: PemText): Promise<{ form: FingerprintForm } | undefined> {
  const { fingerprint } = read(text);
  for (const form of fingerprintForms(text)) {
    if (equalInConstantTime(fingerprint, await compute(form, caPem))) return { form };
  }
  return undefined;
}

function compute(form: FingerprintForm, pem: PemText): Promise<Fingerprint> {
  switch (form) {
    case "pem":
      return fingerprintOfPem(pem);
    case "der":
      return fingerprintOfCertificate(pem);
    case "spki":
      return fingerprintOfPublicKey(pem);
  }
}

/** Both are 95 characters, so that how long this takes says nothing about where they differ. */
function equalInConstantTime(a: Fingerprint, b: Fingerprint): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
