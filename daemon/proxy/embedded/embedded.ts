/**
 * The proxy that is always there: in threads of the daemon's own, so that visitors do not slow the API. Keys reach it by messages and
 * are never written anywhere.
 *
 * @module
 */
import type { DesiredProxy, ProxyBackend, ProxyStatus, ServedCertificate, Site, SiteStatus } from "../backend.ts";
import { changeBetween } from "./change.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import type { FailedSite, Order, PortsStatus, Report } from "./protocol.ts";

/** How the embedded proxy is made. */
export interface EmbeddedProxyOptions {
  /**
   * How many threads serve visitors. More than one share the ports, between which the system spreads new connections.
   * @default {1}
   */
  readonly threads?: number;
  /** Bounds that differ from the default ones. */
  readonly limits?: Partial<Limits>;
  /** Called when a thread ended that should not have; it is started again. */
  readonly onCrash?: (reason: string) => void;
}

/** The first pause before a thread that crashed is started again; doubled each time. */
const RESTART_MS = 100;
const RESTART_MAX_MS = 10_000;

/** A thread that has served this long starts anew at once when it crashes. */
const SETTLED_MS = 60_000;

/** Makes the embedded proxy. It starts a thread when the first site is applied. */
export function createEmbeddedProxy(options: EmbeddedProxyOptions = {}): ProxyBackend {
  const threads = options.threads ?? 1;
  if (!Number.isSafeInteger(threads) || threads < 1 || threads > 64) {
    throw new RangeError(`Cannot start ${threads} threads: between 1 and 64 can be`);
  }
  return new EmbeddedProxy(threads, { ...DEFAULT_LIMITS, ...options.limits }, options.onCrash ?? (() => {}));
}

class EmbeddedProxy implements ProxyBackend {
  readonly name = "embedded";
  readonly #limits: Limits;
  readonly #onCrash: (reason: string) => void;
  readonly #threads: Thread[];
  #desired: DesiredProxy | undefined;

  constructor(threads: number, limits: Limits, onCrash: (reason: string) => void) {
    this.#limits = limits;
    this.#onCrash = onCrash;
    this.#threads = Array.from({ length: threads }, () => new Thread(this.#limits, this.#onCrash, threads > 1));
  }

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    this.#desired = desired;
    const [first, ...others] = this.#threads;
    const failed = new Map((await first!.apply(desired)).map((site) => [site.domain, site.reason]));
    // The others go where the first one is: the system may have chosen the ports
    const { http, https } = first!.ports;
    await Promise.all(others.map((thread) =>
      thread.apply({
        ...desired,
        httpListen: http.bound ?? desired.httpListen,
        httpsListen: https.bound ?? desired.httpsListen,
      })
    ));
    return desired.sites.map(({ domain }) => {
      const reason = failed.get(domain);
      return reason === undefined ? { domain, state: "served" } : { domain, state: "failed", reason };
    });
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

/** A thread, started when there is something to serve, and again when it crashes. */
class Thread implements AsyncDisposable {
  readonly #limits: Limits;
  readonly #onCrash: (reason: string) => void;
  readonly #sharePorts: boolean;
  #worker: Worker | undefined;
  #ports: PortsStatus = { http: {}, https: {} };
  #crash: string | undefined;
  #crashes = 0;
  #startedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted: DesiredProxy | undefined;
  #sites: ReadonlyMap<string, Site> = new Map();
  #certificates: ReadonlyMap<string, ServedCertificate> = new Map();
  #lastId = 0;
  #waiting: ((failed: readonly FailedSite[]) => void) | undefined;
  #stopped: (() => void) | undefined;

  constructor(limits: Limits, onCrash: (reason: string) => void, sharePorts: boolean) {
    this.#limits = limits;
    this.#onCrash = onCrash;
    this.#sharePorts = sharePorts;
  }

  get ports(): PortsStatus {
    return this.#ports;
  }

  failures(): string[] {
    if (this.#crash !== undefined) return [this.#crash];
    return [this.#ports.http.failure, this.#ports.https.failure].filter((failure) => failure !== undefined);
  }

  async apply(desired: DesiredProxy): Promise<readonly FailedSite[]> {
    this.#wanted = desired;
    if (this.#worker === undefined) {
      if (desired.sites.length === 0) return [];
      this.#start();
    }
    return await this.#send(desired);
  }

  #send(desired: DesiredProxy): Promise<readonly FailedSite[]> {
    const { change, sites, certificates } = changeBetween(this.#sites, this.#certificates, desired);
    this.#sites = sites;
    this.#certificates = certificates;
    const { promise, resolve } = Promise.withResolvers<readonly FailedSite[]>();
    this.#waiting = resolve;
    this.#post({ kind: "change", id: ++this.#lastId, change: { ...change, sharePorts: this.#sharePorts } });
    return promise;
  }

  #post(order: Order): void {
    this.#worker!.postMessage(order);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#crash = undefined;
    this.#startedAt = performance.now();
    this.#sites = new Map();
    this.#certificates = new Map();
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "proxy" });
    worker.onmessage = ({ data }: MessageEvent<Report>) => this.#reported(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#worker === worker) this.#crashed(event.message);
    };
    this.#worker = worker;
    this.#post({ kind: "start", limits: this.#limits });
  }

  #reported(report: Report): void {
    if (report.kind === "stopped") return this.#stopped?.();
    this.#ports = report.ports;
    if (report.kind === "changed" && report.id === this.#lastId) {
      this.#waiting?.(report.failed);
      this.#waiting = undefined;
    }
  }

  #crashed(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#ports = { http: {}, https: {} };
    this.#crash = "a thread of the embedded proxy ended unexpectedly; it is started again";
    this.#onCrash(reason);
    this.#waiting?.([]);
    this.#waiting = undefined;
    this.#stopped?.();
    if (performance.now() - this.#startedAt > SETTLED_MS) this.#crashes = 0;
    const pause = Math.min(RESTART_MS * 2 ** Math.min(this.#crashes++, 16), RESTART_MAX_MS);
    this.#timer = setTimeout(() => {
      const wanted = this.#wanted;
      if (wanted === undefined || wanted.sites.length === 0 || this.#worker !== undefined) return;
      this.#start();
      void this.#send(wanted);
    }, pause);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wanted = undefined;
    clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    this.#post({ kind: "stop" });
    // A thread that hangs is ended all the same
    const timer = setTimeout(resolve, this.#limits.graceMs + 1_000);
    await promise;
    clearTimeout(timer);
    worker.terminate();
    this.#worker = undefined;
    this.#ports = { http: {}, https: {} };
  }
}
