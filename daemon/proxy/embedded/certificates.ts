/**
 * The certificates that are served, by id. Keys stay in memory.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { setImmediate } from "node:timers";
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
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
    if (!certificate.checkPrivateKey(key)) return "its key does not belong to its certificate";
  } catch {
    return "its private key cannot be read";
  }
  return isUsable(key) ? undefined : UNUSABLE;
}

const UNUSABLE = "its key is of a kind or size that this proxy cannot use";

/** What Deno's TLS signs with. */
function isUsable({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === "rsa") return (details?.modulusLength ?? 0) >= 2048;
  if (type === "ec") return ["prime256v1", "secp384r1", "secp521r1"].includes(details?.namedCurve ?? "");
  return type === "ed25519";
}

interface Entry {
  readonly certificate: ServedCertificate;
  /** Not looked at yet while undefined. */
  flaw?: string | typeof FLAWLESS;
  context?: SecureContext;
}

const FLAWLESS = Symbol("flawless");

/** How long certificates are looked at before visitors have their turn; each takes half a millisecond. */
const SLICE_MS = 4;

/** Certificates by id. */
export class CertificateTable {
  readonly #entries = new Map<string, Entry>();

  /** Takes over certificates, to be served from now on. A handshake that has begun goes on with what it began with. */
  put(certificates: readonly ServedCertificate[]): void {
    for (const certificate of certificates) this.#entries.set(certificate.id, { certificate });
  }

  /** Forgets certificates. */
  drop(ids: readonly string[]): void {
    for (const id of ids) this.#entries.delete(id);
  }

  /** Looks at all that has not been looked at, little by little: ten thousand take seconds, in which visitors are served. */
  async examine(): Promise<void> {
    let until = performance.now() + SLICE_MS;
    for (const entry of [...this.#entries.values()]) {
      if (entry.flaw !== undefined) continue;
      examine(entry);
      if (performance.now() < until) continue;
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + SLICE_MS;
    }
  }

  /** Why a certificate is not served; undefined when it is. */
  flaw(id: string): string | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return "its certificate is missing";
    return examine(entry);
  }

  /** What a handshake needs; undefined when the certificate is missing or flawed. */
  context(id: string): SecureContext | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || examine(entry) !== undefined) return undefined;
    try {
      return entry.context ??= createSecureContext({ cert: entry.certificate.certPem, key: entry.certificate.keyPem });
    } catch {
      entry.flaw = UNUSABLE; // thrown into a handshake, it would end the thread
      return undefined;
    }
  }
}

function examine(entry: Entry): string | undefined {
  entry.flaw ??= flawOf(entry.certificate) ?? FLAWLESS;
  return entry.flaw === FLAWLESS ? undefined : entry.flaw;
}
