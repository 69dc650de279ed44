/**
 * Explains why a domain has no certificate, or would soon have none: looks at everything a CA looks at, from here.
 *
 * @module
 */
import type { DoctorFinding } from "@helyos/api";
import { AcmeError, type AcmeErrorCode, type Directory, explainProblem } from "@helyos/acme";
import { wildcardAbove } from "../domain.ts";
import { routeKey, type StoredRoute } from "../routes/records.ts";
import type { Store } from "../store/store.ts";
import { type Accounts, EXTERNAL_ACCOUNT_NEEDED } from "./accounts.ts";
import { type CaaRecord, judgeCaa } from "./caa.ts";
import {
  certificateKey,
  type Named,
  type Plan,
  planKey,
  type Seen,
  type StoredCertificate,
  type Trouble,
} from "./records.ts";
import { isNearEnd, pausedUntil } from "./schedule.ts";
import type { AcmeSettings } from "./settings.ts";

/** The outside world as the doctor asks it. */
export interface Surroundings {
  /** Addresses of a name; empty when it has none. Rejects when DNS does not answer. */
  addresses(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** CAA records at exactly this name (RFC 8659). */
  caa(name: string, signal: AbortSignal): Promise<readonly CaaRecord[]>;
  /** Asks `http://<address>/.well-known/acme-challenge/…` of the name for an answer that only this daemon knows. */
  probe(name: string, address: string, signal: AbortSignal): Promise<"ours" | { readonly problem: string }>;
}

/** How the proxy fares. */
export interface ProxySeen {
  readonly state: "idle" | "serving" | "failing";
  readonly detail: string;
  /** Whether it listens for plain HTTP, where challenges are answered. */
  readonly answers: boolean;
}

/** What the doctor needs. */
export interface DoctorDeps {
  readonly store: Store;
  readonly now: () => Date;
  readonly settings: AcmeSettings;
  readonly enabled: () => boolean;
  readonly accounts: Pick<Accounts, "visit" | "url">;
  /** What the proxy was seen to serve. */
  readonly seen: (certificate: Named) => Seen;
  /** What keeps the keeper from going on, where nothing can be stored. */
  readonly trouble: (domain: string) => Trouble | undefined;
  /** How the proxy fares. */
  readonly proxy: () => ProxySeen;
  /** Whether wildcards can be proven. */
  readonly wildcards: () => boolean;
  readonly surroundings: Surroundings;
}

/** A clock further off than this makes fresh certificates invalid, or tokens. */
const MAX_CLOCK_SKEW_MS = 60_000;

/** How long the whole examination may take. */
const PATIENCE_MS = 15_000;
/** How long DNS may take; resolvers that are not there never answer. */
const DNS_PATIENCE_MS = 5_000;
/** How long the proxy, and then whoever is at the name's address, may take. */
const PROBE_PATIENCE_MS = 8_000;

/** Every finding, in the order a person would look. */
export async function diagnose(deps: DoctorDeps, domain: string): Promise<DoctorFinding[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const above = wildcardAbove(domain);
  const [route, own, covering, plan] = await Promise.all([
    deps.store.get<StoredRoute>(routeKey(domain)),
    deps.store.get<StoredCertificate>(certificateKey(domain)),
    above === undefined ? undefined : deps.store.get<StoredCertificate>(certificateKey(above)),
    deps.store.get<Plan>(planKey(domain)),
  ]);
  const certificate = (own ?? covering)?.value;
  const looking = lookAtCa(deps);
  const [network, caa, ca] = await Promise.all([
    lookAtNetwork(deps, domain, signal),
    route?.value.tls_mode === "manual"
      ? NO_CA_NEEDED
      : lookAtCaa(deps, domain, { ca: looking, proof: plan?.value.proof, signal }),
    looking,
  ]);
  return [
    lookAtRoute(deps, { domain, route: route?.value, certificate }),
    lookAtCertificate(deps, certificate),
    lookAtProxy(deps),
    ...network,
    caa,
    lookAtLimits(deps, plan?.value),
    ...ca.findings,
    lookAtLastFailure(plan?.value, deps.trouble(domain)),
  ];
}

const NO_CA_NEEDED: DoctorFinding = { check: "caa", result: "skipped", detail: "An import needs no CA." };

function lookAtRoute(
  deps: DoctorDeps,
  { domain, route, certificate }: {
    readonly domain: string;
    readonly route: StoredRoute | undefined;
    readonly certificate: StoredCertificate | undefined;
  },
): DoctorFinding {
  const check = "route";
  if (route === undefined) {
    return {
      check,
      result: "problem",
      detail: `No route has this domain. Add one: helyos route add ${word(domain)} …`,
    };
  }
  switch (route.tls_mode) {
    case "none":
      return {
        check,
        result: "problem",
        detail: "The route is plain HTTP. Remove it and add it again with --https, or import a certificate.",
      };
    case "manual":
      return certificate !== undefined
        ? { check, result: "ok", detail: "The route serves an imported certificate; ACME has no part in it." }
        : { check, result: "problem", detail: `The route waits for an import: helyos cert import ${word(domain)} …` };
    case "auto":
      return deps.enabled()
        ? { check, result: "ok", detail: "The route gets its certificate by ACME." }
        : { check, result: "problem", detail: "Automatic certificates are off. Start helyosd with --acme-email." };
  }
}

function lookAtCertificate(deps: DoctorDeps, certificate: StoredCertificate | undefined): DoctorFinding {
  const check = "certificate";
  if (certificate === undefined) return { check, result: "warning", detail: "There is none yet." };
  const { domain, issuer, notAfter, source } = certificate;
  const now = deps.now();
  const importAgain = source === "import" ? ` Nobody but you can renew it: helyos cert import ${word(domain)} …` : "";
  if (new Date(notAfter) < now) return { check, result: "problem", detail: `It expired ${notAfter}.${importAgain}` };
  const seen = deps.seen(certificate);
  if (seen.state === "mismatch") {
    return { check, result: "problem", detail: `It is valid until ${notAfter}, but ${seen.detail}.` };
  }
  const valid = `It is valid until ${notAfter}, issued by ${issuer}`;
  if (source === "import" && isNearEnd(certificate, now)) {
    return { check, result: "warning", detail: `${valid}.${importAgain}` };
  }
  return seen.state === "served"
    ? { check, result: "ok", detail: `${valid}; the proxy serves it.` }
    : { check, result: "warning", detail: `${valid}, but it was not yet seen at the proxy.` };
}

function lookAtProxy({ proxy }: DoctorDeps): DoctorFinding {
  const { state, detail } = proxy();
  return { check: "proxy", result: state === "failing" ? "problem" : "ok", detail: `${detail}.` };
}

async function lookAtNetwork(deps: DoctorDeps, domain: string, signal: AbortSignal): Promise<DoctorFinding[]> {
  const skipped: DoctorFinding = { check: "port 80", result: "skipped", detail: "The name has no address to try." };
  if (domain.startsWith("*.")) {
    return [
      deps.wildcards()
        ? { check: "dns", result: "skipped", detail: "A wildcard is proven by a TXT record, not by its address." }
        : {
          check: "dns",
          result: "problem",
          detail: "Nothing can prove a wildcard: start helyosd with --acme-dns-hook.",
        },
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
  const unbound: DoctorFinding = {
    check: "port 80",
    result: "skipped",
    detail: "The proxy does not listen for HTTP, so nobody can answer there.",
  };
  const dns: DoctorFinding = { check: "dns", result: "ok", detail: `${domain} is at ${addresses.join(", ")}.` };
  if (!deps.proxy().answers) return [dns, unbound];
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PROBE_PATIENCE_MS)]);
  const ports = await Promise.all(
    addresses.slice(0, 8).map(async (address): Promise<DoctorFinding> => {
      const answer = await deps.surroundings.probe(domain, address, patience)
        .catch((error) => ({ problem: messageOf(error) }));
      if (answer === "ours") {
        const detail =
          `${address} answers challenges with this daemon's words. (Seen from here; a firewall may still stop the CA.)`;
        return { check: "port 80", result: "ok", detail };
      }
      const detail = `${address} does not answer challenges as this daemon does: ${answer.problem}. ` +
        "Point the name to this machine and let port 80 through; machines behind a router may not see their own public address.";
      if (!deps.wildcards()) return { check: "port 80", result: "problem", detail };
      return {
        check: "port 80",
        result: "warning",
        detail: `${detail} Where that fails, the DNS hook proves the name.`,
      };
    }),
  );
  return [dns, ...ports];
}

/** RFC 8659 §3: the records of the closest name upwards that has any. */
async function lookAtCaa(
  deps: DoctorDeps,
  domain: string,
  { ca, proof, signal }: {
    readonly ca: Promise<CaSeen>;
    readonly proof: Plan["proof"];
    readonly signal: AbortSignal;
  },
): Promise<DoctorFinding> {
  const check = "caa";
  const wildcard = domain.startsWith("*.");
  const labels = (wildcard ? domain.slice(2) : domain).split(".");
  const patience = dnsPatience(signal);
  try {
    for (let at = 0; at < labels.length; at++) {
      const name = labels.slice(at).join(".");
      const records = await deps.surroundings.caa(name, patience);
      if (records.length === 0) continue;
      const { identities } = await ca;
      const account = await deps.accounts.url(deps.settings.directory);
      const method = wildcard ? "dns-01" : proof ?? "http-01";
      return judgeCaa(records, { name, wildcard, identities, method, account });
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

function lookAtLimits(deps: DoctorDeps, plan: Plan | undefined): DoctorFinding {
  const check = "rate limits";
  const until = plan && pausedUntil(deps.settings, plan);
  if (until !== undefined && until > deps.now()) {
    return { check, result: "problem", detail: `The CA asked not to be asked again before ${until.toISOString()}.` };
  }
  if (plan?.nextAttempt !== undefined && new Date(plan.nextAttempt) > deps.now()) {
    const times = plan.failures > 1 ? `${plan.failures} failures in a row` : "a failure";
    const detail = `After ${times} the next attempt is at ${plan.nextAttempt}. ` +
      `Once the cause is gone: helyos cert renew ${word(plan.domain)}`;
    return { check, result: "warning", detail };
  }
  return { check, result: "ok", detail: "Nobody asked us to wait." };
}

/** What a look at the CA gave: its directory and its clock. No account is needed for that, and none is made. */
interface CaSeen {
  readonly findings: readonly DoctorFinding[];
  /** What it is called in CAA records; empty when it does not say. */
  readonly identities: readonly string[];
}

async function lookAtCa(deps: DoctorDeps): Promise<CaSeen> {
  const { directory: url } = deps.settings;
  const unasked = (detail: string): DoctorFinding => ({ check: "clock", result: "skipped", detail });
  if (!deps.enabled()) {
    const detail = "Automatic certificates are off, so no CA is asked.";
    return { findings: [{ check: "ca", result: "skipped", detail }, unasked(detail)], identities: [] };
  }
  try {
    await using client = await deps.accounts.visit(url);
    const [{ meta }, there] = await Promise.all([client.directory(), client.serverTime()]);
    const identities = (meta?.caaIdentities ?? []).map((identity) => identity.toLowerCase());
    return { findings: [await judgeCa(deps, meta), judgeClock(deps.now(), there)], identities };
  } catch (error) {
    const remedy = error instanceof AcmeError ? REMEDIES[error.code] : undefined;
    const detail = `${messageOf(error)}. ${remedy ?? "The next attempt may do better."}`;
    return {
      findings: [{ check: "ca", result: "problem", detail }, unasked("The CA cannot be asked for the time.")],
      identities: [],
    };
  }
}

/** What to do when a CA cannot be asked at all. */
const REMEDIES: Partial<Record<AcmeErrorCode, string>> = {
  unreachable: "Check this machine's way to it: name resolution, firewall, and that the CA is up.",
  untrusted: "A CA of your own must be named by --acme-ca-file; for a public one check this machine's clock.",
  protocol: "Check --acme-directory.",
};

/** What the directory says about the flags this daemon was started with. */
async function judgeCa({ accounts, settings }: DoctorDeps, meta: Directory["meta"]): Promise<DoctorFinding> {
  const check = "ca";
  const { directory, externalAccount, profile } = settings;
  if (meta?.externalAccountRequired && !externalAccount && await accounts.url(directory) === undefined) {
    return { check, result: "problem", detail: `No account can be made: ${EXTERNAL_ACCOUNT_NEEDED}.` };
  }
  const profiles = Object.keys(meta?.profiles ?? {});
  if (profile !== undefined && !profiles.includes(profile)) {
    const detail = `${directory} has no certificate profile ${profile}; it has ${
      profiles.join(", ") || "none at all"
    }. Change --acme-profile.`;
    return { check, result: "problem", detail };
  }
  return { check, result: "ok", detail: `${directory} answers.` };
}

function judgeClock(here: Date, there: Date | undefined): DoctorFinding {
  const check = "clock";
  if (there === undefined) return { check, result: "skipped", detail: "The CA does not say what time it is." };
  const off = here.getTime() - there.getTime();
  if (Math.abs(off) <= MAX_CLOCK_SKEW_MS) {
    return { check, result: "ok", detail: "This machine and the CA agree on the time." };
  }
  const seconds = Math.round(Math.abs(off) / 1000);
  const where = off > 0 ? "ahead of" : "behind";
  return {
    check,
    result: "problem",
    detail: `This machine's clock is ${seconds} seconds ${where} the CA's. Set it right.`,
  };
}

function lookAtLastFailure(plan: Plan | undefined, trouble: Trouble | undefined): DoctorFinding {
  const check = "last order";
  if (trouble !== undefined) {
    const detail = `${trouble.message}. The next attempt is at ${trouble.retryAt.toISOString()}.`;
    return { check, result: "problem", detail };
  }
  const failure = plan?.lastFailure;
  if (failure === undefined) return { check, result: "ok", detail: "No order has failed since the last certificate." };
  const said = failure.problem === undefined ? `${failure.message}.` : explainProblem(failure.problem);
  return { check, result: "problem", detail: `${failure.at}, at ${failure.directory}: ${said}` };
}

function dnsPatience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(DNS_PATIENCE_MS)]);
}

function messageOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
  return error instanceof Error ? error.message : String(error);
}

/** A domain as a shell takes it: of a wildcard it would make names of files. */
function word(domain: string): string {
  return domain.startsWith("*") ? `'${domain}'` : domain;
}
