/**
 * The certificates that are served, by id. Keys stay in memory.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { createSecureContext, type SecureContext } from "node:tls";
import type { ServedCertificate } from "../backend.ts";
import { flawOf, UNUSABLE_KEY } from "../flaw.ts";

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
      entry.flaw = UNUSABLE_KEY; // thrown into a handshake, it would end the thread
      return undefined;
    }
  }
}

function examine(entry: Entry): string | undefined {
  entry.flaw ??= flawOf(entry.certificate) ?? FLAWLESS;
  return entry.flaw === FLAWLESS ? undefined : entry.flaw;
}
