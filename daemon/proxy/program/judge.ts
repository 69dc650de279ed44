/**
 * What can be known to be wrong with a site before a program sees it.
 *
 * A program that finds a certificate it cannot use refuses everything (nginx, Caddy) or serves one of its own instead and writes a line
 * into its log (Traefik); so certificates are judged here. Domains and upstreams were checked when they were stored, and are again where
 * they become part of a configuration: nothing but these characters ever gets there.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { Address, ServedCertificate, Site } from "../backend.ts";
import { flawOf } from "../flaw.ts";

const DOMAIN = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const HOST = /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/i;
const ID = /^[a-z0-9_][a-z0-9._-]*$/;

/** What is wrong with an address, or undefined. */
function judgeAddress({ host, port }: Address): string | undefined {
  const text = JSON.stringify(`${host}:${port}`);
  if (!Number.isInteger(port) || port < 1 || port > 65535) return `the upstream ${text} has no valid port`;
  if (isIP(host) === 6 ? host.includes("%") : !HOST.test(host)) return `the upstream ${text} has no valid host`;
  return undefined;
}

/**
 * Judges a site.
 *
 * @returns What is wrong with it, in a sentence without full stop; undefined when nothing is.
 */
export function judgeSite(site: Site, certificate: ServedCertificate | undefined): string | undefined {
  if (site.domain.length > 255 || !DOMAIN.test(site.domain)) return "the domain has characters that no host name has";
  const { hstsSeconds } = site;
  if (hstsSeconds !== undefined && !(Number.isSafeInteger(hstsSeconds) && hstsSeconds >= 0)) {
    return "the seconds of Strict-Transport-Security are no whole number";
  }
  for (const upstream of site.upstreams) {
    const wrong = judgeAddress(upstream);
    if (wrong !== undefined) return wrong;
  }
  if (site.tls === "none") return undefined;
  return certificate === undefined ? "its certificate is missing" : judgeCertificate(certificate).wrong;
}

/** What is known of a certificate. */
export interface Judged {
  /** `id` and 16 hex digits of what it and its key contain. */
  readonly tag: string;
  /** What is wrong with it; undefined when it can be served. */
  readonly wrong: string | undefined;
}

const judged = new WeakMap<ServedCertificate, Judged>();

/** Judges a certificate and its key; the same object once. */
export function judgeCertificate(certificate: ServedCertificate): Judged {
  const known = judged.get(certificate);
  if (known !== undefined) return known;
  const { id, certPem, keyPem } = certificate;
  const hash = createHash("sha256").update(certPem).update("\0").update(keyPem).digest("hex").slice(0, 16);
  const result = { tag: `${id}-${hash}`, wrong: ID.test(id) ? flawOf(certificate) : "its id is no file name" };
  judged.set(certificate, result);
  return result;
}
