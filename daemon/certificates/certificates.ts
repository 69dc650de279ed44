/**
 * Imports, lists, renews and forgets certificates of public domains.
 *
 * @module
 */
import type { CertificateImported, DomainCertificate, RenewalAnswer } from "@helyos/api";
import { auditOperation } from "../audit/records.ts";
import { parseDomain } from "../domain.ts";
import { routeKey, type StoredRoute, storeRoute } from "../routes/records.ts";
import type { Sealer } from "../secrets/mod.ts";
import { Failure } from "../server/failure.ts";
import type { Entry, Guard, Operation, Store } from "../store/store.ts";
import { CertificateRefusal, judgeCertificate, type JudgedCertificate } from "./judge.ts";
import {
  certificateKey,
  CERTIFICATES,
  forgetPlan,
  type Named,
  orderNow,
  type Plan,
  planKey,
  PLANS,
  type Seen,
  type StoredCertificate,
  storePlan,
  type Trouble,
} from "./records.ts";
import { pausedUntil, renewalAt, watchDue } from "./schedule.ts";
import { sealCertificate } from "./sealed_key.ts";
import type { AcmeSettings } from "./settings.ts";

const DAY_MS = 86_400_000;

/** What certificates need. */
export interface CertificateDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly settings: AcmeSettings;
  /** Whether ACME is on. */
  readonly enabled: () => boolean;
  /** What the proxy was seen to serve. */
  readonly seen: (certificate: Named) => Seen;
  /** What keeps the keeper from going on, where nothing can be stored. */
  readonly trouble: (domain: string) => Trouble | undefined;
}

/** Who changes a certificate, for the audit trail. */
export interface Actor {
  readonly actor: string;
  readonly address: string | null;
}

/**
 * Imports a certificate: judged first, then stored with its sealed key in one commit that also turns the domain's route to it.
 *
 * @throws {Failure} `invalid` with the reason; nothing is stored then.
 */
export async function importCertificate(
  deps: CertificateDeps,
  input: { readonly domain: string; readonly certPem: string; readonly keyPem: string },
  by: Actor,
): Promise<CertificateImported> {
  const domain = readDomain(input.domain);
  const judged = await judgeImport(deps, { domain, certPem: input.certPem, key: input.keyPem });
  const now = deps.now();
  const certificate = await sealCertificate(deps.sealer, judged, { domain, source: "import", now });
  const plan: Plan = {
    domain,
    kind: "watch",
    due: watchDue(certificate, now).toISOString(),
    spread: 0,
    failures: 0,
  };
  for (;;) {
    const [old, oldPlan, route] = await Promise.all([
      deps.store.get(certificateKey(domain)),
      deps.store.get<Plan>(planKey(domain)),
      deps.store.get<StoredRoute>(routeKey(domain)),
    ]);
    const turned: Operation[] = route !== undefined && route.value.tls_mode !== "manual"
      ? [storeRoute({ ...route.value, tls_mode: "manual" })]
      : [];
    const committed = await deps.store.commit([
      { put: certificateKey(domain), value: certificate },
      ...storePlan(plan, oldPlan?.value),
      ...turned,
      auditOperation(deps, { ...by, action: "certificate.import", target: domain }),
    ], [
      guardOf(certificateKey(domain), old),
      guardOf(planKey(domain), oldPlan),
      guardOf(routeKey(domain), route),
    ]);
    if (!committed) continue;
    return {
      domain,
      status: "imported",
      ...(judged.warnings.length > 0 ? { warnings: judged.warnings } : {}),
    };
  }
}

/** Every certificate, and every domain that waits for one, by domain. */
export async function listCertificates(deps: CertificateDeps): Promise<DomainCertificate[]> {
  const [certificates, plans] = await Promise.all([
    deps.store.list<StoredCertificate>(CERTIFICATES),
    deps.store.list<Plan>(PLANS),
  ]);
  const byDomain = new Map<string, { certificate?: StoredCertificate; plan?: Plan }>();
  for (const { value } of certificates) byDomain.set(value.domain, { certificate: value });
  for (const { value } of plans) byDomain.set(value.domain, { ...byDomain.get(value.domain), plan: value });
  return [...byDomain].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([domain, { certificate, plan }]) => onTheWire(deps, { domain, certificate, plan }));
}

/**
 * One certificate with its public chain.
 *
 * @throws {Failure} `not_found` if neither a certificate nor a plan for one is kept.
 */
export async function readCertificate(
  deps: CertificateDeps,
  name: string,
): Promise<DomainCertificate & { readonly chain_pem: string | null }> {
  const { domain, certificate, plan } = await find(deps.store, name);
  return {
    ...onTheWire(deps, { domain, certificate: certificate?.value, plan: plan?.value }),
    chain_pem: certificate?.value.chainPem ?? null,
  };
}

/**
 * Has a new certificate ordered now, or says whether one is due.
 *
 * @throws {Failure} `not_found`, or `conflict` if it cannot be renewed here or the CA asked to wait.
 */
export async function renewCertificate(
  deps: CertificateDeps,
  input: { readonly domain: string; readonly dryRun: boolean },
  by: Actor,
): Promise<RenewalAnswer> {
  for (;;) {
    const { domain, certificate, plan } = await find(deps.store, input.domain);
    if (certificate?.value.source === "import") {
      throw new Failure(
        "conflict",
        `the certificate of ${domain} was imported; only its owner can renew it: import it again`,
      );
    }
    if (!deps.enabled()) {
      throw new Failure("conflict", "automatic certificates are off; start helyosd with --acme-email");
    }
    const route = await deps.store.get<StoredRoute>(routeKey(domain));
    if (route?.value.tls_mode !== "auto") {
      throw new Failure("conflict", `no route has automatic certificates for ${domain}`);
    }
    if (input.dryRun) return dryRun(deps, { domain, certificate: certificate?.value, plan: plan?.value });
    const now = deps.now();
    const until = plan && pausedUntil(deps.settings, plan.value);
    if (until !== undefined && until > now) {
      throw new Failure("conflict", `the CA asked not to be asked again before ${until.toISOString()}`);
    }
    const { nextAttempt: _, ...rest } = orderNow(domain, now, plan?.value);
    const committed = await deps.store.commit([
      ...storePlan({ ...rest, forced: true }, plan?.value),
      auditOperation(deps, { ...by, action: "certificate.renew", target: domain }),
    ], [guardOf(planKey(domain), plan), route]);
    if (committed) return { domain, status: "started", reason: "a new certificate was ordered; see helyos cert ls" };
  }
}

/**
 * Forgets a certificate and its key. A domain whose route has automatic certificates gets a new one at once.
 *
 * @throws {Failure} `not_found` if none is kept.
 */
export async function deleteCertificate(deps: CertificateDeps, name: string, by: Actor): Promise<void> {
  for (;;) {
    const { domain, certificate, plan } = await find(deps.store, name);
    const route = await deps.store.get<StoredRoute>(routeKey(domain));
    const { pauses } = plan?.value ?? {}; // a CA's wish for peace is about the name, not about what is forgotten
    const anew: Plan = { ...orderNow(domain, deps.now(), undefined), ...(pauses === undefined ? {} : { pauses }) };
    const fresh = route?.value.tls_mode === "auto"
      ? storePlan(anew, plan?.value)
      : plan === undefined
      ? []
      : forgetPlan(plan.value);
    const committed = await deps.store.commit([
      ...(certificate === undefined ? [] : [{ delete: certificate.key }]),
      ...fresh,
      auditOperation(deps, { ...by, action: "certificate.delete", target: domain }),
    ], [
      guardOf(certificateKey(domain), certificate),
      guardOf(planKey(domain), plan),
      guardOf(routeKey(domain), route),
    ]);
    if (committed) return;
  }
}

interface Found {
  readonly domain: string;
  readonly certificate: Entry<StoredCertificate> | undefined;
  readonly plan: Entry<Plan> | undefined;
}

async function find(store: Store, name: string): Promise<Found> {
  const domain = readDomain(name);
  const [certificate, plan] = await Promise.all([
    store.get<StoredCertificate>(certificateKey(domain)),
    store.get<Plan>(planKey(domain)),
  ]);
  if (certificate === undefined && plan === undefined) {
    throw new Failure("not_found", `no certificate for ${domain}: neither a stored one nor one on its way`);
  }
  return { domain, certificate, plan };
}

function guardOf(key: string, entry: Guard | undefined): Guard {
  return entry ?? { key, revision: 0 };
}

async function judgeImport(
  deps: CertificateDeps,
  input: { readonly domain: string; readonly certPem: string; readonly key: string },
): Promise<JudgedCertificate> {
  try {
    return await judgeCertificate({ ...input, now: deps.now() });
  } catch (error) {
    if (!(error instanceof CertificateRefusal)) throw error;
    // The reason is the caller's to know; the daemon's log has no part in it
    throw new Failure("invalid", `certificate error: ${error.message}`);
  }
}

/** The domain of a certificate, read as a route's. */
export function readDomain(text: string): string {
  try {
    return parseDomain(text);
  } catch (error) {
    throw new Failure("invalid", `the domain ${JSON.stringify(text.slice(0, 300))} ${(error as Error).message}`);
  }
}

interface Known {
  readonly domain: string;
  readonly certificate: StoredCertificate | undefined;
  readonly plan: Plan | undefined;
}

function dryRun(deps: CertificateDeps, { domain, certificate, plan }: Known): RenewalAnswer {
  const now = deps.now();
  const next = plan?.nextAttempt ?? "";
  const waits = Date.parse(next) > now.getTime() ? `; the next attempt is at ${next}` : "";
  if (certificate === undefined || plan === undefined) {
    return { domain, status: "would_renew", reason: `there is no certificate yet${waits}` };
  }
  if (plan.forced) return { domain, status: "would_renew", reason: `a new one was asked for${waits}` };
  const at = renewalAt(certificate, plan);
  const why = plan.wish?.fingerprint === certificate.fingerprint && plan.wish.start !== undefined
    ? "as the CA suggests"
    : "by its remaining life";
  return at <= now
    ? { domain, status: "would_renew", reason: `due since ${at.toISOString()}, ${why}${waits}` }
    : { domain, status: "not_due", reason: `due ${at.toISOString()}, ${why}; ends ${certificate.notAfter}` };
}

function onTheWire(deps: CertificateDeps, { domain, certificate, plan }: Known): DomainCertificate {
  const seen: Seen = certificate === undefined ? { state: "issued", checkedAt: null } : deps.seen(certificate);
  const trouble = deps.trouble(domain);
  const last_error = trouble?.message ?? plan?.lastFailure?.message ??
    (seen.state === "mismatch" ? seen.detail ?? "the proxy serves another certificate" : null);
  const progress = {
    next_attempt: trouble?.retryAt.toISOString() ?? plan?.nextAttempt ?? null,
    failures: plan?.failures ?? 0,
    last_error,
    checked_at: seen.checkedAt,
  };
  if (certificate === undefined) {
    return {
      domain,
      names: [domain],
      source: "acme",
      state: trouble !== undefined || (plan?.failures ?? 0) > 0 ? "failed" : "pending",
      issuer: null,
      fingerprint: null,
      not_before: null,
      not_after: null,
      days_left: null,
      next_renewal: null,
      ...progress,
    };
  }
  return {
    domain,
    names: certificate.names,
    source: certificate.source,
    state: seen.state,
    issuer: certificate.issuer,
    fingerprint: certificate.fingerprint,
    not_before: certificate.notBefore,
    not_after: certificate.notAfter,
    days_left: Math.floor((Date.parse(certificate.notAfter) - deps.now().getTime()) / DAY_MS),
    next_renewal: certificate.source === "acme" && plan?.kind === "order"
      ? renewalAt(certificate, plan).toISOString()
      : null,
    ...progress,
  };
}
