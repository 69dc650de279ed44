/**
 * Issuing to services: their names from the registry, a fresh key and certificate each, put in place and written down.
 *
 * @module
 */
import {
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  type IssuedCertificate,
  type KeyAlgorithm,
  type NameConstraints,
  type SubjectNames,
} from "@helyos/pki";
import { isIP } from "node:net";
import { CliError, reasonOf } from "../failure.ts";
import type { Ca, CaSigner } from "./ca.ts";
import { replaceFile, SECRET } from "./files.ts";
import type { PairPaths, PairType, PkiHome } from "./home.ts";
import { appendLedger, type IssuedEntry } from "./ledger.ts";
import { defaultHostName, type Service } from "./registry.ts";
import { fingerprint, type StagedPair, stagePair, swapping } from "./store.ts";

/** Days a certificate lives when nothing else is said. */
export const DEFAULT_LIFETIME_DAYS = 365;

/** The names that go into a certificate. */
export interface LeafNames {
  /** The common name. */
  readonly commonName: string;
  /** The subject alternative names. */
  readonly names: SubjectNames & { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

/** What to issue. */
export interface Order {
  /** To whom. */
  readonly service: string;
  /** What for. */
  readonly type: PairType;
  /** The names; a function, so that one service that makes no sense is its own failure. */
  readonly names: LeafNames | (() => LeafNames);
  /** How long it lives; as the run says, when left out. */
  readonly lifetimeSeconds?: number | undefined;
  /** The kind of key; as the run says, when left out. */
  readonly algorithm?: KeyAlgorithm | undefined;
}

/** What came of an order. */
export type Delivery =
  | { readonly ok: true; readonly pair: PairPaths; readonly certificate: IssuedCertificate }
  | { readonly ok: false; readonly service: string; readonly type: PairType; readonly error: Error };

/** How to issue. */
export interface IssueRun {
  /** How long certificates live, in seconds. */
  readonly lifetimeSeconds: number;
  /** The kind of their keys. */
  readonly algorithm: KeyAlgorithm;
  /** The time. */
  readonly now: () => Date;
  /** Told of every order that is done, in order. */
  readonly onDelivery?: (delivery: Delivery) => void;
}

/** So many are made at once: what is done together waits for the disk once. */
const BATCH = 32;

/** What every server is called on its own machine, as far as the CA may speak of it. */
const OWN_NAMES = { dns: ["localhost"], ip: ["127.0.0.1", "::1"] };

/**
 * The names of a service's certificate: its host name, `SERVICE.internal`, its aliases; a server's also the address of its
 * host and what the host calls itself.
 *
 * @param service The service.
 * @param type What for.
 * @param options The address of the service's host, and the CA, which may be kept from naming `localhost`.
 * @returns The names, each once.
 */
export function namesFor(
  service: Pick<Service, "name" | "hostname" | "aliases">,
  type: PairType,
  options: { readonly hostIp?: string | undefined; readonly ca?: Ca } = {},
): LeafNames {
  const all = [service.hostname, defaultHostName(service.name), ...service.aliases];
  if (type === "server") {
    if (options.hostIp !== undefined) all.push(options.hostIp);
    all.push(...permitted(OWN_NAMES, options.ca?.signing.nameConstraints ?? options.ca?.anchor.nameConstraints));
  }
  const names = [...new Set(all.map((name) => name.toLowerCase()))];
  return {
    commonName: service.hostname.toLowerCase(),
    names: { dns: names.filter((name) => isIP(name) === 0), ip: names.filter((name) => isIP(name) !== 0) },
  };
}

/** A CA that was told what it may speak for was seldom told of `localhost`; the names that matter must not fail for it. */
function permitted(own: typeof OWN_NAMES, constraints: NameConstraints | undefined): string[] {
  const bases = (kind: "dns" | "ip") =>
    constraints?.permitted.filter(({ base }) => base.kind === kind).map(({ base }) => base.value) ?? [];
  const [dns, ip] = [bases("dns"), bases("ip")];
  return [
    ...own.dns.filter((name) => dns.length === 0 || dns.includes(name)),
    ...own.ip.filter((address) => ip.length === 0 || ip.some((block) => block.split("/")[0] === address)),
  ];
}

/**
 * Issues to services, each with a new key. What fails for one is its own failure; the others are issued. Only for who holds
 * the store's lock.
 *
 * @param signer The CA.
 * @param orders What to issue.
 * @param run How.
 * @returns What came of each order, in order.
 * @throws {CliError} If nothing can be written at all.
 */
export async function issueAll(signer: CaSigner, orders: readonly Order[], run: IssueRun): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  const { home } = signer.ca;
  await swapping(home, async () => {
    for (let at = 0; at < orders.length; at += BATCH) {
      const made = await Promise.all(orders.slice(at, at + BATCH).map((order) => make(signer, order, run)));
      await record(home, made.flatMap((one) => "staged" in one ? [one] : []), run.now());
      const batch = made.map((one) => "staged" in one ? putInPlace(one) : one);
      await Promise.all(made.map((one) => "staged" in one ? one.staged.settled() : undefined));
      for (const delivery of batch) run.onDelivery?.(delivery);
      deliveries.push(...batch);
    }
  });
  return deliveries;
}

interface Made {
  readonly pair: PairPaths;
  readonly certificate: IssuedCertificate;
  readonly staged: StagedPair;
}

async function make(signer: CaSigner, order: Order, run: IssueRun): Promise<Made | Delivery> {
  const { service, type } = order;
  try {
    const { commonName, names } = typeof order.names === "function" ? order.names() : order.names;
    const pair = signer.ca.home.pair(service, type);
    const key = await generateKeyPair(order.algorithm ?? run.algorithm);
    const certificate = await issueCertificate({
      issuer: signer.issuer,
      profile: type,
      publicKey: key.publicKey,
      commonName,
      names,
      lifetimeSeconds: order.lifetimeSeconds ?? run.lifetimeSeconds,
      now: run.now(),
    });
    const keyPem = await exportPrivateKey(key);
    const certPem = [certificate.pem, ...signer.ca.between].join("");
    return { pair, certificate, staged: await stagePair(signer.ca.home, { ...pair, certPem, keyPem }) };
  } catch (error) {
    return { ok: false, service, type, error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** Before anybody can see them: what the CA signed can be revoked, whatever happens next. */
async function record(home: PkiHome, made: readonly Made[], now: Date): Promise<void> {
  await recordIssued(
    home,
    made.map(({ pair: { service, type }, certificate }) =>
      issuedEntry(certificate, { service, type, key: "here", at: now })
    ),
  );
}

/**
 * Writes down what was issued, in the ledger and in the serial record. Only for who holds the store's lock.
 *
 * @param home The CA's files.
 * @param entries What was issued; nothing is written for nothing.
 * @throws {CliError} If that fails.
 */
export async function recordIssued(home: PkiHome, entries: readonly IssuedEntry[]): Promise<void> {
  const last = entries.at(-1);
  if (last === undefined) return;
  await appendLedger(home, entries);
  await replaceFile(home.serial, `${last.serial.toUpperCase()}\n`, SECRET);
}

/**
 * A certificate as the ledger has it.
 *
 * @param certificate The certificate.
 * @param about To whom, what for, where the key was made, and when.
 * @returns The line.
 */
export function issuedEntry(
  certificate: IssuedCertificate,
  about: Pick<IssuedEntry, "service" | "type" | "key"> & { readonly at: Date },
): IssuedEntry {
  return {
    event: "issued",
    at: about.at.toISOString(),
    service: about.service,
    type: about.type,
    serial: certificate.serial,
    notAfter: certificate.notAfter.toISOString(),
    sha256: fingerprint(certificate.der),
    key: about.key,
  };
}

function putInPlace({ pair, certificate, staged }: Made): Delivery {
  try {
    staged.commit();
    return { ok: true, pair, certificate };
  } catch (cause) {
    const error = new CliError(`cannot put ${pair.cert} in place: ${reasonOf(cause)}`, { code: "unwritable", cause });
    return { ok: false, service: pair.service, type: pair.type, error };
  }
}
