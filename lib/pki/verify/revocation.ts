/**
 * Revocation by CRLs (RFC 5280 §6.3): complete and delta, direct and indirect, for some reasons or all.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";
import type { Crl, RevokedEntry } from "../crl.ts";
import { hexOf, sameBytes } from "../der.ts";
import { extendName, type Name } from "../distinguished_name.ts";
import {
  CRL_REASONS,
  type DistributionPoint,
  type DistributionPointName,
  type RevocationReason,
} from "../extension.ts";
import type { GeneralName } from "../general_name.ts";
import { uriKey } from "../matching.ts";
import { ExtensionId } from "../oid.ts";
import type { Context } from "./context.ts";
import { targetFault } from "./judge.ts";
import { day, type Refusal, refusal } from "./result.ts";
import { PathSearch } from "./search.ts";
import { crlFault } from "./verify_crl.ts";

/** A CRL that is about a certificate, for some reasons. */
interface Applicable {
  readonly crl: Crl;
  readonly reasons: readonly RevocationReason[];
}

const indexes = new WeakMap<Crl, Map<string, RevokedEntry[]>>();

/** Finds out about revocation, for one verification. */
export class Revocation {
  readonly #context: Context;
  readonly #complete: readonly Crl[];
  readonly #deltas: readonly Crl[];
  /** CRL signers whose own path is being judged: a CRL may be about the certificate of its signer. */
  readonly #underWay = new Set<Certificate>();
  readonly #signers = new Map<Certificate, Map<Certificate, boolean>>();
  readonly #statuses = new Map<Certificate, Map<Certificate, Refusal | undefined>>();

  /** @param context What is known. */
  constructor(context: Context) {
    this.#context = context;
    const crls = context.request.crls.toSorted(newestFirst);
    this.#complete = crls.filter((crl) => crl.baseNumber === undefined);
    this.#deltas = crls.filter((crl) => crl.baseNumber !== undefined);
  }

  /**
   * Finds out whether a path stands.
   * @param path The certificate first, the anchor last; judged in every other respect.
   * @returns Which certificate is revoked or of unknown status, or nothing.
   */
  async fault(path: readonly Certificate[]): Promise<Refusal | undefined> {
    if (this.#context.request.revocation === "off") return undefined;
    // From the anchor down, so that whoever signs a CRL about the next has been cleared.
    for (let i = path.length - 2; i >= 0; i--) {
      const fault = await this.#statusOf(path, i);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  async #statusOf(path: readonly Certificate[], i: number): Promise<Refusal | undefined> {
    const certificate = path[i]!;
    const anchor = path[path.length - 1]!;
    let known = this.#statuses.get(certificate);
    if (known === undefined) this.#statuses.set(certificate, known = new Map());
    if (known.has(anchor)) return known.get(anchor);
    const assumed = this.#underWay.size;
    const status = await this.#find(certificate, path.slice(i + 1));
    // What was found while a signer was taken on trust is not remembered.
    if (assumed === 0) known.set(anchor, status);
    return status;
  }

  async #find(certificate: Certificate, above: readonly Certificate[]): Promise<Refusal | undefined> {
    const covered = new Set<RevocationReason>();
    const spoken = new Map<string, Crl>();
    let seen = 0;
    let used = 0;
    let obstacle = "there is no CRL about it";
    for (const { crl, reasons } of this.#applicable(certificate)) {
      seen++;
      // A newer list has taken the place of this one. §6.3.3(e) would also pass over a list that adds no reason; but
      // what any current list revokes is revoked, whichever happens to be read first.
      const scope = scopeOf(crl);
      if ((spoken.get(scope) ?? crl) !== crl) continue;
      // §6.3: whose next update has passed is to be fetched anew, whatever deltas there are.
      const fault = crlFault(crl, this.#context.request.at);
      if (fault !== undefined) {
        obstacle = `of its CRL, ${fault.reason}`;
        continue;
      }
      const signer = await this.#signerOf(crl, above);
      if (typeof signer === "string") {
        obstacle = signer;
        continue;
      }
      const entry = revoking(certificate, crl, await this.#deltaFor(crl, signer));
      if (entry !== undefined) {
        const why = entry.reason === undefined ? "" : ` (${entry.reason})`;
        const reason = `it was revoked on ${day(entry.date)}${why}`;
        return refusal(certificate, "revoked", { section: "RFC 5280 §6.3.3", reason });
      }
      used++;
      spoken.set(scope, crl);
      reasons.forEach((reason) => covered.add(reason));
    }
    if (CRL_REASONS.every((reason) => covered.has(reason))) return undefined;
    const lenient = this.#context.request.revocation === "if-present";
    if (lenient && (seen === 0 || used > 0)) return undefined;
    if (used > 0) obstacle = "the CRLs about it leave some reasons open";
    const reason = `whether it is revoked cannot be told: ${obstacle}`;
    return refusal(certificate, "revocation", { section: "RFC 5280 §6.3.3", reason });
  }

  /** The CRLs that are about a certificate (RFC 5280 §6.3.3 (b) and (d)), each with the reasons it covers. */
  *#applicable(certificate: Certificate): Generator<Applicable> {
    // The last one stands for CRLs that no distribution point names.
    const implied: DistributionPoint = {
      name: { full: [{ kind: "directory", value: "", bytes: certificate.issuer.der, directory: certificate.issuer }] },
    };
    const points = [...certificate.crlDistributionPoints ?? [], implied];
    for (const crl of this.#complete) {
      for (const point of points) {
        this.#context.spend("steps");
        if (!isAbout(crl, certificate, point)) continue;
        const onlyReasons = crl.issuingDistributionPoint?.onlyReasons;
        const reasons = CRL_REASONS.filter((reason) =>
          (point.reasons?.has(reason) ?? true) && (onlyReasons?.has(reason) ?? true)
        );
        yield { crl, reasons };
      }
    }
  }

  /** The newest delta that goes with a complete CRL (RFC 5280 §6.3.3 (c) and (h)), or nothing. */
  async #deltaFor(crl: Crl, signer: Certificate): Promise<Crl | undefined> {
    const number = crl.number;
    if (number === undefined) return undefined;
    this.#context.spend("steps", this.#deltas.length);
    const fitting = this.#deltas.filter((delta) =>
      delta.issuer.equals(crl.issuer) &&
      sameExtension(delta, crl, ExtensionId.issuingDistributionPoint) &&
      sameExtension(delta, crl, ExtensionId.authorityKeyIdentifier) &&
      delta.number !== undefined && number >= delta.baseNumber! && number < delta.number &&
      crlFault(delta, this.#context.request.at) === undefined
    ).sort((a, b) => (a.number! > b.number! ? -1 : 1));
    for (const delta of fitting) {
      if (await this.#context.signatureBy(delta, signer) === "good") return delta;
    }
    return undefined;
  }

  /** The certificate of who signed a CRL, cleared (RFC 5280 §6.3.3 (f) and (g)); or why there is none. */
  async #signerOf(crl: Crl, above: readonly Certificate[]): Promise<Certificate | string> {
    const anchor = above[above.length - 1]!;
    const own = above.filter((signer) => signer.subject.equals(crl.issuer));
    const named = [...new Set([...own, ...this.#context.bySubject.get(crl.issuer.key) ?? []])];
    const wanted = crl.authorityKeyIdentifier?.keyIdentifier;
    const unlikely = (signer: Certificate): number =>
      wanted !== undefined && signer.subjectKeyIdentifier !== undefined && signer.subjectKeyIdentifier !== wanted
        ? 1
        : 0;
    named.sort((a, b) => unlikely(a) - unlikely(b));
    let obstacle = "nobody is known who may have signed its CRL";
    for (const signer of named) {
      this.#context.spend("steps");
      if (signer.keyUsage !== undefined && !signer.keyUsage.has("cRLSign")) {
        obstacle = `"${signer.subject}" may not sign CRLs`;
        continue;
      }
      if (await this.#context.signatureBy(crl, signer) !== "good") {
        obstacle = `the signature on its CRL is not one of "${signer.subject}"`;
        continue;
      }
      if (above.includes(signer) || await this.#isCleared(signer, anchor)) return signer;
      obstacle = `"${signer.subject}", who signed its CRL, is not to be trusted`;
    }
    return obstacle;
  }

  /** Whether the certificate of a CRL signer stands by itself, under the same anchor. */
  async #isCleared(signer: Certificate, anchor: Certificate): Promise<boolean> {
    if (this.#context.anchors.has(signer)) return signer === anchor;
    if (this.#underWay.has(signer)) return true;
    let known = this.#signers.get(signer);
    if (known === undefined) this.#signers.set(signer, known = new Map());
    let cleared = known.get(anchor);
    if (cleared === undefined) {
      cleared = await this.#clear(signer, anchor);
      if (this.#underWay.size === 0) known.set(anchor, cleared);
    }
    return cleared;
  }

  async #clear(signer: Certificate, anchor: Certificate): Promise<boolean> {
    const { at } = this.#context.request;
    if (this.#context.broken.has(signer) || targetFault(signer, { at, purpose: "any" }) !== undefined) return false;
    this.#underWay.add(signer);
    try {
      const accept = async (path: readonly Certificate[]): Promise<Refusal | undefined> =>
        this.#context.policyFault(path, {}) ?? await this.fault(path);
      const search = new PathSearch(this.#context, new Set([anchor]), accept);
      return Array.isArray(await search.run(signer));
    } finally {
      this.#underWay.delete(signer);
    }
  }
}

function isAbout(crl: Crl, certificate: Certificate, point: DistributionPoint): boolean {
  const scope = crl.issuingDistributionPoint;
  // (b)(1)
  if (point.crlIssuer !== undefined) {
    const named = point.crlIssuer.some((name) => name.directory?.equals(crl.issuer));
    if (!named || !(scope?.indirect ?? false)) return false;
  } else if (!crl.issuer.equals(certificate.issuer)) {
    return false;
  }
  if (scope === undefined) return true;
  // (b)(2)(i)
  if (scope.name !== undefined) {
    const own = new Set(placesOf(scope.name, crl.issuer));
    const theirs = point.name !== undefined
      ? placesOf(point.name, point.crlIssuer === undefined ? certificate.issuer : crl.issuer)
      : (point.crlIssuer ?? []).map(placeOf);
    if (!theirs.some((place) => own.has(place))) return false;
  }
  // (ii) to (iv)
  if (scope.onlyAttributeCertificates) return false;
  if (scope.onlyUserCertificates && certificate.isCa) return false;
  return !(scope.onlyCaCertificates && !certificate.isCa);
}

function newestFirst(a: Crl, b: Crl): number {
  const [one, other] = [a.number ?? -1n, b.number ?? -1n];
  return b.thisUpdate.getTime() - a.thisUpdate.getTime() || (one < other ? 1 : one > other ? -1 : 0);
}

/** What a list is about, for comparing: newer lists about the same take the place of older ones (RFC 5280 §5.2.3). */
function scopeOf(crl: Crl): string {
  const point = crl.extensions.find((extension) => extension.id === ExtensionId.issuingDistributionPoint);
  return `${point === undefined ? "" : hexOf(point.value)} ${crl.issuer.key}`;
}

/** The names of a distribution point, for comparing. */
function placesOf(name: DistributionPointName, relativeTo: Name): string[] {
  if (name.relative !== undefined) return [`directory ${extendName(relativeTo, name.relative).key}`];
  return (name.full ?? []).map(placeOf);
}

function placeOf(name: GeneralName): string {
  if (name.directory !== undefined) return `directory ${name.directory.key}`;
  if (name.kind === "uri") return `uri ${uriKey(name.value) ?? name.value}`;
  return `${name.kind} ${hexOf(name.bytes)}`;
}

function sameExtension(a: Crl, b: Crl, id: string): boolean {
  const find = (crl: Crl): Uint8Array | undefined => crl.extensions.find((extension) => extension.id === id)?.value;
  const [one, other] = [find(a), find(b)];
  return one === undefined || other === undefined ? one === other : sameBytes(one, other);
}

/** What revokes a certificate: an entry of the delta; else, unless the delta takes it back, one of the base. */
function revoking(certificate: Certificate, base: Crl, delta: Crl | undefined): RevokedEntry | undefined {
  const since = delta === undefined ? [] : entriesFor(certificate, delta);
  // A list may name a certificate twice: whatever revokes it counts.
  const entry = since.find((entry) => entry.reason !== "removeFromCRL");
  return entry ?? (since.length > 0 ? undefined : entriesFor(certificate, base)[0]);
}

/** Finds a certificate on a CRL by issuer and serial: whatever else is changed about it, it stays revoked. */
function entriesFor(certificate: Certificate, crl: Crl): RevokedEntry[] {
  let index = indexes.get(crl);
  if (index === undefined) {
    index = Map.groupBy(crl.revoked, (entry) => entry.serial);
    indexes.set(crl, index);
  }
  return (index.get(certificate.serial) ?? []).filter((entry) => entry.issuer.equals(certificate.issuer));
}
