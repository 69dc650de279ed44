/** Revocation lists of the configured CAs, looked at for every peer. */
import { type Certificate, type Crl, parseCrl } from "@helyos/pki";
import { TlsConfigError } from "./errors.ts";
import { type PathSink, pathsOf, readAll } from "./files.ts";
import type { Anchor } from "./material.ts";
import { isCrlSignedBy } from "./signature.ts";

/** What is revoked. */
export interface Revocations {
  /**
   * Looks for every certificate of a path but the trusted CA's in a current list of its issuer (RFC 5280 §6.3).
   *
   * @returns What is wrong: one is revoked, or there is no current list that could say so.
   */
  problemOf(path: readonly Certificate[], at: Date): string | undefined;
}

/**
 * Reads revocation lists.
 *
 * @throws {TlsConfigError} `invalid_crl` if one cannot be read, is not signed by the trusted CA it names, or is not a whole
 * list of one issuer.
 */
export async function readRevocations(
  value: string | readonly string[],
  o: { readonly anchors: readonly Anchor[]; readonly seen: PathSink | undefined },
): Promise<Revocations> {
  const files = await readAll(pathsOf(value), {
    what: "the revocation lists",
    extensions: [".pem", ".crl"],
    seen: o.seen,
  });
  const lists: RevocationList[] = [];
  for (const { path, bytes } of files) {
    for (const crl of readLists(bytes, path)) {
      checkScope(crl, path);
      const issuers = o.anchors.filter((anchor) => anchor.certificate.subject.equals(crl.issuer));
      if (issuers.length > 0 && !issuers.some((issuer) => isCrlSignedBy(crl, issuer.certificate))) {
        throw invalid(path, `it is not signed by ${crl.issuer}, whom it names as its issuer`);
      }
      lists.push(new RevocationList(crl));
    }
  }
  if (lists.length === 0) throw new TlsConfigError("invalid_crl", "Cannot look at revocation: no list is configured");
  return { problemOf: (path, at) => problemIn(lists, path, at) };
}

function problemIn(lists: readonly RevocationList[], path: readonly Certificate[], at: Date): string | undefined {
  for (const [index, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[index + 1]!;
    const current = lists.filter((list) => list.speaksFor(issuer, at));
    // Not knowing is refused: an attacker who could keep lists away must gain nothing.
    if (current.length === 0) return `no current revocation list of ${issuer.subject}`;
    if (current.some((list) => list.revokes(certificate))) {
      return `the certificate of ${certificate.subject} is revoked`;
    }
  }
  return undefined;
}

class RevocationList {
  readonly #crl: Crl;
  readonly #serials: ReadonlySet<string>;
  /** Issuers whose key was tried, by their DER. */
  readonly #tried = new WeakMap<Uint8Array, boolean>();

  constructor(crl: Crl) {
    this.#crl = crl;
    this.#serials = new Set(crl.revoked.map((entry) => entry.serial));
  }

  /** Whether it is this issuer's own list, and neither from the future nor out of date. */
  speaksFor(issuer: Certificate, at: Date): boolean {
    const { thisUpdate, nextUpdate } = this.#crl;
    if (at < thisUpdate || nextUpdate === undefined || at.getTime() >= nextUpdate.getTime() + 1000) return false;
    if (!issuer.subject.equals(this.#crl.issuer)) return false;
    let isOwn = this.#tried.get(issuer.der);
    if (isOwn === undefined) {
      // RFC 5280 §4.2.1.3: the key must be one that may sign lists.
      isOwn = (issuer.keyUsage?.has("cRLSign") ?? true) && isCrlSignedBy(this.#crl, issuer);
      this.#tried.set(issuer.der, isOwn);
    }
    return isOwn;
  }

  revokes(certificate: Certificate): boolean {
    return this.#serials.has(certificate.serial);
  }
}

/** Lists that say less than "all that this issuer revoked" would need the others beside them to mean anything. */
function checkScope(crl: Crl, path: string): void {
  const scope = crl.issuingDistributionPoint;
  if (crl.baseNumber !== undefined) throw invalid(path, "it is a delta of another list");
  if (crl.unknownCritical.length > 0) {
    throw invalid(path, `it has the unknown critical extension ${crl.unknownCritical[0]}`);
  }
  if (crl.nextUpdate === undefined) throw invalid(path, "it does not say when the next one comes");
  if (
    scope !== undefined &&
    (scope.indirect || scope.onlyReasons !== undefined || scope.onlyUserCertificates || scope.onlyCaCertificates ||
      scope.onlyAttributeCertificates || scope.name !== undefined)
  ) throw invalid(path, "it is about a part of what its issuer revoked");
}

const CRL = /-----BEGIN X509 CRL-----\r?\n[\s\S]*?-----END X509 CRL-----/g;

function readLists(bytes: Uint8Array, path: string): Crl[] {
  try {
    // DER begins with a SEQUENCE, which is no text.
    if (bytes[0] === 0x30) return [parseCrl(bytes)];
    const blocks = new TextDecoder("latin1").decode(bytes).match(CRL) ?? [];
    if (blocks.length > 0) return blocks.map((block) => parseCrl(`${block}\n`));
  } catch (cause) {
    throw invalid(path, "it cannot be read", cause);
  }
  throw invalid(path, "it holds no revocation list");
}

function invalid(path: string, why: string, cause?: unknown): TlsConfigError {
  return new TlsConfigError("invalid_crl", `Cannot use the revocation list "${path}": ${why}`, { path, cause });
}
