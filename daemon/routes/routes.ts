/**
 * Adds, removes and lists routes.
 *
 * @module
 */
import type { NewRoute, Route, RouteCreated, TlsMode } from "@helyos/api";
import { auditOperation } from "../audit/records.ts";
import {
  certificateKey,
  forgetPlan,
  orderNow,
  type Plan,
  planKey,
  type StoredCertificate,
  storePlan,
} from "../certificates/records.ts";
import { hostPortText, parseDomain, parseHostPort, wildcardAbove } from "../domain.ts";
import { Failure } from "../server/failure.ts";
import type { Guard, Operation, Store } from "../store/store.ts";
import { type RouteFare, routeKey, ROUTES, type StoredRoute, storeRoute } from "./records.ts";

/** What routes need. */
export interface RouteDeps {
  readonly store: Store;
  readonly now: () => Date;
  /** What automatic certificates can do here: none without `--acme-email`, wildcards with a DNS hook alone. */
  readonly acme: () => { readonly enabled: boolean; readonly wildcards: boolean };
  /** How a route fares at the proxy. */
  readonly fare: (route: StoredRoute) => RouteFare;
}

/** Who changes a route, for the audit trail. */
export interface Actor {
  readonly actor: string;
  readonly address: string | null;
}

/** Routes by domain, of one project or all. */
export async function listRoutes(deps: RouteDeps, project?: string): Promise<Route[]> {
  const entries = await deps.store.list<StoredRoute>(ROUTES);
  return entries.map(({ value }) => value)
    .filter((route) => project === undefined || route.project === project)
    .map((route) => ({ ...route, upstreams: route.upstreams ?? [], ...deps.fare(route) }));
}

/**
 * Adds a route.
 *
 * A domain whose certificate was imported is served with that one, whatever mode is asked for: clients that know `none` and `auto` alone
 * have no other way to say so. A wildcard that was imported serves the names below it that ask for `auto`.
 *
 * @throws {Failure} `invalid` if domain or upstream are malformed, `conflict` as the contract §1.3 has it.
 */
export async function createRoute(deps: RouteDeps, input: NewRoute, by: Actor): Promise<RouteCreated> {
  const domain = readDomain(input.domain);
  const upstreams = [...new Set((input.upstreams ?? []).map(readUpstream))];
  const wanted = readMode(input.tls_mode ?? "none");
  for (;;) {
    const now = deps.now();
    const [own, plan, covering] = await Promise.all([
      deps.store.get<StoredCertificate>(certificateKey(domain)),
      deps.store.get<Plan>(planKey(domain)),
      wanted === "auto" ? importedWildcard(deps.store, domain) : undefined,
    ]);
    const tls_mode = own?.value.source === "import" || covering ? "manual" : wanted;
    if (tls_mode === "auto") refuseAuto(deps, domain);
    const route: StoredRoute = {
      domain,
      project: input.project,
      deployment: input.deployment,
      tls_mode,
      created_at: now.toISOString(),
      ...(upstreams.length > 0 ? { upstreams } : {}),
    };
    const operations: Operation[] = [
      storeRoute(route),
      auditOperation(deps, { ...by, action: "route.create", target: domain }),
    ];
    const guards: Guard[] = [
      { key: routeKey(domain), revision: 0 },
      { key: certificateKey(domain), revision: own?.revision ?? 0 },
    ];
    if (tls_mode === "auto") {
      operations.push(...storePlan(orderNow(domain, now, plan?.value), plan?.value));
      guards.push({ key: planKey(domain), revision: plan?.revision ?? 0 });
    }
    if (await deps.store.commit(operations, guards)) return { domain, status: "created", tls_mode };
    if (await deps.store.get(routeKey(domain)) !== undefined) {
      throw new Failure("conflict", `route already exists: ${domain}`);
    }
  }
}

/**
 * Removes a route. Its certificate stays until it ends, so that a route that comes back needs no new one.
 *
 * @throws {Failure} `not_found` if there is no such route.
 */
export async function deleteRoute(deps: RouteDeps, name: string, by: Actor): Promise<void> {
  // A domain that cannot be read has no route: the original's text, whatever was asked for
  const domain = asDomain(name);
  for (;;) {
    const entry = domain === undefined ? undefined : await deps.store.get<StoredRoute>(routeKey(domain));
    if (domain === undefined || entry === undefined) throw new Failure("not_found", `route not found: ${name}`);
    const operations: Operation[] = [
      { delete: entry.key },
      auditOperation(deps, { ...by, action: "route.delete", target: domain }),
    ];
    const guards: Guard[] = [entry];
    const [certificate, plan] = await Promise.all([
      deps.store.get(certificateKey(domain)),
      deps.store.get<Plan>(planKey(domain)),
    ]);
    if (certificate === undefined && plan !== undefined) {
      operations.push(...forgetPlan(plan.value));
      guards.push(plan, { key: certificateKey(domain), revision: 0 });
    }
    if (await deps.store.commit(operations, guards)) return;
  }
}

function readDomain(text: string): string {
  try {
    return parseDomain(text);
  } catch (error) {
    throw new Failure("invalid", `the domain ${JSON.stringify(text.slice(0, 300))} ${(error as Error).message}`);
  }
}

function asDomain(text: string): string | undefined {
  try {
    return parseDomain(text);
  } catch {
    return undefined;
  }
}

function readUpstream(text: string): string {
  try {
    return hostPortText(parseHostPort(text));
  } catch (error) {
    throw new Failure("invalid", `the upstream ${JSON.stringify(text.slice(0, 300))} ${(error as Error).message}`);
  }
}

function readMode(text: string): TlsMode {
  const mode = (["none", "auto", "manual"] as const).find((known) => known === text.toLowerCase());
  if (mode !== undefined) return mode;
  throw new Failure("conflict", `invalid deployment spec: invalid TLS mode: unknown TLS mode: ${text}`);
}

function refuseAuto(deps: RouteDeps, domain: string): void {
  const { enabled, wildcards } = deps.acme();
  if (!enabled) {
    throw new Failure(
      "conflict",
      "invalid deployment spec: TLS mode 'auto' requires an ACME email; start helyosd with --acme-email",
    );
  }
  if (domain.startsWith("*.") && !wildcards) {
    throw new Failure(
      "conflict",
      "a wildcard can be proven by DNS alone: start helyosd with --acme-dns-hook, or import a certificate",
    );
  }
}

async function importedWildcard(store: Store, domain: string): Promise<boolean> {
  const above = wildcardAbove(domain);
  if (above === undefined) return false;
  return (await store.get<StoredCertificate>(certificateKey(above)))?.value.source === "import";
}
