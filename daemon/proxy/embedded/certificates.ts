/**
 * The certificates that are served, by id. Keys stay in memory.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import type { ServedCertificate } from "../backend.ts";

/** Why a certificate cannot be served; undefined when it can. The platform itself would fail late and silently. */
function flawOf({ certPem, keyPem }: ServedCertificate): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(certPem);
  } catch {
    return "its certificate cannot be read";
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return "its key does not belong to its certificate";
  } catch {
    return "its private key cannot be read";
  }
  return undefined;
}

interface Entry {
  readonly certificate: ServedCertificate;
  readonly flaw: string | undefined;
  context: SecureContext | undefined;
}

/** How many certificates are looked at before visitors have their turn: half a millisecond each. */
const BATCH = 16;

/** Certificates by id. */
export class CertificateTable {
  readonly #entries = new Map<string, Entry>();

  /** Takes over changes. A handshake that has begun goes on with what it began with. */
  async change(put: readonly ServedCertificate[], drop: readonly string[]): Promise<void> {
    for (const id of drop) this.#entries.delete(id);
    let looked = 0;
    for (const certificate of put) {
      this.#entries.set(certificate.id, { certificate, flaw: flawOf(certificate), context: undefined });
      if (++looked % BATCH === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Why a certificate is not served; undefined when it is. */
  flaw(id: string): string | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined ? "its certificate is missing" : entry.flaw;
  }

  /** What a handshake needs; undefined when the certificate is missing or flawed. */
  context(id: string): SecureContext | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.flaw !== undefined) return undefined;
    entry.context ??= createSecureContext({ cert: entry.certificate.certPem, key: entry.certificate.keyPem });
    return entry.context;
  }
}
