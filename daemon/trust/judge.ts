/**
 * Whether a certificate file and a key file can be served together.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import type { Buffer } from "node:buffer";
import { type Certificate, parseCertificates, pemEncode } from "@helyos/pki";
import { TrustError } from "./errors.ts";
import type { ServedCertificate } from "./trust.ts";

/** The two texts, and what messages call them. */
export interface PairTexts {
  readonly cert: string;
  readonly key: string;
  /** For example `--tls-cert /etc/helyos/api.crt`. */
  readonly certLabel: string;
  readonly keyLabel: string;
}

/** A pair that fits together. */
export interface JudgedPair extends ServedCertificate {
  readonly leaf: Certificate;
  /** The leaf and what follows it. */
  readonly chain: readonly Certificate[];
  /** What does not stop it from being served, yet will trouble clients. */
  readonly warnings: readonly string[];
}

/**
 * Reads both, and checks that the key is the leaf's and that each certificate was issued by the next one. Dates are
 * {@linkcode refuseOutOfDate}'s business. Whether clients trust the root is for them to say.
 *
 * @throws {TrustError} `invalid_certificate`, `invalid_key`, `mismatch` or `chain_order`.
 */
export function judgePair(texts: PairTexts): JudgedPair {
  const chain = readChain(texts);
  const key = readKey(texts);
  const [leaf] = chain as [Certificate];
  if (!equalBytes(key.spki, leaf.spki)) {
    const owner = chain.findIndex((certificate) => equalBytes(key.spki, certificate.spki));
    if (owner > 0) {
      throw new TrustError(
        "chain_order",
        `Cannot serve ${texts.certLabel}: the key is that of certificate ${
          owner + 1
        } in it; the server's own must come first, then each issuer`,
      );
    }
    throw new TrustError(
      "mismatch",
      `Cannot serve ${texts.certLabel}: ${texts.keyLabel} is the key of another certificate`,
    );
  }
  refuseBrokenChain(chain, texts);
  return {
    cert: chain.map((certificate) => pemEncode("CERTIFICATE", certificate.der)).join(""),
    key: key.pem,
    notAfter: leaf.notAfter,
    leaf,
    chain,
    warnings: troubles(leaf),
  };
}

/**
 * Refuses a certificate outside its dates.
 *
 * @throws {TrustError} `expired` or `not_yet_valid`.
 */
export function refuseOutOfDate(pair: JudgedPair, label: string, now: Date): void {
  const { notBefore, notAfter } = pair.leaf;
  if (notAfter < now) {
    throw new TrustError(
      "expired",
      `Cannot serve ${label}: it expired on ${notAfter.toISOString()}; this clock says ${now.toISOString()}`,
    );
  }
  if (notBefore > now) {
    throw new TrustError(
      "not_yet_valid",
      `Cannot serve ${label}: it is not valid before ${notBefore.toISOString()}; this clock says ${now.toISOString()}`,
    );
  }
}

/** Whether `issuer`'s key signed `certificate` and the names fit. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!certificate.issuer.equals(issuer.subject)) return false;
  try {
    return new X509Certificate(certificate.der as Buffer).verify(new X509Certificate(issuer.der as Buffer).publicKey);
  } catch {
    return false; // a key or signature of a kind that cannot be checked is no proof
  }
}

function readChain(texts: PairTexts): Certificate[] {
  try {
    return parseCertificates(texts.cert);
  } catch (cause) {
    throw new TrustError("invalid_certificate", `Cannot read ${texts.certLabel}: ${reason(cause)}`, { cause });
  }
}

function readKey(texts: PairTexts): { pem: string; spki: Uint8Array } {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(texts.key)) {
    throw new TrustError(
      "invalid_key",
      `Cannot read ${texts.keyLabel}: it is locked with a passphrase; write it without one (openssl pkey -in … -out …)`,
    );
  }
  try {
    const key = createPrivateKey(texts.key);
    return {
      pem: key.export({ type: "pkcs8", format: "pem" }) as string,
      spki: createPublicKey(key).export({ type: "spki", format: "der" }),
    };
  } catch {
    // No cause: a parser's message may quote what it could not parse
    throw new TrustError("invalid_key", `Cannot read ${texts.keyLabel}: it holds no private key in PEM`);
  }
}

function refuseBrokenChain(chain: readonly Certificate[], texts: PairTexts): void {
  for (let at = 0; at + 1 < chain.length; at++) {
    if (isIssuedBy(chain[at]!, chain[at + 1]!)) continue;
    throw new TrustError(
      "chain_order",
      `Cannot serve ${texts.certLabel}: certificate ${at + 1} in it was not issued by certificate ${at + 2}; ` +
        `the server's own must come first, then each issuer`,
    );
  }
}

function troubles(leaf: Certificate): string[] {
  const warnings: string[] = [];
  if (leaf.isCa) warnings.push("it says CA:TRUE: strict clients refuse a CA as a server's certificate");
  if (!leaf.names.some(({ kind }) => kind === "dns" || kind === "ip")) {
    warnings.push("it has no subject alternative name: clients will refuse it whatever its common name says");
  }
  // id-kp-serverAuth, RFC 5280 §4.2.1.12
  if (leaf.extendedKeyUsage !== undefined && !leaf.extendedKeyUsage.includes("1.3.6.1.5.5.7.3.1")) {
    warnings.push("it is not for servers: its extended key usage lacks serverAuth");
  }
  return warnings;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
