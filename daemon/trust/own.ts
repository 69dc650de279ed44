/**
 * The control plane's own CA: makes it once, keeps its key sealed, and keeps a server certificate alive under it.
 *
 * @module
 */
import {
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  issueCertificate,
  parseCertificate,
} from "@helyos/pki";
import { auditOperation } from "../audit/records.ts";
import type { Sealer } from "../secrets/sealer.ts";
import type { Store } from "../store/store.ts";
import { TrustError } from "./errors.ts";
import { sha256 } from "./fingerprints.ts";
import { isIssuedBy, type JudgedPair, judgePair } from "./judge.ts";
import { type Authority, FILES, readMaterial, writeAuthority, writeCa, writeServer } from "./material.ts";
import type { ServerNames } from "./names.ts";
import { type Plan, planOwn, reasonToReissue } from "./plan.ts";
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

const CA_DAYS = 3650;
const LEAF_SECONDS = 90 * 86_400;
/** A renewal that fails is tried at every tick and told this often. */
const COMPLAIN_MS = 3_600_000;

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
  if (plan.kind !== "new_ca" && material.ca === undefined && plan.authority) {
    await writeCa(deps.dataDir, plan.authority.ca);
  }
  if (plan.kind === "keep") {
    deps.log.info("loading existing HTTP TLS certificates");
    for (const warning of plan.warnings) deps.log.warn(warning);
    return new OwnTrust(deps, names, plan);
  }
  deps.log.info(`generating self-signed HTTP TLS certificates (SANs: [${[...names.dns, ...names.ip].join(", ")}])`);
  const authority = plan.kind === "new_leaf" ? plan.authority : await makeAuthority(deps, plan);
  if (plan.kind === "new_leaf") deps.log.info(`new control-plane certificate under the same CA: ${plan.why}`);
  const pair = await makeLeaf(deps, authority, names);
  return new OwnTrust(deps, names, { kind: "keep", pair, ca: authority.ca, authority, warnings: [] });
}

class OwnTrust implements TrustState {
  readonly mode = "self-signed";
  readonly ca: OfferedCa;
  readonly #deps: OwnTrustDeps;
  readonly #names: ServerNames;
  readonly #authority: Authority | undefined;
  readonly #listeners: (() => void)[] = [];
  #pair: JudgedPair;
  #complainedAt = -Infinity;
  #ticking: Promise<void> = Promise.resolve();

  constructor(deps: OwnTrustDeps, names: ServerNames, kept: Extract<Plan, { kind: "keep" }>) {
    this.#deps = deps;
    this.#names = names;
    this.#authority = kept.authority;
    this.#pair = kept.pair;
    this.ca = { pem: kept.ca, sha256: sha256(kept.ca) };
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
    if (this.#authority === undefined) return;
    try {
      const why = reasonToReissue(this.#pair.leaf, parseCertificate(this.#authority.ca), this.#names, now());
      if (why === undefined) return;
      this.#pair = await makeLeaf(this.#deps, this.#authority, this.#names);
      log.info(`control-plane certificate renewed (${why}); the new one ends ${this.#pair.notAfter.toISOString()}`);
    } catch (error) {
      if (now().getTime() - this.#complainedAt < COMPLAIN_MS) return;
      this.#complainedAt = now().getTime();
      log.error(
        `the control-plane certificate could not be renewed, it ends ${this.#pair.notAfter.toISOString()}: ${error}`,
      );
      return;
    }
    for (const listener of this.#listeners) listener();
  }
}

async function makeAuthority(deps: OwnTrustDeps, plan: Extract<Plan, { kind: "new_ca" }>): Promise<Authority> {
  const key = await generateKeyPair("ec-p256");
  const root = await createRootCa({
    commonName: "helyos CA",
    key,
    lifetimeDays: CA_DAYS,
    pathLength: 0,
    now: deps.now(),
  });
  const authority = { ca: root.pem, key: await exportPrivateKey(key) };
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

async function makeLeaf(deps: OwnTrustDeps, authority: Authority, names: ServerNames): Promise<JudgedPair> {
  const now = deps.now();
  const issuer = parseCertificate(authority.ca);
  const key = await generateKeyPair("ec-p256");
  const untilCaEnds = Math.floor((issuer.notAfter.getTime() - now.getTime()) / 1000);
  if (untilCaEnds <= 0) {
    throw new TrustError(
      "damaged",
      `Cannot serve TLS: the CA in ${FILES.ca} expired on ${issuer.notAfter.toISOString()}; delete the three http-*.pem files to get a new one that clients must then pin`,
    );
  }
  const issued = await issueCertificate({
    issuer: { certificate: authority.ca, key: await importPrivateKey(authority.key) },
    profile: "server",
    publicKey: key.publicKey,
    commonName: "helyos",
    names,
    lifetimeSeconds: Math.min(LEAF_SECONDS, untilCaEnds),
    now,
  });
  const server = { cert: issued.pem, key: await exportPrivateKey(key) };
  const pair = judgePair({ ...server, certLabel: FILES.cert, keyLabel: FILES.key });
  if (!isIssuedBy(pair.leaf, issuer)) {
    throw new TrustError(
      "damaged",
      `Cannot serve TLS: the key in ${FILES.authority} is not that of the CA in ${FILES.ca}`,
    );
  }
  await writeServer(deps.dataDir, server);
  await record(deps, "certificate.issue", `control plane, serial ${issued.serial}`);
  return pair;
}

/** The files are what counts: a trail that cannot be written must not keep a certificate from being renewed. */
async function record(deps: OwnTrustDeps, action: string, target: string): Promise<void> {
  try {
    await deps.store.commit([auditOperation(deps, { actor: "helyosd", action, target, address: null })]);
  } catch (error) {
    deps.log.error(`no audit record of ${action} ${target}: ${error}`);
  }
}
