/**
 * Judges a certificate before it is stored, whoever it comes from.
 *
 * @module
 */
import { createHash, X509Certificate } from "node:crypto";
import {
  type Certificate,
  exportPrivateKey,
  holdsKey,
  importPrivateKey,
  inspect,
  type KeyPair,
  matchesName,
  parseCertificates,
  pemEncode,
  PkiError,
} from "@helyos/pki";

const DAY_MS = 86_400_000;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const ANY_PURPOSE = "2.5.29.37.0";

/** More certificates than any chain has; each costs signature checks. */
const MAX_CHAIN = 10;

/** A certificate that may be served. */
export interface JudgedCertificate {
  readonly names: readonly string[];
  /** PEM, the leaf first, every other one the issuer of the one before it. */
  readonly chainPem: string;
  /** PKCS#8 PEM. */
  readonly keyPem: string;
  readonly issuer: string;
  readonly fingerprint: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** What is taken but deserves a look. */
  readonly warnings: readonly string[];
}

/** A certificate or key cannot be served; the message says why, for a person. */
export class CertificateRefusal extends Error {
  override readonly name = "CertificateRefusal";
}

/** What was handed in. */
export interface CertificateInput {
  readonly domain: string;
  readonly certPem: string;
  /** A PEM, or the key itself. */
  readonly key: string | KeyPair;
  readonly now: Date;
}

/**
 * Judges a chain and its key. A chain in the wrong order is put right; certificates that do not belong to it are refused.
 *
 * Says nothing about whether anybody trusts the issuer.
 *
 * @throws {CertificateRefusal} With the first reason.
 */
export async function judgeCertificate(input: CertificateInput): Promise<JudgedCertificate> {
  const { domain, now } = input;
  const certificates = readChain(input.certPem);
  const key = typeof input.key === "string" ? await readKey(input.key) : input.key;
  const leaf = await findLeaf(certificates, key);
  refuseDates(leaf, "the certificate", now);
  const names = leaf.names.filter((name) => name.kind === "dns").map((name) => name.value.toLowerCase());
  if (!covers(leaf, names, domain)) {
    throw new CertificateRefusal(
      names.length === 0
        ? `the certificate has no DNS name in its subject alternative names; it must cover ${domain}`
        : `the certificate does not cover ${domain}; it is for ${names.slice(0, 8).join(", ")}`,
    );
  }
  const purposes = leaf.extendedKeyUsage;
  if (purposes !== undefined && !purposes.includes(SERVER_AUTH) && !purposes.includes(ANY_PURPOSE)) {
    throw new CertificateRefusal("the certificate is not for servers: its extended key usage lacks serverAuth");
  }
  const chain = orderChain(leaf, certificates);
  for (const [index, above] of chain.entries()) {
    if (index > 0) refuseDates(above, `the chain's certificate ${subjectOf(above)}`, now);
  }
  return {
    names,
    chainPem: chain.map((one) => pemEncode("CERTIFICATE", one.der)).join(""),
    keyPem: await exportPrivateKey(key),
    issuer: inspect(leaf).issuer,
    fingerprint: fingerprintOf(leaf.der),
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    warnings: warningsOf(leaf, chain, now),
  };
}

/** SHA-256 over DER, lower-case pairs joined by colons. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex").replace(/..(?!$)/g, "$&:");
}

function readChain(pem: string): Certificate[] {
  let certificates: Certificate[];
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new CertificateRefusal(
      "the certificate cannot be read: a private key is among it; give the certificates alone",
    );
  }
  try {
    certificates = parseCertificates(pem);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CertificateRefusal(`the certificate cannot be read: ${cause.message}`, { cause });
  }
  if (certificates.length > MAX_CHAIN) {
    throw new CertificateRefusal(`the chain has ${certificates.length} certificates; ${MAX_CHAIN} are the most`);
  }
  return certificates;
}

async function readKey(pem: string): Promise<KeyPair> {
  try {
    return await importPrivateKey(pem);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CertificateRefusal(
      cause.code === "passphrase_required"
        ? "the private key is encrypted; decrypt it first, for example with: openssl pkey -in KEY -out CLEAR"
        : `the private key cannot be read: ${cause.message}`,
      { cause },
    );
  }
}

async function findLeaf(certificates: readonly Certificate[], key: KeyPair): Promise<Certificate> {
  for (const certificate of certificates) {
    if (await holdsKey(certificate, key.publicKey)) return certificate;
  }
  throw new CertificateRefusal(
    certificates.length === 1
      ? "the private key does not match the certificate"
      : "the private key matches none of the certificates",
  );
}

/** A wildcard is covered by the same wildcard alone; a host name also by a wildcard for its last labels (RFC 9525 §6.3). */
function covers(leaf: Certificate, names: readonly string[], domain: string): boolean {
  return domain.startsWith("*.") ? names.includes(domain) : matchesName(leaf, { dns: domain });
}

function refuseDates(certificate: Certificate, what: string, now: Date): void {
  if (certificate.notAfter < now) {
    throw new CertificateRefusal(`${what} has expired: it ended ${certificate.notAfter.toISOString()}`);
  }
  if (certificate.notBefore > now) {
    throw new CertificateRefusal(
      `${what} is not valid yet: it starts ${certificate.notBefore.toISOString()}; is the clock right?`,
    );
  }
}

/** RFC 8446 §4.4.2: the leaf first, each following one certifies the one before; a root at the end is left out. */
function orderChain(leaf: Certificate, certificates: readonly Certificate[]): Certificate[] {
  const rest = new Set(
    certificates.filter((one) => one !== leaf && fingerprintOf(one.der) !== fingerprintOf(leaf.der)),
  );
  const chain = [leaf];
  for (let last = leaf; !isSelfSigned(last);) {
    const issuer = [...rest].find((candidate) => issued(candidate, last));
    if (issuer === undefined) break;
    rest.delete(issuer);
    for (const copy of rest) if (fingerprintOf(copy.der) === fingerprintOf(issuer.der)) rest.delete(copy);
    chain.push(last = issuer);
  }
  const [stranger] = rest;
  if (stranger !== undefined) {
    throw new CertificateRefusal(`the certificate ${subjectOf(stranger)} does not belong to the chain; leave it out`);
  }
  if (chain.length > 1 && isSelfSigned(chain.at(-1)!)) chain.pop();
  return chain;
}

function issued(issuer: Certificate, certificate: Certificate): boolean {
  const above = new X509Certificate(issuer.der);
  const below = new X509Certificate(certificate.der);
  return below.checkIssued(above) && below.verify(above.publicKey);
}

function isSelfSigned(certificate: Certificate): boolean {
  return certificate.isSelfIssued && issued(certificate, certificate);
}

function warningsOf(leaf: Certificate, chain: readonly Certificate[], now: Date): string[] {
  const warnings: string[] = [];
  if (isSelfSigned(leaf)) {
    warnings.push("the certificate is self-signed: only clients that were given it will trust it");
  } else if (chain.length === 1) {
    warnings.push("no intermediate certificate came along: clients that do not have it will refuse the connection");
  }
  const days = Math.floor((leaf.notAfter.getTime() - now.getTime()) / DAY_MS);
  if (days < 30) warnings.push(`the certificate ends in ${days} days, on ${leaf.notAfter.toISOString()}`);
  if (inspect(leaf).key.algorithm === "Ed25519") {
    warnings.push("the certificate has an Ed25519 key, which most browsers do not accept");
  }
  return warnings;
}

function subjectOf(certificate: Certificate): string {
  return JSON.stringify(inspect(certificate).subject.slice(0, 200));
}
