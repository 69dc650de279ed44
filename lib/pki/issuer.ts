/**
 * Who signs: a CA certificate and its key, checked once and remembered.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "./certificate.ts";
import { PkiError } from "./errors.ts";
import type { KeyUsage } from "./extension.ts";
import { type KeyPair, provePair } from "./key.ts";
import { sameBytes } from "./der.ts";
import { type Signer, signerOf } from "./sign.ts";
import { authorityKeyIdentifier } from "./write_extension.ts";

/** A CA that signs certificates and revocation lists. */
export interface Issuer {
  /** Its certificate, PEM (exactly one) or DER. */
  readonly certificate: string | Uint8Array;
  /** The key the certificate speaks of. */
  readonly key: KeyPair;
}

/** An issuer that has been checked, with what every certificate of it has in common already written. */
export interface PreparedIssuer extends Signer {
  /** Its certificate. */
  readonly certificate: Certificate;
  /** The authorityKeyIdentifier extension: the key identifier alone (RFC 5280 §4.2.1.1). */
  readonly authorityKeyIdentifier: Uint8Array;
}

interface Remembered {
  readonly source: string | Uint8Array;
  readonly prepared: PreparedIssuer;
}

// By private key: an issuer is checked once however often its two halves are put together anew.
const remembered = new WeakMap<CryptoKey, Remembered>();

/**
 * Checks an issuer: a certificate that can be read, whose key this is, and that is a CA's.
 *
 * @param issuer The issuer.
 * @returns What signing needs of it.
 * @throws {PkiError} `invalid_pem`, `invalid_der`, `invalid_certificate`, `key_mismatch`, `issuer_not_ca`.
 */
export async function prepareIssuer(issuer: Issuer): Promise<PreparedIssuer> {
  const { certificate: source, key } = issuer;
  const known = remembered.get(key.privateKey);
  if (known !== undefined && sameSource(known.source, source)) return known.prepared;
  const certificate = parseCertificate(source);
  const publicKey = await provePair(key);
  if (!sameBytes(certificate.spki, publicKey.spki)) {
    throw new PkiError(
      "key_mismatch",
      `Cannot sign as "${certificate.subject}": the key is not that of the certificate`,
    );
  }
  if (certificate.version !== 3 || !certificate.isCa || certificate.subject.isEmpty) {
    throw new PkiError("issuer_not_ca", `Cannot sign as "${certificate.subject}": the certificate is not a CA's`);
  }
  // §4.2.1.1: what the issuer's subjectKeyIdentifier says, however it was derived.
  const identifier = certificate.subjectKeyIdentifier === undefined
    ? publicKey.identifier
    : Uint8Array.fromHex(certificate.subjectKeyIdentifier);
  const prepared: PreparedIssuer = {
    ...signerOf(key),
    certificate,
    authorityKeyIdentifier: authorityKeyIdentifier(identifier),
  };
  remembered.set(key.privateKey, { source: typeof source === "string" ? source : source.slice(), prepared });
  return prepared;
}

function sameSource(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return typeof a === "string" || typeof b === "string" ? a === b : sameBytes(a, b);
}

/**
 * Asks whether an issuer's key may do something (RFC 5280 §4.2.1.3); without keyUsage it may do everything.
 *
 * @param issuer The issuer.
 * @param usage What its key is to do.
 * @throws {PkiError} `issuer_not_ca` if it may not.
 */
export function requireKeyUsage(issuer: PreparedIssuer, usage: KeyUsage): void {
  const { keyUsage, subject } = issuer.certificate;
  if (keyUsage !== undefined && !keyUsage.has(usage)) {
    throw new PkiError("issuer_not_ca", `Cannot sign as "${subject}": its key usage lacks ${usage}`);
  }
}
