/**
 * Explains why a domain has no certificate, or would soon have none: looks at everything a CA looks at, from here.
 *
 * @module
 */
import type { DoctorFinding } from "@helyos/api";
import { explainProblem } from "@helyos/acme";
import { wildcardAbove } from "../domain.ts";
import { routeKey, type StoredRoute } from "../routes/records.ts";
import type { Store } from "../store/store.ts";
import type { Accounts } from "./accounts.ts";
import { certificateKey, type Plan, planKey, type StoredCertificate } from "./records.ts";
import { pausedUntil } from "./schedule.ts";
import type { AcmeSettings } from "./settings.ts";

/** The outside world as the doctor asks it. */
export interface Surroundings {
  /** Addresses of a name; empty when it has none. Rejects when DNS does not answer. */
  addresses(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** CAA records at exactly this name (RFC 8659). */
  caa(name: string, signal: AbortSignal): Promise<readonly { readonly tag: string; readonly value: string }[]>;
  /** Asks `http://<address>/.well-known/acme-challenge/…` of the name for an answer that only this daemon knows. */
  probe(name: string, address: string, signal: AbortSignal): Promise<"ours" | { readonly problem: string }>;
}

/** What the doctor needs. */
export interface DoctorDeps {
  readonly store: Store;
  readonly now: () => Date;
  readonly settings: AcmeSettings;
  readonly enabled: () => boolean;
  readonly accounts: Pick<Accounts, "client">;
  readonly surroundings: Surroundings;
}

/** A clock further off than this makes fresh certificates invalid, or tokens. */
const MAX_CLOCK_SKEW_MS = 60_000;

/** How long the whole examination may take. */
const PATIENCE_MS = 15_000;
/** How long DNS may take; resolvers that are not there never answer. */
const DNS_PATIENCE_MS = 5_000;

/** Every finding, in the order a person would look. */
export async function diagnose(deps: DoctorDeps, domain: string, caller: AbortSignal): Promise<DoctorFinding[]> {
  const signal = AbortSignal.any([caller, AbortSignal.timeout(PATIENCE_MS)]);
  const [route, certificate, plan] = await Promise.all([
    deps.store.get<StoredRoute>(routeKey(domain)),
    deps.store.get<StoredCertificate>(certificateKey(domain)),
    deps.store.get<Plan>(planKey(domain)),
  ]);
  const [network, caa, clock] = await Promise.all([
    lookAtNetwork(deps, domain, signal),
    lookAtCaa(deps, domain, signal),
    lookAtClock(deps),
  ]);
  return [
    await lookAtRoute(deps, domain, route?.value),
    lookAtCertificate(deps, certificate?.value),
    ...network,
    caa,
    lookAtLimits(deps, plan?.value),
    clock,
    lookAtLastFailure(plan?.value),
  ];
}

async function lookAtRoute(
  deps: DoctorDeps,
  domain: string,
  route: StoredRoute | undefined,
): Promise<DoctorFinding> {
  const check = "route";
  if (route === undefined) {
    return { check, result: "problem", detail: `No route has this domain. Add one: helyos route add ${domain} …` };
  }
  switch (route.tls_mode) {
    case "none":
      return {
        check,
        result: "problem",
        detail: "The route is plain HTTP. Remove it and add it again with --https, or import a certificate.",
      };
    case "manual": {
      const above = wildcardAbove(domain);
      const covered = await deps.store.get(certificateKey(domain)) !== undefined ||
        (above !== undefined && await deps.store.get(certificateKey(above)) !== undefined);
      return covered
        ? { check, result: "ok", detail: "The route serves an imported certificate; ACME has no part in it." }
        : { check, result: "problem", detail: `The route waits for an import: helyos cert import ${domain} …` };
    }
    case "auto":
      return deps.enabled()
        ? { check, result: "ok", detail: "The route gets its certificate by ACME." }
        : { check, result: "problem", detail: "Automatic certificates are off. Start helyosd with --acme-email." };
  }
}

function lookAtCertificate(deps: DoctorDeps, certificate: StoredCertificate | undefined): DoctorFinding {
  const check = "certificate";
  if (certificate === undefined) return { check, result: "warning", detail: "There is none yet." };
  const { notAfter, issuer } = certificate;
  return new Date(notAfter) < deps.now()
    ? { check, result: "problem", detail: `It expired ${notAfter}.` }
    : { check, result: "ok", detail: `It is valid until ${notAfter}, issued by ${issuer}.` };
}

async function lookAtNetwork(deps: DoctorDeps, domain: string, signal: AbortSignal): Promise<DoctorFinding[]> {
  const skipped: DoctorFinding = { check: "port 80", result: "skipped", detail: "The name has no address to try." };
  if (domain.startsWith("*.")) {
    return [
      { check: "dns", result: "skipped", detail: "A wildcard is proven by a TXT record, not by its address." },
      { check: "port 80", result: "skipped", detail: "A wildcard is proven by DNS alone." },
    ];
  }
  let addresses: readonly string[];
  try {
    addresses = await deps.surroundings.addresses(domain, dnsPatience(signal));
  } catch (error) {
    const detail = `DNS did not answer for ${domain} (${messageOf(error)}). Check its name servers.`;
    return [{ check: "dns", result: "problem", detail }, skipped];
  }
  if (addresses.length === 0) {
    const detail = `${domain} has no address in DNS. Add an A or AAAA record that points to this machine.`;
    return [{ check: "dns", result: "problem", detail }, skipped];
  }
  const dns: DoctorFinding = { check: "dns", result: "ok", detail: `${domain} is at ${addresses.join(", ")}.` };
  const ports = await Promise.all(
    addresses.slice(0, 8).map(async (address): Promise<DoctorFinding> => {
      const answer = await deps.surroundings.probe(domain, address, signal)
        .catch((error) => ({ problem: messageOf(error) }));
      if (answer === "ours") {
        const detail =
          `${address} answers challenges with this daemon's words. (Seen from here; a firewall may still stop the CA.)`;
        return { check: "port 80", result: "ok", detail };
      }
      const detail = `${address} does not answer challenges as this daemon does: ${answer.problem}. ` +
        "Point the name to this machine and let port 80 through; machines behind a router may not see their own public address.";
      return { check: "port 80", result: "problem", detail };
    }),
  );
  return [dns, ...ports];
}

/** RFC 8659 §3: the records of the closest name upwards that has any. */
async function lookAtCaa(deps: DoctorDeps, domain: string, signal: AbortSignal): Promise<DoctorFinding> {
  const check = "caa";
  const wildcard = domain.startsWith("*.");
  const labels = (wildcard ? domain.slice(2) : domain).split(".");
  const patience = dnsPatience(signal);
  try {
    for (let at = 0; at < labels.length; at++) {
      const name = labels.slice(at).join(".");
      const records = await deps.surroundings.caa(name, patience);
      if (records.length === 0) continue;
      const wild = records.filter((record) => record.tag === "issuewild");
      const tag = wildcard && wild.length > 0 ? "issuewild" : "issue";
      const relevant = records.filter((record) => record.tag === tag);
      if (relevant.length === 0) {
        return { check, result: "ok", detail: `The CAA records at ${name} do not limit who may issue.` };
      }
      const allowed = relevant.map((record) => record.value.split(";")[0]!.trim().toLowerCase());
      const own = await identitiesOf(deps);
      if (own.length === 0) {
        return {
          check,
          result: "warning",
          detail: `CAA at ${name} allows ${listed(allowed)}; the CA does not say what it is called.`,
        };
      }
      return own.some((identity) => allowed.includes(identity))
        ? { check, result: "ok", detail: `CAA at ${name} allows the CA (${listed(allowed)}).` }
        : {
          check,
          result: "problem",
          detail: `CAA at ${name} allows ${listed(allowed)} alone. Add: ${name}. CAA 0 ${tag} "${own[0]}"`,
        };
    }
    return { check, result: "ok", detail: "No CAA record limits who may issue." };
  } catch (error) {
    return {
      check,
      result: "problem",
      detail: `DNS did not answer for CAA records (${messageOf(error)}); a CA refuses then. Check the name servers.`,
    };
  }
}

async function identitiesOf(deps: DoctorDeps): Promise<string[]> {
  if (!deps.enabled()) return [];
  const client = await deps.accounts.client(deps.settings.directory).catch(() => undefined);
  const directory = await client?.directory().catch(() => undefined);
  return (directory?.meta?.caaIdentities ?? []).map((identity) => identity.toLowerCase());
}

function lookAtLimits(deps: DoctorDeps, plan: Plan | undefined): DoctorFinding {
  const check = "rate limits";
  const until = plan && pausedUntil(deps.settings, plan);
  if (until !== undefined && until > deps.now()) {
    return { check, result: "problem", detail: `The CA asked not to be asked again before ${until.toISOString()}.` };
  }
  if (plan?.nextAttempt !== undefined && new Date(plan.nextAttempt) > deps.now()) {
    const detail = `After ${plan.failures} failures in a row the next attempt is at ${plan.nextAttempt}. ` +
      `Once the cause is gone: helyos cert renew ${plan.domain}`;
    return { check, result: "warning", detail };
  }
  return { check, result: "ok", detail: "Nobody asked us to wait." };
}

async function lookAtClock(deps: DoctorDeps): Promise<DoctorFinding> {
  const check = "clock";
  if (!deps.enabled()) {
    return { check, result: "skipped", detail: "Automatic certificates are off, so no CA is asked." };
  }
  try {
    const client = await deps.accounts.client(deps.settings.directory);
    const there = await client.serverTime();
    if (there === undefined) return { check, result: "skipped", detail: "The CA does not say what time it is." };
    const off = deps.now().getTime() - there.getTime();
    if (Math.abs(off) <= MAX_CLOCK_SKEW_MS) {
      return { check, result: "ok", detail: "This machine and the CA agree on the time." };
    }
    const seconds = Math.round(Math.abs(off) / 1000);
    const detail = `This machine's clock is ${seconds} seconds ${
      off > 0 ? "ahead of" : "behind"
    } the CA's. Set it right.`;
    return { check, result: "problem", detail };
  } catch (error) {
    return { check, result: "problem", detail: `The CA cannot be asked: ${messageOf(error)}.` };
  }
}

function lookAtLastFailure(plan: Plan | undefined): DoctorFinding {
  const check = "last order";
  const failure = plan?.lastFailure;
  if (failure === undefined) return { check, result: "ok", detail: "No order has failed since the last certificate." };
  const said = failure.problem === undefined ? `${failure.message}.` : explainProblem(failure.problem);
  return { check, result: "problem", detail: `${failure.at}, at ${failure.directory}: ${said}` };
}

function dnsPatience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(DNS_PATIENCE_MS)]);
}

function listed(names: readonly string[]): string {
  return names.map((name) => name === "" ? "nobody" : name).join(", ");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
