/**
 * Routes, certificates and proxy on a store in memory, against real pebble.
 */
import { equal, match } from "node:assert/strict";
import type { DomainCertificate } from "@helyos/api";
import { listCertificates } from "../../../daemon/certificates/certificates.ts";
import { type Plan, planKey } from "../../../daemon/certificates/records.ts";
import { type Edge, type EdgeDeps, openEdge } from "../../../daemon/edge.ts";
import type { AcmeSettings } from "../../../daemon/certificates/settings.ts";
import type { EdgeConfig } from "../../../daemon/config.ts";
import { type Actor, createRoute } from "../../../daemon/routes/routes.ts";
import { createMetrics } from "../../../daemon/metrics/metrics.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import type { Sealer } from "../../../daemon/secrets/mod.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { Store } from "../../../daemon/store/store.ts";
import { type AcmeFaults, startFaults } from "../../support/acme_faults.ts";
import { type Pebble, type PebbleOptions, startPebble } from "../../support/pebble.ts";
import { TestProxy } from "../../support/test_proxy.ts";

/** Who acts in tests. */
export const BY: Actor = { actor: "tester", address: "127.0.0.1" };

/** Everything a test touches. */
export interface Bench extends AsyncDisposable {
  readonly edge: Edge;
  readonly proxy: TestProxy;
  readonly store: Store;
  readonly sealer: Sealer;
  readonly log: string[];
  /** What functions of routes and certificates take. */
  readonly deps: Pick<EdgeDeps, "store" | "now"> & Edge["routes"] & Edge["certificates"];
  readonly metrics: () => string;
}

/** What may differ. */
export interface BenchOptions {
  readonly pebble?: Pebble;
  readonly config?: Partial<EdgeConfig>;
  readonly settings?: Partial<AcmeSettings>;
  readonly now?: () => Date;
  readonly store?: Store;
  readonly sealer?: Sealer;
  readonly proxy?: TestProxy;
  readonly lockMs?: number;
  readonly openBackend?: EdgeDeps["openBackend"];
  readonly network?: EdgeDeps["network"];
}

/** Puts everything together. */
export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const { pebble } = options;
  const now = options.now ?? (() => new Date());
  const owned = options.store === undefined;
  const store = options.store ?? await openSqliteStore(":memory:", { now });
  const sealer = options.sealer ?? await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
  const proxy = options.proxy ?? new TestProxy();
  const log: string[] = [];
  const say = (text: string, facts?: Record<string, unknown>) =>
    void log.push(`${text} ${JSON.stringify(facts ?? {})}`);
  const directory = pebble?.directoryUrl ?? "https://localhost:1/dir";
  const config: EdgeConfig = {
    httpListen: { host: "127.0.0.1", port: pebble?.httpPort ?? 0 },
    httpsListen: { host: "127.0.0.1", port: 0 },
    acmeDirectory: directory,
    ...(pebble === undefined ? {} : { acmeEmail: "ops@example.com" }),
    ...options.config,
  };
  const metrics = createMetrics();
  const edge = await openEdge(
    config,
    {
      directory, // Without a profile pebble takes one at random, of six days or of ninety
      ...(pebble === undefined ? {} : { ca: pebble.ca, profile: "default" }),
      ...options.settings,
    },
    {
      store,
      sealer,
      now,
      log: { debug: say, info: say, warn: say, error: say } as EdgeDeps["log"],
      metrics,
      openBackend: options.openBackend ?? (() => Promise.resolve(proxy)),
      ...(options.lockMs === undefined ? {} : { lockMs: options.lockMs }),
      network: options.network ?? { addresses: () => Promise.resolve([]), caa: () => Promise.resolve([]) },
    },
  );
  return {
    edge,
    proxy,
    store,
    sealer,
    log,
    deps: { store, now, ...edge.routes, ...edge.certificates },
    metrics: () => metrics.text({ nodes: 0, pods: 0, deployments: 0 }),
    async [Symbol.asyncDispose]() {
      await edge[Symbol.asyncDispose]();
      if (owned) await store[Symbol.asyncDispose]();
    },
  };
}

/** Adds a route that wants a certificate by ACME. */
export function add(bench: Bench, domain: string): Promise<unknown> {
  return createRoute(bench.deps, { domain, project: "shop", deployment: "api", tls_mode: "auto" }, BY);
}

/** What is told of the certificate of a domain; of the first one without it. */
export async function one(bench: Bench, domain?: string): Promise<DomainCertificate> {
  const all = await listCertificates(bench.deps);
  return all.find((certificate) => domain === undefined || certificate.domain === domain)!;
}

/** What is to be done about it. */
export async function plan(bench: Bench, domain: string): Promise<Plan> {
  return (await bench.store.get<Plan>(planKey(domain)))!.value;
}

/** Waits for a refusal because of how things stand. */
export async function rejectsConflict(run: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error = await run().then(() => undefined, (error) => error);
  equal(error?.code, "conflict");
  match(error.message, message);
}

/** A clock that the test moves. */
export interface Clock {
  readonly now: () => Date;
  pass(ms: number): void;
  set(at: Date): void;
}

/** One that shows the real time at first. */
export function startClock(): Clock {
  let offset = 0;
  return {
    now: () => new Date(Date.now() + offset),
    pass: (ms) => void (offset += ms),
    set: (at) => void (offset = at.getTime() - Date.now()),
  };
}

/** A bench whose CA is pebble behind a go-between, and whose clock the test moves. */
export interface Scene extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly faults: AcmeFaults;
  readonly time: Clock;
  readonly bench: Bench;
}

/** Sets one; `store` is made once there is a clock. */
export async function setScene(
  options: Omit<BenchOptions, "pebble" | "now" | "store"> & {
    readonly pebble?: PebbleOptions;
    readonly store?: (now: () => Date) => Promise<Store & AsyncDisposable>;
  } = {},
): Promise<Scene> {
  const { store: openStore, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble(options.pebble));
  const faults = stack.use(await startFaults(pebble));
  const time = startClock();
  const store = openStore && stack.use(await openStore(time.now));
  const bench = stack.use(
    await startBench({
      ...rest,
      pebble,
      now: time.now,
      ...(store === undefined ? {} : { store }),
      settings: { directory: faults.directoryUrl, ca: faults.ca, ...options.settings },
    }),
  );
  const owned = stack.move();
  return { pebble, faults, time, bench, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Waits for a condition. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  what: string,
): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
