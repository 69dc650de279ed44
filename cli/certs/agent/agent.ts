/**
 * The agent: keeps every certificate alive, from the CA to what the service serves.
 *
 * @module
 */
import type { KeyAlgorithm } from "@helyos/pki";
import { createHash } from "node:crypto";
import type { OptionValues, Surroundings } from "../../command.ts";
import type { CliError } from "../../failure.ts";
import { type CaSigner, openCa, unlockCa } from "../ca.ts";
import { currentCrl, signCrl } from "../crl.ts";
import { failureOf, orderFor } from "../deliver.ts";
import { pairKey, type PkiHome } from "../home.ts";
import { issueAll } from "../issue.ts";
import { readRevocations } from "../ledger.ts";
import { DEFAULT_LIFETIME_SECONDS } from "../options.ts";
import { openRegistry, type Registry } from "../registry.ts";
import { inLanes } from "../remote/crowd.ts";
import { clientPair, deploy } from "../remote/deploy.ts";
import { type Deployment, planDeployment, type SharedPlaces, sharedPlaces } from "../remote/deployment.ts";
import { lookThere } from "../remote/landed.ts";
import { type Machines, machinesOf, type SSH_OPTIONS } from "../remote/machines.ts";
import { asFailure } from "../remote/report.ts";
import { lookAt } from "../remote/served.ts";
import { algorithmOf, dueDate, lifetimeOf, type Plan, planFor } from "../renew.ts";
import { fingerprint, listPairs, readPair, settleIfNeeded, type StoredPair, withStore } from "../store.ts";
import { type Attempt, type AttemptStep, type PairState, readStates, writeAttempts } from "./attempts.ts";
import { backoffMs } from "./schedule.ts";

/** How the agent works. */
export interface AgentOptions {
  /** The CA's files. */
  readonly home: PkiHome;
  /** The registry's file; read anew each time. */
  readonly registryPath: string;
  /** Only these services; all without it. */
  readonly services: readonly string[];
  /** How long new certificates live, in seconds; as long as the ones before without it. */
  readonly lifetimeSeconds?: number | undefined;
  /** The kind of new keys. */
  readonly algorithm?: KeyAlgorithm | undefined;
  /** Where the passphrase of the CA's key stands. */
  readonly passphraseFile?: string | undefined;
  /** Also deploy the revocation list, and sign it anew before it runs out. */
  readonly crl: boolean;
  /** How machines are reached. */
  readonly ssh: OptionValues<typeof SSH_OPTIONS>;
  /** How long a service may take until it serves the new certificate. */
  readonly patienceMs?: number | undefined;
  /** Told of every attempt. */
  readonly onAttempt: (attempt: Attempt) => void;
  /** Told of what keeps the agent from trying anything. */
  readonly onTrouble: (error: CliError) => void;
  /** Stops between steps. */
  readonly signal: AbortSignal;
}

/** What a pass did. */
export interface Pass {
  /** How many attempts were made. */
  readonly attempts: number;
  /** How many of them failed. */
  readonly failed: number;
  /** When there is something to do next; undefined when nobody is looked after. */
  readonly next: Date | undefined;
}

interface Work {
  readonly pair: StoredPair;
  readonly plan: Plan;
  readonly state: PairState | undefined;
}

/**
 * Looks at every pair once, and does what is due: renews, deploys, reloads, looks. What fails is tried again later, and stops no other.
 *
 * @param surroundings The invocation.
 * @param options How.
 * @returns What was done.
 * @throws {CliError} If CA or registry cannot be read at all.
 */
export async function onePass(surroundings: Surroundings, options: AgentOptions): Promise<Pass> {
  const { io } = surroundings;
  const { home, signal } = options;
  await settleIfNeeded(home);
  const [ca, registry, states] = await Promise.all([
    openCa(home),
    openRegistry(options.registryPath),
    readStates(home),
  ]);
  const machines = machinesOf(registry, { options: options.ssh, io });
  const unlock = once(() => unlockCa(surroundings, home, { passphraseFile: options.passphraseFile }));
  if (options.crl) await renewCrl(surroundings, options, unlock);
  const known = { ca, revoked: await readRevocations(home), now: io.now() };
  const pairs = (await listPairs(home)).filter(({ service }) =>
    registry.serviceNames.includes(service) && (options.services.length === 0 || options.services.includes(service))
  );
  for (const key of states.keys()) {
    if (!pairs.some(({ service, type }) => pairKey(service, type) === key)) states.delete(key);
  }
  const shared = await sharedPlaces(registry, home);
  const works = pairs.map((pair): Work => ({
    pair,
    plan: planFor(pair, known),
    state: states.get(pairKey(pair.service, pair.type)),
  }));
  let [attempts, failed] = [0, 0];
  let writing = Promise.resolve();
  await inLanes(works, ({ pair }) => laneOf(registry, pair.service), async (work) => {
    if (signal.aborted || work.plan.action === "leave") return;
    if (work.state !== undefined && work.state.failures > 0 && new Date(work.state.nextTry) > io.now()) return;
    const attempt = await look(surroundings, options, { work, registry, machines, unlock, shared });
    if (signal.aborted) return;
    const before = states.get(pairKey(work.pair.service, work.pair.type));
    states.set(pairKey(work.pair.service, work.pair.type), stateAfter(attempt, before));
    if (attempt.ok && attempt.did.length === 0 && before?.deployed === attempt.deployed) return;
    attempts++;
    if (!attempt.ok) failed++;
    const { deployed: _, ...line } = attempt;
    // One writer at a time: several machines are looked after side by side.
    writing = writing.then(() => writeAttempts(home, [line as Attempt], states));
    await writing;
    options.onAttempt(line as Attempt);
  });
  const times = [...states.values()].map(({ nextTry }) => new Date(nextTry).getTime());
  return { attempts, failed, next: times.length === 0 ? undefined : new Date(Math.min(...times)) };
}

type Looked = Attempt & { readonly deployed?: string };

interface Bench {
  readonly work: Work;
  readonly registry: Registry;
  readonly machines: Machines;
  readonly unlock: () => Promise<CaSigner>;
  readonly shared: SharedPlaces;
}

/** What takes longer hangs: the next try may find the machine in a better mood, and other services wait. */
const ATTEMPT_TIMEOUT_MS = 600_000;

/** One pair, from its plan to what is served. */
async function look(surroundings: Surroundings, options: AgentOptions, bench: Bench): Promise<Looked> {
  const { io } = surroundings;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Error("it took more than ten minutes")), ATTEMPT_TIMEOUT_MS);
  const signal = AbortSignal.any([options.signal, limit.signal]);
  const { work: { pair, plan, state }, registry, machines } = bench;
  const { service, type } = pair;
  const did: AttemptStep[] = [];
  let step: AttemptStep = "plan";
  let deployment: Deployment | undefined;
  try {
    if (plan.action === "renew") {
      step = "renew";
      await renew(surroundings, options, bench);
      did.push(step);
    }
    step = "plan";
    if (registry.service(service).currentHost === undefined) {
      return await renewedOnly(surroundings, options, { pair, did });
    }
    const ca = await openCa(options.home);
    const rival = bench.shared.get(pairKey(service, type));
    if (rival !== undefined) throw rival;
    deployment = await planDeployment({ registry, ca, service, type, crl: options.crl, now: io.now() });
    const digest = digestOf(deployment);
    if (
      plan.action === "renew" ||
      await isStale(deployment, { ...bench, state, digest, signal, home: options.home })
    ) {
      await deploy(deployment, {
        machines,
        home: options.home,
        reload: true,
        signal,
        ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
      }, (next) => {
        if (step !== "plan") did.push(step);
        step = next;
      });
      did.push(step);
    }
    const { certificate } = (await readPair(options.home, service, type))!;
    return {
      at: io.now().toISOString(),
      service,
      type,
      machine: deployment.machine,
      did,
      ok: true,
      sha256: deployment.sha256,
      notAfter: certificate!.notAfter.toISOString(),
      nextTry: dueDate(certificate!).toISOString(),
      deployed: digest,
    };
  } catch (thrown) {
    const error = asFailure(thrown);
    const failures = (state?.failures ?? 0) + 1;
    const now = io.now();
    const leftMs = pair.certificate === undefined ? undefined : pair.certificate.notAfter.getTime() - now.getTime();
    const waitMs = backoffMs(failures, { here: step === "plan" || step === "renew", leftMs, random: Math.random() });
    return {
      at: now.toISOString(),
      service,
      type,
      ...(deployment === undefined ? {} : { machine: deployment.machine }),
      did,
      ok: false,
      step,
      error: error.message,
      code: error.code,
      failures,
      nextTry: new Date(now.getTime() + waitMs).toISOString(),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** A service that runs nowhere gets its certificate, and it goes nowhere. */
async function renewedOnly(
  { io }: Surroundings,
  { home }: AgentOptions,
  { pair: { service, type }, did }: { readonly pair: StoredPair; readonly did: readonly AttemptStep[] },
): Promise<Looked> {
  const certificate = (await readPair(home, service, type))!.certificate!;
  return {
    at: io.now().toISOString(),
    service,
    type,
    did,
    ok: true,
    sha256: fingerprint(certificate),
    notAfter: certificate.notAfter.toISOString(),
    nextTry: dueDate(certificate).toISOString(),
  };
}

async function renew(surroundings: Surroundings, options: AgentOptions, { work: { pair }, registry, unlock }: Bench) {
  const { service, type } = pair;
  const signer = await unlock();
  const order = orderFor(registry, service, type);
  const [delivery] = await withStore(
    options.home,
    () =>
      issueAll(signer, [{ service, type, names: () => order.names(signer.ca) }], {
        lifetimeSeconds: options.lifetimeSeconds ?? lifetimeOf(pair) ?? DEFAULT_LIFETIME_SECONDS,
        algorithm: options.algorithm ?? algorithmOf(pair) ?? "ec-p256",
        now: () => surroundings.io.now(),
      }),
  );
  if (delivery !== undefined && !delivery.ok) throw failureOf(delivery);
}

/** Whether what lies on the target, or is served, is not what it should be. */
async function isStale(
  deployment: Deployment,
  { state, digest, machines, home, signal }: {
    readonly state: PairState | undefined;
    readonly digest: string;
    readonly machines: Machines;
    readonly home: PkiHome;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const { service, type } = deployment;
  if (state?.deployed !== digest) {
    const landed = await lookThere(machines(deployment.machine), deployment.files, signal);
    if (landed.some(({ state }) => state !== "same")) return true;
  }
  const { probe } = service.certs;
  if (type !== "server" || probe === undefined) return false;
  try {
    const pair = await clientPair(home, service.name);
    return await lookAt(probe, { name: service.hostname, pair, signal }) !== deployment.sha256;
  } catch {
    // A service that is down serves nothing new either; it has the files, and nothing is mended by sending them again.
    signal.throwIfAborted();
    return state?.failedStep === "probe" || state?.failedStep === "reload";
  }
}

/** Lists run out too: a server that demands one refuses everybody then. */
async function renewCrl(
  { io }: Surroundings,
  { home, onTrouble }: AgentOptions,
  unlock: () => Promise<CaSigner>,
): Promise<void> {
  const now = io.now();
  const crl = await currentCrl(home);
  if (crl?.nextUpdate !== undefined) {
    const life = crl.nextUpdate.getTime() - crl.thisUpdate.getTime();
    if (crl.nextUpdate.getTime() - now.getTime() > life / 3) return;
  }
  try {
    const signer = await unlock();
    await withStore(home, () => signCrl(signer, { now }));
  } catch (error) {
    onTrouble(asFailure(error));
  }
}

function stateAfter(attempt: Looked, before: PairState | undefined): PairState {
  const common = { service: attempt.service, type: attempt.type, lastAttempt: attempt.at, nextTry: attempt.nextTry };
  const deployed = attempt.ok ? attempt.deployed : before?.deployed;
  return {
    ...common,
    failures: attempt.ok ? 0 : attempt.failures,
    ...(attempt.ok ? {} : { lastError: attempt.error, failedStep: attempt.step }),
    ...(deployed === undefined ? {} : { deployed }),
  };
}

function digestOf({ machine, files }: Deployment): string {
  const text = files.map(({ to, sha256 }) => `${machine}\0${to}\0${sha256}\n`).sort().join("");
  return createHash("sha256").update(text).digest("hex");
}

function laneOf(registry: Registry, service: string): string {
  try {
    return registry.service(service).currentHost ?? "";
  } catch {
    return "";
  }
}

/** The CA's key is opened when something must be signed, and then once. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => result ??= work();
}

/** The longest the agent sleeps: a laptop that slept through a due date finds out this soon after it woke. */
const LONGEST_SLEEP_MS = 60_000;

/**
 * Goes on until it is stopped. Nothing that goes wrong ends it.
 *
 * @param surroundings The invocation.
 * @param options How.
 * @param sleep Waits; ends early when the signal says so.
 */
export async function runAgent(
  surroundings: Surroundings,
  options: AgentOptions,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let trouble = "";
  while (!options.signal.aborted) {
    let waitMs = LONGEST_SLEEP_MS;
    try {
      const { next } = await onePass(surroundings, options);
      trouble = "";
      if (next !== undefined) waitMs = next.getTime() - surroundings.io.now().getTime();
    } catch (thrown) {
      const error = asFailure(thrown);
      // Said once, not every minute.
      if (error.message !== trouble && !options.signal.aborted) options.onTrouble(error);
      trouble = error.message;
    }
    // Timers stand still while a machine sleeps, clocks do not: short waits, and a look at the clock.
    await sleep(Math.min(Math.max(waitMs, 1000), LONGEST_SLEEP_MS), options.signal);
  }
}
