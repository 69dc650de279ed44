/**
 * One order, from key to stored certificate. What must survive a crash is stored before it is needed, so whoever takes it up again ends up
 * with exactly one certificate.
 *
 * | died after | what the next one does |
 * |---|---|
 * | the key was stored | places an order for that key |
 * | the order was placed, not stored | places another; the first one is never finalized and expires |
 * | the order was stored | takes it up where it is |
 * | it was finalized | fetches the certificate |
 * | the certificate was stored | nothing: plan and certificate are one commit |
 *
 * @module
 */
import { AcmeError, certificateId, obtainCertificate, type ObtainOptions, type Solver } from "@helyos/acme";
import { exportPrivateKey, generateKeyPair, type KeyPair, parseCertificates } from "@helyos/pki";
import { auditOperation } from "../audit/records.ts";
import { routeKey, type StoredRoute } from "../routes/records.ts";
import type { Sealer } from "../secrets/mod.ts";
import type { Entry, Guard, Lock, Operation, Store } from "../store/store.ts";
import type { Accounts } from "./accounts.ts";
import { judgeCertificate } from "./judge.ts";
import { certificateKey, type Plan, planKey, type StoredCertificate, storePlan } from "./records.ts";
import { firstDue, isPassing } from "./schedule.ts";
import { seal, sealCertificate, unseal } from "./sealed_key.ts";
import type { AcmeSettings } from "./settings.ts";

/** What an order needs. */
export interface OrderDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly accounts: Pick<Accounts, "client" | "replace">;
  readonly solvers: readonly Solver[];
  readonly settings: AcmeSettings;
  /** Told of an answer to a challenge that could not be taken away again, such as a TXT record. */
  readonly onLeftover?: (error: unknown, name: string) => void;
  /** Told who issued the topmost certificate of the chain when the preferred one was not to be had. */
  readonly onOtherChain?: (issuer: string | undefined) => void;
  /** Told why a rehearsal was left out: the place for it failed, which says nothing about the order. */
  readonly onNoRehearsal?: (error: AcmeError) => void;
}

/** Which order. */
export interface OrderRequest {
  readonly plan: Entry<Plan>;
  readonly directory: string;
  readonly lock: Lock;
  readonly signal: AbortSignal;
}

/** Somebody changed the plan meanwhile, for example by an import: what was ordered is not wanted any more. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/** What was stored meanwhile, for whoever must go on after a failure. */
export interface Progress {
  plan: Entry<Plan>;
  /** Where the last request went. */
  directory: string;
}

/**
 * Orders a certificate and stores it.
 *
 * @param progress Changed as the order moves on.
 * @throws {AcmeError | StoreError | Superseded}
 */
export async function orderCertificate(
  deps: OrderDeps,
  request: OrderRequest,
  progress: Progress,
): Promise<StoredCertificate> {
  const { domain } = request.plan.value;
  const { directory } = request;
  if (triesStagingFirst(deps.settings, request)) await rehearse(deps, request, progress);
  progress.directory = directory;
  const key = await keyOf(deps, request, progress);
  const previous = await deps.store.get<StoredCertificate>(certificateKey(domain));
  const order = progress.plan.value.order;
  const preferredIssuer = deps.settings.preferredChain;
  let account: string | undefined;
  const { chainPem } = await withAccount(deps, directory, (client) => {
    account = client.accountUrl;
    const replaces = replacedBy(previous?.value, { account, failures: request.plan.value.failures });
    return obtainCertificate({
      client,
      key,
      ...wishOf(deps, request),
      ...(preferredIssuer === undefined ? {} : { preferredIssuer }),
      ...(replaces === undefined ? {} : { replaces }),
      ...(order?.url === undefined ? {} : { orderUrl: order.url }),
      onOrder: (url) =>
        savePlan(deps, request, progress, { ...progress.plan.value, order: { ...progress.plan.value.order!, url } }),
    });
  });
  request.signal.throwIfAborted();
  const issuer = parseCertificates(chainPem).at(-1)!.issuer.commonName;
  if (preferredIssuer !== undefined && issuer !== preferredIssuer) deps.onOtherChain?.(issuer);
  return await storeIssued(deps, request, progress, { chainPem, key, account });
}

function triesStagingFirst(settings: AcmeSettings, { plan, directory }: OrderRequest): boolean {
  const { failures, lastFailure, order } = plan.value;
  // An order that can be taken up again costs nothing more; and after a failure of the CA itself there is nothing to try out
  const ours = lastFailure !== undefined && !["unreachable", "unavailable", "internal"].includes(lastFailure.code);
  return settings.staging !== undefined && directory === settings.directory && failures > 0 && ours &&
    order?.url === undefined;
}

/** What every order for a domain asks for, and how it goes about it. */
function wishOf(
  deps: OrderDeps,
  { plan, signal }: OrderRequest,
): Pick<ObtainOptions, "names" | "solvers" | "signal" | "onLeftover" | "profile"> {
  const { settings: { profile } } = deps;
  return {
    names: [plan.value.domain],
    solvers: waysOf(deps, plan.value),
    signal,
    onLeftover: (error, { name }) => deps.onLeftover?.(error, name),
    ...(profile === undefined ? {} : { profile }),
  };
}

/**
 * The way that worked last comes first, and others after failures: what keeps a CA from one may not keep it from another. Twice each, as a
 * fallback is asked every other time and is to see all of them.
 */
export function waysOf({ solvers }: Pick<OrderDeps, "solvers">, { proof, failures }: Plan): Solver[] {
  const known = solvers.toSorted((a, b) => Number(b.type === proof) - Number(a.type === proof));
  const skip = Math.ceil(failures / 2) % Math.max(known.length, 1);
  return [...known.slice(skip), ...known.slice(0, skip)];
}

/** The same order where failures count for nothing. Its certificate is thrown away. */
async function rehearse(deps: OrderDeps, request: OrderRequest, progress: Progress): Promise<void> {
  const staging = deps.settings.staging!;
  progress.directory = staging;
  const key = await generateKeyPair(deps.settings.keyType);
  try {
    await withAccount(deps, staging, (client) => obtainCertificate({ client, key, ...wishOf(deps, request) }));
  } catch (error) {
    if (!(error instanceof AcmeError && isPassing(error.code))) throw error;
    deps.onNoRehearsal?.(error);
  }
}

/** Once more with a new account when the CA has forgotten ours, as one that was set up anew does. */
async function withAccount<T>(
  deps: OrderDeps,
  directory: string,
  use: (client: Awaited<ReturnType<Accounts["client"]>>) => Promise<T>,
): Promise<T> {
  const client = await deps.accounts.client(directory);
  try {
    return await use(client);
  } catch (error) {
    if (!(error instanceof AcmeError && error.problem?.type === "accountDoesNotExist")) throw error;
    return await use(await deps.accounts.replace(directory, client));
  }
}

async function keyOf(deps: OrderDeps, request: OrderRequest, progress: Progress): Promise<KeyPair> {
  const { domain, order } = progress.plan.value;
  if (order?.directory === request.directory) {
    const known = await unseal(deps.sealer, planKey(domain), order.sealedKey);
    if (known !== undefined) return known;
  }
  const key = await generateKeyPair(deps.settings.keyType);
  const sealedKey = await seal(deps.sealer, planKey(domain), await exportPrivateKey(key));
  await savePlan(deps, request, progress, {
    ...progress.plan.value,
    order: { directory: request.directory, sealedKey },
  });
  return key;
}

async function savePlan(deps: OrderDeps, request: OrderRequest, progress: Progress, plan: Plan): Promise<void> {
  await commit(deps.store, {
    operations: storePlan(plan, progress.plan.value),
    guards: [request.lock.guard, progress.plan],
  });
  const entry = await deps.store.get<Plan>(planKey(plan.domain));
  if (entry === undefined) throw new Superseded();
  progress.plan = entry;
}

async function storeIssued(
  deps: OrderDeps,
  request: OrderRequest,
  progress: Progress,
  issued: { readonly chainPem: string; readonly key: KeyPair; readonly account: string | undefined },
): Promise<StoredCertificate> {
  const { domain } = request.plan.value;
  const now = deps.now();
  const judged = await judgeCertificate({ domain, certPem: issued.chainPem, key: issued.key, now });
  const previous = await deps.store.get<StoredCertificate>(certificateKey(domain));
  const certificate = await sealCertificate(deps.sealer, judged, {
    domain,
    source: "acme",
    now,
    directory: request.directory,
    ...(issued.account === undefined ? {} : { account: issued.account }),
  });
  const [way] = deps.solvers.length > 1 ? waysOf(deps, request.plan.value) : [];
  const proof = way === undefined ? {} : { proof: way.type };
  const anew: Omit<Plan, "due"> = { domain, kind: "order", failures: 0, spread: Math.random(), ...proof };
  const action = previous === undefined ? "certificate.issue" : "certificate.renew";
  await commit(deps.store, {
    operations: [
      { put: certificateKey(domain), value: certificate },
      ...storePlan({ ...anew, due: firstDue(anew, certificate, now).toISOString() }, progress.plan.value),
      auditOperation(deps, { actor: "helyosd", action, target: domain, address: null }),
    ],
    guards: [
      request.lock.guard,
      progress.plan,
      { key: certificateKey(domain), revision: previous?.revision ?? 0 },
    ],
  });
  return certificate;
}

async function commit(
  store: Store,
  { operations, guards }: { readonly operations: readonly Operation[]; readonly guards: readonly Guard[] },
): Promise<void> {
  if (!await store.commit(operations, guards)) throw new Superseded();
}

/**
 * The certificate an order replaces, as its CA names it (RFC 9773 §5). A CA refuses the link from another account than the one that ordered
 * it, and may for reasons of its own, so a second attempt goes without.
 */
function replacedBy(
  certificate: StoredCertificate | undefined,
  { account, failures }: { readonly account: string | undefined; readonly failures: number },
): string | undefined {
  if (certificate?.account === undefined || certificate.account !== account || failures > 0) return undefined;
  try {
    return certificateId(certificate.chainPem);
  } catch {
    return undefined; // without an authority key identifier it cannot be named (RFC 9773 §4.1)
  }
}

/** Whether a route wants this domain's certificate from ACME. */
export async function isWanted(store: Store, domain: string): Promise<boolean> {
  return (await store.get<StoredRoute>(routeKey(domain)))?.value.tls_mode === "auto";
}
