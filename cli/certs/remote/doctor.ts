/**
 * `certs doctor`: everything that is wrong, or soon will be, from the CA's folder to what services serve.
 *
 * @module
 */
import type { Crl } from "@helyos/pki";
import { CliError } from "../../failure.ts";
import { type Ca, caState, KEY_HINT, keyFault, openCa } from "../ca.ts";
import { currentCrl } from "../crl.ts";
import { minute, orderFor } from "../deliver.ts";
import { fileInfo, readText } from "../files.ts";
import { PAIR_TYPES, type PkiHome } from "../home.ts";
import { judgePair, type Judges } from "../judge.ts";
import { type LedgerEntry, readLedger, revocationsOf } from "../ledger.ts";
import { isIssuedBy } from "../list.ts";
import type { Registry } from "../registry.ts";
import { planFor } from "../renew.ts";
import { listPairs, type StoredPair } from "../store.ts";
import { inLanes } from "./crowd.ts";
import { clientPair } from "./deploy.ts";
import { type Deployment, placesOf, planDeployment, sharedPlaces } from "./deployment.ts";
import { lookThere } from "./landed.ts";
import type { Machines } from "./machines.ts";
import { lookAt } from "./served.ts";

/** Something that is wrong, or will be. */
export interface Finding {
  /** `error`: something does not work, or is open to others. `warning`: it will, or may. */
  readonly level: "error" | "warning";
  /** What was looked at. */
  readonly check: "permissions" | "ca" | "crl" | "expiry" | "pair" | "registry" | "deployed" | "served";
  /** Whose: a service, a machine, a file. */
  readonly subject: string;
  /** What is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** What to look at. */
export interface DoctorOptions {
  /** The CA's files. */
  readonly home: PkiHome;
  /** The registry; undefined when there is none. */
  readonly registry: Registry | undefined;
  /** Finds machines; undefined to speak to none. */
  readonly machines: Machines | undefined;
  /** The time. */
  readonly now: Date;
}

const DAY_MS = 86_400_000;

/**
 * Looks at everything.
 *
 * @param options What to look at.
 * @returns What is wrong, and how much was looked at.
 */
export async function examine(options: DoctorOptions): Promise<{ findings: Finding[]; looked: number }> {
  const { home, registry, now } = options;
  const findings = await permissionFindings(home);
  const found = await caState(home);
  if (found.state === "absent") {
    findings.push({
      level: "error",
      check: "ca",
      subject: home.ca,
      message: "there is no CA",
      hint: "helyos certs init-ca",
    });
    return { findings, looked: 1 };
  }
  let ca: Ca;
  try {
    ca = await openCa(home);
  } catch (error) {
    findings.push({ level: "error", check: "ca", subject: home.ca, message: messageOf(error), ...hintOf(error) });
    return { findings, looked: 1 };
  }
  findings.push(...caFindings(ca, now), ...await keyFindings(ca));
  const pairs = await listPairs(home);
  const known = { ca, crls: await usableCrls(ca, now, findings), now };
  const revoked = revocationsOf(await ledgerOf(home, findings));
  for (const pair of pairs) findings.push(...await pairFindings(pair, { ...known, registry, revoked }));
  if (registry === undefined) return { findings, looked: pairs.length + 1 };
  findings.push(...registryFindings(registry, pairs), ...await sharedFindings(registry, home));
  const looked = options.machines === undefined ? 0 : await thereFindings(options, { ca, pairs, findings });
  return { findings, looked: pairs.length + 1 + looked };
}

/** Keys 0600, folders 0700: whoever can read a key is whom it names. */
async function permissionFindings(home: PkiHome): Promise<Finding[]> {
  const findings: Finding[] = [];
  const pairs = await listPairs(home);
  const wanted: [path: string, mode: number][] = [
    ...[home.folder, home.ca, home.certs, ...new Set(pairs.map(({ folder }) => folder))].map((path) =>
      [path, 0o700] as [string, number]
    ),
    ...[home.caKey, home.rootKey, home.intermediateKey, ...pairs.map(({ key }) => key)].map((path) =>
      [path, 0o600] as [string, number]
    ),
  ];
  for (const [path, mode] of wanted) {
    const info = await fileInfo(path);
    if (info?.mode === null || info === undefined || (info.mode & 0o777 & ~mode) === 0) continue;
    findings.push({
      level: "error",
      check: "permissions",
      subject: path,
      message: `others may use it: its mode is ${octal(info.mode)}`,
      hint: `chmod ${octal(mode)} ${path}`,
    });
  }
  return findings;
}

function caFindings(ca: Ca, now: Date): Finding[] {
  const certificates = ca.between.length > 0
    ? [[ca.home.caCert, ca.anchor], [ca.home.intermediateCert, ca.signing]] as const
    : [[ca.home.caCert, ca.anchor]] as const;
  return certificates.flatMap(([subject, { notBefore, notAfter }]): Finding[] => {
    const hint = "A new CA means: issue everything again, deploy it, install-ca; plan for it";
    const at = { check: "expiry", subject, hint } as const;
    if (notAfter < now) return [{ ...at, level: "error", message: `the CA has expired on ${minute(notAfter)} UTC` }];
    if (notBefore > now) {
      const message = `the CA is valid from ${minute(notBefore)} UTC only`;
      return [{ ...at, level: "error", message, hint: clockHint(now) }];
    }
    // A leaf never outlives its CA: from a year before on, yearly ones become shorter.
    if (notAfter.getTime() - now.getTime() > 365 * DAY_MS) return [];
    return [{
      ...at,
      level: "warning",
      message: `the CA expires on ${minute(notAfter)} UTC, and with it all it issues`,
    }];
  });
}

async function keyFindings(ca: Ca): Promise<Finding[]> {
  try {
    const message = await keyFault(ca);
    return message === undefined ? [] : [{ level: "error", check: "ca", subject: ca.keyPath, message, hint: KEY_HINT }];
  } catch (error) {
    return [{ level: "error", check: "ca", subject: ca.keyPath, message: messageOf(error) }];
  }
}

/** The lists that say anything. One that does not is a fault of its own, and none of every certificate. */
async function usableCrls({ home, between }: Ca, now: Date, findings: Finding[]): Promise<string[]> {
  const usable: string[] = [];
  for (const path of between.length > 0 ? [home.crl, home.rootCrl] : [home.crl]) {
    const add = (level: Finding["level"], message: string): void => {
      const hint = path === home.crl
        ? "helyos certs crl, then deploy with --crl"
        : "helyos certs init-ca --root-key FILE";
      findings.push({ level, check: "crl", subject: path, message, hint });
    };
    let crl: Crl | undefined;
    try {
      crl = await currentCrl(home, path);
    } catch (error) {
      add("error", messageOf(error));
      continue;
    }
    if (crl === undefined) {
      const there = await fileInfo(path) !== undefined;
      add(there ? "error" : "warning", there ? "the revocation list cannot be read" : "there is no revocation list");
    } else if (crl.nextUpdate !== undefined && crl.nextUpdate < now) {
      const over = minute(crl.nextUpdate);
      add("warning", `the revocation list ran out on ${over} UTC: whoever demands one refuses everybody`);
    } else usable.push((await readText(path))!);
  }
  return usable;
}

async function ledgerOf(home: PkiHome, findings: Finding[]): Promise<LedgerEntry[]> {
  const at = { check: "ca", subject: home.ledger } as const;
  try {
    if (await fileInfo(home.ledger) === undefined) {
      const message = "the ledger is gone: what was issued so far and lies nowhere here can be revoked by nobody";
      findings.push({ ...at, level: "warning", message, hint: "Put it back from your copy of the folder" });
    }
    return await readLedger(home);
  } catch (error) {
    findings.push({ ...at, level: "error", message: messageOf(error), ...hintOf(error) });
    return [];
  }
}

function clockHint(now: Date): string {
  return `Is the clock of this machine right? It says ${minute(now)} UTC`;
}

async function pairFindings(
  pair: StoredPair,
  known: Judges & {
    readonly registry: Registry | undefined;
    readonly revoked: Parameters<typeof planFor>[1]["revoked"];
  },
): Promise<Finding[]> {
  const { ca, registry } = known;
  const subject = `${pair.service} ${pair.type}`;
  const hint = `helyos certs ${pair.type === "client" ? "generate" : "generate-server"} ${pair.service}`;
  if (pair.certificate !== undefined && !isIssuedBy(pair.certificate, ca)) {
    const message = "another CA issued it, one that is gone: nobody who trusts this one trusts it";
    return [{ level: "error", check: "pair", subject, message, hint }];
  }
  const names = wantedNames(pair, ca, registry);
  const fault = await judgePair(pair, known, names);
  if (fault !== undefined) {
    const early = pair.certificate !== undefined && pair.certificate.notBefore > known.now;
    const what = early ? clockHint(known.now) : hint;
    return [{ level: "error", check: "pair", subject, message: fault.reason, hint: what }];
  }
  const plan = planFor(pair, known);
  if (plan.action === "keep") return [];
  return [{
    level: "warning",
    check: "expiry",
    subject,
    message: `${plan.reason}; it expires on ${minute(pair.certificate!.notAfter)} UTC`,
    ...(plan.action === "renew" ? { hint: "helyos certs renew" } : {}),
  }];
}

/** Names a registry that makes no sense asks for are a finding of the registry's. */
function wantedNames({ service, type }: StoredPair, ca: Ca, registry: Registry | undefined) {
  if (!registry?.serviceNames.includes(service)) return undefined;
  try {
    return orderFor(registry, service, type).names(ca);
  } catch {
    return undefined;
  }
}

function registryFindings(registry: Registry, pairs: readonly StoredPair[]): Finding[] {
  const findings: Finding[] = [];
  const add = (level: Finding["level"], subject: string, message: string, hint?: string): void =>
    void findings.push({ level, check: "registry", subject, message, ...(hint === undefined ? {} : { hint }) });
  for (const name of registry.serviceNames) {
    try {
      const service = registry.service(name);
      const stored = PAIR_TYPES.filter((type) => pairs.some((pair) => pair.service === name && pair.type === type));
      if (service.tlsCert !== undefined && !stored.includes("server")) {
        add(
          "warning",
          name,
          "the registry names a tls_cert, and no server certificate was issued",
          `helyos certs generate-server ${name}`,
        );
      }
      if (service.currentHost === undefined) {
        if (stored.length > 0) add("warning", name, "it has certificates, and no current_host to deploy them to");
        continue;
      }
      const host = registry.host(service.currentHost);
      for (const type of stored) placesOf(service, type, host);
    } catch (error) {
      add("error", name, messageOf(error), error instanceof CliError ? error.hint : undefined);
    }
  }
  for (const service of new Set(pairs.map(({ service }) => service))) {
    if (registry.serviceNames.includes(service)) continue;
    add(
      "warning",
      service,
      "it has certificates, and the registry does not know it",
      `If it is gone: helyos certs revoke ${service} --reason cessationOfOperation`,
    );
  }
  return findings;
}

async function sharedFindings(registry: Registry, home: PkiHome): Promise<Finding[]> {
  return [...await sharedPlaces(registry, home)].map(([subject, { message, hint }]): Finding => (
    { level: "error", check: "registry", subject: subject.replace("/", " "), message, ...(hint ? { hint } : {}) }
  ));
}

/** Is what lies there what we issued, and is it what is served. */
async function thereFindings(
  { home, registry, machines, now }: DoctorOptions,
  { ca, pairs, findings }: { readonly ca: Ca; readonly pairs: readonly StoredPair[]; readonly findings: Finding[] },
): Promise<number> {
  const plans: Deployment[] = [];
  for (const { service, type } of pairs) {
    try {
      if (registry!.service(service).currentHost === undefined) continue;
      plans.push(await planDeployment({ registry: registry!, ca, service, type, now }));
    } catch {
      // Told of already: there is nothing that could have been deployed.
    }
  }
  const away = new Set<string>();
  await inLanes(plans, ({ machine }) => machine, async (plan) => {
    if (!away.has(plan.machine)) {
      try {
        findings.push(...await landedFindings(plan, machines!));
      } catch (error) {
        away.add(plan.machine);
        const at = { check: "deployed", subject: plan.machine } as const;
        findings.push({ ...at, level: "error", message: messageOf(error), ...hintOf(error) });
      }
    }
    findings.push(...await servedFindings(plan, home));
  });
  return plans.length;
}

async function landedFindings(plan: Deployment, machines: Machines): Promise<Finding[]> {
  const landed = await lookThere(machines(plan.machine), plan.files);
  const subject = `${plan.service.name} ${plan.type}`;
  const hint = plan.type === "client"
    ? `helyos certs deploy ${plan.service.name} ${plan.machine} --reload`
    : `helyos certs deploy ${plan.service.name} ${plan.machine} --type server --reload`;
  return landed.flatMap(({ state, mode }, at): Finding[] => {
    const { from, to } = plan.files[at]!;
    const where = `${plan.machine}:${to}`;
    const finding = { check: "deployed", subject, hint } as const;
    if (state === "missing") return [{ ...finding, level: "warning", message: `${where} is not there` }];
    if (state === "other") return [{ ...finding, level: "error", message: `${where} is not the one that was issued` }];
    if (/-key\.pem$/.test(from) && mode !== undefined && /[1-7]$/.test(mode)) {
      return [{ ...finding, level: "error", check: "permissions", message: `${where} is open to everybody: ${mode}` }];
    }
    if (state === "hidden") return [{ ...finding, level: "warning", message: `${where} cannot be read to compare it` }];
    return [];
  });
}

async function servedFindings({ service, type, machine, sha256 }: Deployment, home: PkiHome): Promise<Finding[]> {
  const { probe, reload } = service.certs;
  if (type !== "server" || probe === undefined) return [];
  const finding = { level: "error", check: "served", subject: service.name } as const;
  try {
    const seen = await lookAt(probe, { name: service.hostname, pair: await clientPair(home, service.name) });
    if (seen === sha256) return [];
    return [{
      ...finding,
      message: `${probe} serves another certificate than the one that was issued`,
      hint: reload === undefined
        ? "Reload or restart it"
        : `helyos certs deploy ${service.name} ${machine} --type server --reload`,
    }];
  } catch (error) {
    return [{ ...finding, message: messageOf(error) }];
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function hintOf(error: unknown): { readonly hint?: string } {
  return error instanceof CliError && error.hint !== undefined ? { hint: error.hint } : {};
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}
