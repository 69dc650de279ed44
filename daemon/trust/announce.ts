/**
 * Warnings about certificates that only the operator can replace.
 *
 * @module
 */
import type { TrustLog } from "./trust.ts";

const DAY_MS = 86_400_000;

/** Days before its end from which on a certificate is announced. */
const ANNOUNCE_DAYS = 21;

/** Announces the end of a certificate, once a day. */
export class EndAnnouncer {
  readonly #deps: { readonly now: () => Date; readonly log: TrustLog };
  #announcedOn = "";

  constructor(deps: { readonly now: () => Date; readonly log: TrustLog }) {
    this.#deps = deps;
  }

  /**
   * Warns if it is time.
   *
   * @param what For example `the supplied certificate`.
   * @param remedy What the operator does about it, for example `replace FILE`.
   */
  announce(what: string, notAfter: Date, remedy: string): void {
    const now = this.#deps.now();
    const today = now.toISOString().slice(0, 10);
    if (notAfter.getTime() - now.getTime() > ANNOUNCE_DAYS * DAY_MS || this.#announcedOn === today) return;
    this.#announcedOn = today;
    const when = notAfter.toISOString();
    const text = notAfter < now ? `${what} expired on ${when}: clients refuse it` : `${what} ends ${when}`;
    this.#deps.log.warn(`${text}; ${remedy}`);
  }
}

/** A warning if others than the owner may read a file with a key; undefined when they may not, or where files have no modes. */
export async function looseKeyWarning(path: string, what = "the private key"): Promise<string | undefined> {
  const mode = (await Deno.stat(path).catch(() => undefined))?.mode ?? 0;
  if ((mode & 0o077) === 0) return undefined;
  return `others may read ${what} ${path} (mode ${(mode & 0o777).toString(8).padStart(4, "0")}): chmod 600 it`;
}
