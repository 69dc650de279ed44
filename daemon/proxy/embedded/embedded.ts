/**
 * The proxy that is always there: in threads of the daemon's own, so that visitors do not slow the API. Keys reach it by messages and
 * are never written anywhere.
 *
 * @module
 */
import type { DesiredProxy, ProxyBackend, ProxyStatus, SiteStatus } from "../backend.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { Thread } from "./thread.ts";

/** Each thread has a copy of every route and certificate in memory. */
const MAX_THREADS = 4;

/** How the embedded proxy is made. */
export interface EmbeddedProxyOptions {
  /**
   * How many threads serve visitors. More than one share the ports, and the system spreads new connections between them. By default
   * one for each core of the machine but one, which is the API's; at least one and at most four.
   */
  readonly threads?: number;
  /**
   * How many files the process may have open. So few visitors are served at once that the rest of the daemon never lacks any; more are
   * turned away.
   */
  readonly openFiles?: number | undefined;
  /** Bounds that differ from the default ones. */
  readonly limits?: Partial<Limits>;
  /** Called when a thread ended that should not have; it is started again. */
  readonly onCrash?: (reason: string) => void;
}

/** Makes the embedded proxy. It starts a thread when the first site is applied. */
export function createEmbeddedProxy(options: EmbeddedProxyOptions = {}): ProxyBackend {
  const threads = options.threads ?? Math.max(1, Math.min(MAX_THREADS, navigator.hardwareConcurrency - 1));
  if (!Number.isSafeInteger(threads) || threads < 1 || threads > 64) {
    throw new RangeError(`Cannot start ${threads} threads: between 1 and 64 can be`);
  }
  const maxConnections = Math.min(DEFAULT_LIMITS.maxConnections, visitorsOf(options.openFiles) / threads);
  return new EmbeddedProxy(
    threads,
    { ...DEFAULT_LIMITS, maxConnections, ...options.limits },
    options.onCrash ?? (() => {}),
  );
}

/** What the rest of the daemon needs: its state, the API's clients, connections to a CA. */
const RESERVED_FILES = 256;

/** How many visitors there can be: one may take a connection to an upstream as well. */
function visitorsOf(openFiles = Infinity): number {
  return Math.max(16, Math.floor((openFiles - RESERVED_FILES) / 2));
}

class EmbeddedProxy implements ProxyBackend {
  readonly name = "embedded";
  readonly #threads: Thread[];
  #desired: DesiredProxy | undefined;

  constructor(threads: number, limits: Limits, onCrash: (reason: string) => void) {
    this.#threads = Array.from(
      { length: threads },
      (_, index) =>
        new Thread(limits, {
          onCrash,
          onPorts: () => void (index === 0 && this.#follow()),
          sharing: threads === 1 ? "none" : index === 0 ? "first" : "others",
        }),
    );
  }

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    this.#desired = desired;
    const [first] = this.#threads;
    const failed = new Map((await first!.apply(desired)).map((site) => [site.domain, site.reason]));
    await this.#follow();
    return desired.sites.map(({ domain }) => {
      const reason = failed.get(domain);
      return reason === undefined ? { domain, state: "served" } : { domain, state: "failed", reason };
    });
  }

  /** Lets the other threads listen where the first one does: the system may have chosen the ports, or not given them yet. */
  async #follow(): Promise<void> {
    const desired = this.#desired;
    const [first, ...others] = this.#threads;
    if (desired === undefined) return;
    const { http, https } = first!.ports;
    const next = first!.failures().length > 0 ? { ...desired, sites: [], certificates: [] } : {
      ...desired,
      httpListen: http.bound ?? desired.httpListen,
      httpsListen: https.bound ?? desired.httpsListen,
    };
    await Promise.all(others.map((thread) => thread.apply(next)));
  }

  status(): ProxyStatus {
    if ((this.#desired?.sites.length ?? 0) === 0) return { state: "idle", detail: "no routes, nothing bound" };
    const failures = new Set(this.#threads.flatMap((thread) => thread.failures()));
    const { http, https } = this.#threads[0]!.ports;
    const bound = {
      ...http.bound === undefined ? {} : { http: http.bound },
      ...https.bound === undefined ? {} : { https: https.bound },
    };
    if (failures.size > 0) return { state: "failing", detail: [...failures].join("; "), ...bound };
    const where = [http.bound, https.bound].flatMap((address) =>
      address === undefined
        ? []
        : [address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`]
    );
    return where.length === 0
      ? { state: "failing", detail: "the embedded proxy is starting" }
      : { state: "serving", detail: `serving on ${where.join(" and ")}`, ...bound };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#desired = undefined;
    await Promise.all(this.#threads.map((thread) => thread[Symbol.asyncDispose]()));
  }
}
