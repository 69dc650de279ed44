/**
 * A second look at a peer's certificates, before its first byte is read or ours is sent.
 *
 * The platform has verified a chain by then, but it accepts what it should not: a trusted CA outside its dates or deeper
 * than its path length allows, an intermediate that may not sign certificates. So a path is searched for again, with every
 * rule of RFC 5280 §6.1 that the platform leaves out, and signatures checked, so that a made-up intermediate cannot stand in
 * for the real one. Synchronous, because that is when the platform asks.
 */
import { createHash } from "node:crypto";
import { type Certificate, parseCertificate } from "@helyos/pki";
import type { Anchor } from "./material.ts";
import type { Revocations } from "./revocation.ts";
import { isCertificateSignedBy } from "./signature.ts";

/** Why no path from a certificate to a trusted CA was found. */
export class PathError extends Error {
  override readonly name = "PathError";
}

const MAX_DEPTH = 8;
/** Bounds the work a peer can cause with many certificates of the same name. */
const MAX_SIGNATURES = 24;
const MAX_REMEMBERED = 2048;

/** A verified path: the leaf first, the trusted CA last. */
export type Path = readonly Certificate[];

/** Finds paths to a fixed set of trusted CAs, and remembers those it found. */
export class PathChecker {
  readonly #anchors: readonly Certificate[];
  readonly #revocations: Revocations | undefined;
  readonly #known = new Map<string, Path>();

  constructor(anchors: readonly Anchor[], revocations: Revocations | undefined) {
    this.#anchors = anchors.map((anchor) => anchor.certificate);
    this.#revocations = revocations;
  }

  /**
   * Finds a path.
   *
   * @param leaf What the peer proved to hold the key of.
   * @param presented All that it showed, the leaf first; asked for only if no path is known, since the platform takes its time.
   * @param at The instant to judge at.
   * @throws {PathError} If there is none, or something in it is revoked.
   */
  check(leaf: Uint8Array, presented: () => readonly Uint8Array[], at: Date): Path {
    const key = createHash("sha256").update(leaf).digest("latin1");
    let path = this.#known.get(key);
    if (path === undefined || !path.every((certificate) => isCurrent(certificate, at))) {
      path = this.#search([leaf, ...presented().slice(1)], at);
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      this.#known.set(key, path);
    }
    const revoked = this.#revocations?.problemOf(path, at);
    if (revoked !== undefined) throw new PathError(revoked);
    return path;
  }

  #search(presented: readonly Uint8Array[], at: Date): Path {
    const [leaf, ...intermediates] = presented.slice(0, MAX_DEPTH + 2).map(read);
    if (leaf === undefined) throw new PathError("no certificate");
    const search: Search = { intermediates, anchors: this.#anchors, at, budget: MAX_SIGNATURES, problem: undefined };
    if (!isCurrent(leaf, at)) throw new PathError(dateProblem(leaf, at));
    const path = extend([leaf], search);
    if (path === undefined) throw new PathError(search.problem ?? `no path from ${leaf.subject} to a trusted CA`);
    return path;
  }
}

interface Search {
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly at: Date;
  budget: number;
  problem: string | undefined;
}

function extend(path: Certificate[], search: Search): Certificate[] | undefined {
  const child = path[path.length - 1]!;
  for (const anchor of search.anchors) {
    if (mayIssue(anchor, path, search) && isSignedBy(child, anchor, search)) return [...path, anchor];
  }
  if (path.length > MAX_DEPTH) return undefined;
  for (const candidate of search.intermediates) {
    if (path.includes(candidate) || !mayIssue(candidate, path, search) || !isSignedBy(child, candidate, search)) {
      continue;
    }
    const whole = extend([...path, candidate], search);
    if (whole !== undefined) return whole;
  }
  return undefined;
}

/** RFC 5280 §6.1.4 (k) to (n), and for a trusted CA the same: its own limits are meant too. */
function mayIssue(issuer: Certificate, path: readonly Certificate[], search: Search): boolean {
  if (!path[path.length - 1]!.issuer.equals(issuer.subject)) return false;
  // §4.2.1.9: self-issued certificates do not count, and the leaf is no intermediate.
  const below = path.slice(1).filter((certificate) => !certificate.isSelfIssued).length;
  const pathLength = issuer.basicConstraints?.pathLength;
  if (!issuer.isCa) search.problem ??= `${issuer.subject} is no CA`;
  else if (issuer.keyUsage !== undefined && !issuer.keyUsage.has("keyCertSign")) {
    search.problem ??= `${issuer.subject} may not sign certificates`;
  } else if (pathLength !== undefined && pathLength < below) {
    search.problem ??= `the path below ${issuer.subject} is too long`;
  } else if (!isCurrent(issuer, search.at)) search.problem ??= dateProblem(issuer, search.at);
  else return true;
  return false;
}

function isSignedBy(child: Certificate, issuer: Certificate, search: Search): boolean {
  return search.budget-- > 0 && isCertificateSignedBy(child, issuer);
}

function isCurrent(certificate: Certificate, at: Date): boolean {
  // RFC 5280 §4.1.2.5: the last second belongs to it.
  return certificate.notBefore.getTime() <= at.getTime() && at.getTime() < certificate.notAfter.getTime() + 1000;
}

function dateProblem(certificate: Certificate, at: Date): string {
  return at < certificate.notBefore
    ? `the certificate of ${certificate.subject} is valid only from ${certificate.notBefore.toISOString()}`
    : `the certificate of ${certificate.subject} expired on ${certificate.notAfter.toISOString()}`;
}

function read(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch {
    throw new PathError("a certificate cannot be read");
  }
}

/** What node's `getPeerCertificate(true)` gives. */
interface DetailedPeerCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: DetailedPeerCertificate;
}

/** The certificates a peer showed, leaf first, as DER. */
export function presentedBy(peer: unknown): Uint8Array[] {
  const presented: Uint8Array[] = [];
  let at = peer as DetailedPeerCertificate | null | undefined;
  while (at?.raw instanceof Uint8Array && at.raw.byteLength > 0 && presented.length < MAX_DEPTH + 2) {
    presented.push(new Uint8Array(at.raw));
    // A self-signed certificate is its own issuer.
    if (at.issuerCertificate === at) break;
    at = at.issuerCertificate;
  }
  return presented;
}
