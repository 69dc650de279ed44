/**
 * Path building (RFC 4158): every way from a certificate to a trust anchor, the likeliest first.
 *
 * What can be told of a path while it grows is told at once, so that a hopeless branch is left before it multiplies:
 * what an issuer is by itself, path lengths, name constraints, and the signature last, as it costs most.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";
import type { Context } from "./context.ts";
import { violatedConstraint } from "./name_constraints.ts";
import { type Refusal, refusal, type Rule } from "./result.ts";

/** What became of a branch: a path; nothing, ever; or nothing below this path. */
type Outcome = "found" | "never" | "not here";

/** How much a reason tells: the one that got furthest is reported. */
const WEIGHT: Partial<Record<Rule, number>> = { issuer: 0, signature: 1, algorithm: 2, depth: 1 };

/** One search. */
export class PathSearch {
  readonly #context: Context;
  readonly #accept: (path: readonly Certificate[]) => Promise<Refusal | undefined>;
  readonly #anchors: ReadonlySet<Certificate>;
  readonly #onPath = new Set<number>();
  readonly #dead = new Set<Certificate>();
  /** Issuers by the name and key identifier that they are looked up by. */
  readonly #candidates = new Map<string, readonly Certificate[]>();
  readonly #distance: ReadonlyMap<Certificate, number>;
  #best: { refusal: Refusal; weight: number } | undefined;

  /**
   * @param context What is known.
   * @param anchors Where paths may end.
   * @param accept Judges a whole path: the certificate first, the anchor last.
   */
  constructor(
    context: Context,
    anchors: ReadonlySet<Certificate>,
    accept: (path: readonly Certificate[]) => Promise<Refusal | undefined>,
  ) {
    this.#context = context;
    this.#accept = accept;
    this.#anchors = anchors;
    this.#distance = distances(context, anchors);
  }

  /**
   * Finds a path.
   * @param target The certificate, already judged by itself.
   * @returns The path, or why there is none.
   */
  async run(target: Certificate): Promise<Certificate[] | Refusal> {
    const path = [target];
    this.#onPath.add(this.#context.entityOf(target));
    if (await this.#extend(path) === "found") return path;
    if (this.#context.hasLeftOut) {
      const reason = "too many certificates have the name of an issuer and not its key identifier";
      return refusal(target, "budget", { section: "RFC 4158 §2.4.2", reason });
    }
    return this.#best?.refusal ?? this.#noIssuer(target);
  }

  async #extend(path: Certificate[]): Promise<Outcome> {
    const child = path[path.length - 1]!;
    let outcome: Outcome = "never";
    for (const candidate of this.#issuersOf(child)) {
      this.#context.spend("steps");
      if (this.#dead.has(candidate)) continue;
      const anchor = this.#anchors.has(candidate);
      // The same name and key again adds nothing but a circle (RFC 4158 §5.2).
      const entity = this.#context.entityOf(candidate);
      if (!anchor && this.#onPath.has(entity)) {
        outcome = "not here";
        continue;
      }
      const fault = this.#context.issuerFault(candidate);
      if (fault !== undefined) {
        this.#note(fault);
        continue;
      }
      const misfit = this.#misfit(path, candidate, anchor);
      if (misfit !== undefined) {
        this.#note(misfit);
        outcome = "not here";
        continue;
      }
      // Identifiers are hints; but a crowd of wrong ones is not worth a signature each.
      if (keyMatch(child, candidate) === 2 && !this.#context.mayTryUnlikely(child, candidate)) continue;
      if (!anchor && this.#best === undefined) this.#foresee(candidate);
      const forged = await this.#context.signatureFault(child, candidate);
      if (forged !== undefined) {
        this.#note(forged);
        continue;
      }
      path.push(candidate);
      if (anchor) {
        this.#context.spend("paths");
        const refused = await this.#accept(path);
        if (refused === undefined) return "found";
        this.#note(refused);
        outcome = "not here";
      } else {
        this.#onPath.add(entity);
        const above = await this.#extend(path);
        this.#onPath.delete(entity);
        if (above === "found") return "found";
        if (above === "never") this.#dead.add(candidate);
        else outcome = "not here";
      }
      path.pop();
    }
    return outcome;
  }

  /** While one signature is verified, so is the one above it; as long as nothing has gone wrong. */
  #foresee(child: Certificate): void {
    const [likely] = this.#issuersOf(child);
    if (likely === undefined || keyMatch(child, likely) !== 0) return;
    if (this.#context.issuerFault(likely) === undefined) this.#context.foresee(child, likely);
  }

  /** What keeps a sound issuer from standing above this path, or nothing. */
  #misfit(path: readonly Certificate[], issuer: Certificate, anchor: boolean): Refusal | undefined {
    // §6.1.4(l) and (m): the certificates between, those that a CA issued to itself not counted.
    const between = path.filter((certificate, i) => i > 0 && !certificate.isSelfIssued).length;
    const { maxDepth } = this.#context.request;
    if (!anchor && !issuer.isSelfIssued && between >= maxDepth) {
      const reason = `the path has more than ${maxDepth} certificates between the first and the trust anchor`;
      return refusal(issuer, "depth", { section: "RFC 5280 §6.1.4(l)", reason });
    }
    const limit = issuer.basicConstraints?.pathLength;
    if (limit !== undefined && between > limit) {
      const reason = `${between} CAs follow it, and it allows ${limit}`;
      return refusal(issuer, "path_length", { section: "RFC 5280 §6.1.4(l)", reason });
    }
    const constraints = issuer.nameConstraints;
    if (constraints === undefined) return undefined;
    for (const [i, certificate] of path.entries()) {
      // §6.1.3(b): what a CA issued to itself is exempt, unless it is the last of the path.
      if (i > 0 && certificate.isSelfIssued) continue;
      this.#context.spend("names", certificate.names.length + 1);
      const violation = violatedConstraint(certificate, constraints);
      if (violation === undefined) continue;
      const rule = violation.rule === "budget" ? "budget" : "name_constraints";
      const reason = `${violation.reason} of "${issuer.subject}"`;
      return refusal(certificate, rule, { section: "RFC 5280 §6.1.3(b)", reason });
    }
    return undefined;
  }

  /** The certificates that could have issued one and lead on to an anchor, the likeliest first. */
  #issuersOf(child: Certificate): readonly Certificate[] {
    const { keyIdentifier = "", serial = "" } = child.authorityKeyIdentifier ?? {};
    const question = `${keyIdentifier} ${serial} ${child.issuer.key}`;
    let candidates = this.#candidates.get(question);
    if (candidates === undefined) {
      const named = this.#context.bySubject.get(child.issuer.key) ?? [];
      candidates = named
        .filter((candidate) => this.#distance.has(candidate))
        .map((candidate) => ({ candidate, order: this.#order(child, candidate) }))
        .sort((a, b) => a.order - b.order)
        .map(({ candidate }) => candidate);
      this.#candidates.set(question, candidates);
    }
    return candidates;
  }

  #order(child: Certificate, candidate: Certificate): number {
    const { at } = this.#context.request;
    const current = at >= candidate.notBefore.getTime() && at <= candidate.notAfter.getTime();
    // A hint, no more (RFC 5280 §4.2.1.1): whoever does not match is tried last.
    return keyMatch(child, candidate) * 1e6 + (current ? 0 : 1e5) + this.#distance.get(candidate)!;
  }

  #note(refused: Refusal): void {
    const weight = WEIGHT[refused.rule] ?? 3;
    if (this.#best === undefined || weight > this.#best.weight) this.#best = { refusal: refused, weight };
  }

  /** Climbs as far as names lead, to say where the way ends. */
  #noIssuer(target: Certificate): Refusal {
    const seen = new Set<Certificate>();
    let last = target;
    while (!seen.has(last)) {
      seen.add(last);
      const above: Certificate | undefined = this.#context.bySubject.get(last.issuer.key)?.find((c) => !seen.has(c));
      if (above === undefined) break;
      last = above;
    }
    const reason = this.#anchors.size === 0
      ? "there is no trust anchor"
      : `no certificate of its issuer "${last.issuer}" leads to a trust anchor`;
    return refusal(last, "issuer", { section: "RFC 5280 §6.1", reason });
  }
}

/** 0 when the key identifiers match, 2 when they differ, 1 when one is absent. */
function keyMatch(child: Certificate, candidate: Certificate): number {
  const wanted = child.authorityKeyIdentifier;
  if (wanted?.keyIdentifier !== undefined && candidate.subjectKeyIdentifier !== undefined) {
    return wanted.keyIdentifier === candidate.subjectKeyIdentifier ? 0 : 2;
  }
  if (wanted?.serial !== undefined && wanted.serial !== candidate.serial) return 2;
  return 1;
}

/** How far each certificate is from an anchor, going by names alone: what has no distance leads nowhere. */
function distances(context: Context, anchors: ReadonlySet<Certificate>): Map<Certificate, number> {
  const distance = new Map<Certificate, number>();
  const names = new Set<string>();
  for (const anchor of anchors) {
    distance.set(anchor, 0);
    names.add(anchor.subject.key);
  }
  const issuedBy = Map.groupBy([...context.bySubject.values()].flat(), (certificate) => certificate.issuer.key);
  let level = [...names];
  for (let far = 1; level.length > 0; far++) {
    const next: string[] = [];
    for (const name of level) {
      for (const certificate of issuedBy.get(name) ?? []) {
        if (!distance.has(certificate)) distance.set(certificate, far);
        const own = certificate.subject.key;
        if (!names.has(own)) {
          names.add(own);
          next.push(own);
        }
      }
    }
    level = next;
  }
  return distance;
}
