/** Verifying signatures synchronously, as the platform's callbacks need it. */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject, verify, X509Certificate } from "node:crypto";
import type { Certificate, Crl } from "@helyos/pki";

/** Which hash a signature algorithm uses; `null` where it has its own (RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3). */
const HASHES: Readonly<Record<string, string | null | undefined>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.3.101.112": null,
};

/** Whether an issuer's key signed a certificate. */
export function isCertificateSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    const key = keyOf(issuer);
    try {
      return new X509Certificate(certificate.der).verify(key);
    } catch {
      // Deno 2.9 cannot verify P-521 this way, though it can in the other.
      return isSignedBy(certificate, key);
    }
  } catch {
    return false;
  }
}

/** Whether an issuer's key signed a revocation list. */
export function isCrlSignedBy(crl: Crl, issuer: Certificate): boolean {
  try {
    return isSignedBy(crl, keyOf(issuer));
  } catch {
    return false;
  }
}

function keyOf(certificate: Certificate): KeyObject {
  return createPublicKey({ key: Buffer.from(certificate.spki), format: "der", type: "spki" });
}

function isSignedBy(signed: Certificate | Crl, key: KeyObject): boolean {
  const hash = HASHES[signed.signatureAlgorithm.id];
  return hash !== undefined && signed.signature.unusedBits === 0 &&
    verify(hash, signed.tbs, key, signed.signature.bytes);
}
