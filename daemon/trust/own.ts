/**
 * The control plane's own CA: makes it once, keeps its key sealed, and keeps a server certificate alive under it.
 *
 * @module
 */
import type { Sealer } from "../secrets/sealer.ts";
import type { Store } from "../store/store.ts";
import { EndAnnouncer, looseKeyWarning } from "./announce.ts";
import { followAuthority, issueLeaf, makeAuthority, mustFollow } from "./authority.ts";
import { sha256 } from "./fingerprints.ts";
import type { JudgedPair } from "./judge.ts";
import { type Authority, FILES, readMaterial, writeAuthority, writeCa, writeServer } from "./material.ts";
import type { ServerNames } from "./names.ts";
import { type Plan, planOwn, reasonToReissue } from "./plan.ts";
import { record } from "./record.ts";
import type { OfferedCa, TrustLog, TrustState } from "./trust.ts";

/** What it needs. */
export interface OwnTrustDeps {
  readonly dataDir: string;
  readonly sealer: Sealer;
  /** Takes the audit records. */
  readonly store: Store;
  readonly now: () => Date;
  readonly log: TrustLog;
}

/** A renewal that fails is tried at every tick and told this often. */
const COMPLAIN_MS = 3_600_000;
const REMEDY = "delete the three http-*.pem files to get one that renews itself, and let clients pin the new CA";

/**
 * Loads the material, or makes what is missing, and serves it.
 *
 * @param names What the server certificate must hold.
 * @throws {TrustError} `damaged` or `unreadable`.
 * @throws {SecretError} If the CA's key does not open.
 */
export async function openOwn(deps: OwnTrustDeps, names: ServerNames): Promise<TrustState> {
  const material = await readMaterial(deps.dataDir, deps.sealer);
  const plan = planOwn(material, names, deps.now());
  if (plan.kind !== "new_ca" && plan.authority !== undefined && material.ca !== plan.authority.ca) {
    await writeCa(deps.dataDir, plan.authority.ca);
  }
  if (plan.kind === "keep") {
    deps.log.info("loading existing HTTP TLS certificates");
    const loose = await looseKeyWarning(`${deps.dataDir}/${FILES.key}`);
    for (const warning of [...plan.warnings, ...(loose ? [loose] : [])]) deps.log.warn(warning);
    return new OwnTrust(deps, names, plan);
  }
  deps.log.info(`generating self-signed HTTP TLS certificates (SANs: [${[...names.dns, ...names.ip].join(", ")}])`);
  const authority = plan.kind === "new_leaf" ? plan.authority : await newAuthority(deps, plan);
  if (plan.kind === "new_leaf") deps.log.info(`new control-plane certificate under the same CA: ${plan.why}`);
  const pair = await newLeaf(deps, authority, names);
  return new OwnTrust(deps, names, { kind: "keep", pair, ca: authority.ca, authority, warnings: [] });
}

class OwnTrust implements TrustState {
  readonly mode = "self-signed";
  readonly #deps: OwnTrustDeps;
  readonly #names: ServerNames;
  readonly #listeners: (() => void)[] = [];
  readonly #end: EndAnnouncer;
  #authority: Authority | undefined;
  #ca: OfferedCa;
  #pair: JudgedPair;
  #complainedAt = -Infinity;
  #ticking: Promise<void> = Promise.resolve();

  constructor(deps: OwnTrustDeps, names: ServerNames, kept: Extract<Plan, { kind: "keep" }>) {
    this.#deps = deps;
    this.#end = new EndAnnouncer(deps);
    this.#names = names;
    this.#authority = kept.authority;
    this.#pair = kept.pair;
    this.#ca = { pem: kept.ca, sha256: sha256(kept.ca) };
  }

  get ca(): OfferedCa {
    return this.#ca;
  }

  current(): JudgedPair {
    return this.#pair;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  tick(): Promise<void> {
    return this.#ticking = this.#ticking.then(() => this.#renewIfDue());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.length = 0;
    return this.#ticking;
  }

  async #renewIfDue(): Promise<void> {
    const { now, log } = this.#deps;
    if (this.#authority === undefined) {
      return this.#end.announce("the control-plane certificate", this.#pair.notAfter, REMEDY);
    }
    try {
      if (mustFollow(this.#authority, now())) await this.#follow(this.#authority);
      const why = reasonToReissue(this.#pair, this.#authority, this.#names, now());
      if (why === undefined) return;
      this.#pair = await newLeaf(this.#deps, this.#authority, this.#names);
      log.info(`control-plane certificate renewed (${why}); the new one ends ${this.#pair.notAfter.toISOString()}`);
    } catch (error) {
      if (now().getTime() - this.#complainedAt < COMPLAIN_MS) return;
      this.#complainedAt = now().getTime();
      const ends = this.#pair.notAfter.toISOString();
      log.error(`the control-plane certificate could not be renewed, it ends ${ends}: ${error}`);
      return;
    }
    for (const listener of this.#listeners) listener();
  }

  async #follow(old: Authority): Promise<void> {
    const next = await followAuthority(old, this.#deps.now());
    await writeAuthority(this.#deps.dataDir, next, this.#deps.sealer);
    this.#authority = next;
    this.#ca = { pem: next.ca, sha256: sha256(next.ca) };
    this.#deps.log.info(
      `a new control-plane CA follows the one that is ending; pins of both are good. ` +
        `Old SHA-256 ${sha256(old.ca)}, new SHA-256 ${this.#ca.sha256}`,
    );
    await record(this.#deps, "ca.follow", this.#ca.sha256);
  }
}

async function newAuthority(deps: OwnTrustDeps, plan: Extract<Plan, { kind: "new_ca" }>): Promise<Authority> {
  const authority = await makeAuthority(deps.now());
  await writeAuthority(deps.dataDir, authority, deps.sealer);
  const fingerprint = sha256(authority.ca);
  if (plan.old === undefined) deps.log.info(`new control-plane CA, SHA-256 ${fingerprint}`);
  else {
    deps.log.warn(
      `new control-plane CA (${plan.why}): clients must pin it again. Old SHA-256 ${
        sha256(plan.old)
      }, new SHA-256 ${fingerprint}`,
    );
  }
  await record(deps, "ca.create", fingerprint);
  return authority;
}

async function newLeaf(deps: OwnTrustDeps, authority: Authority, names: ServerNames): Promise<JudgedPair> {
  const pair = await issueLeaf(authority, names, deps.now());
  await writeServer(deps.dataDir, pair);
  await record(deps, "certificate.issue", `control plane, serial ${pair.leaf.serial}`);
  return pair;
}
