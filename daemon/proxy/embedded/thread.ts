/**
 * One thread of the embedded proxy, as the daemon sees it.
 *
 * @module
 */
import type { DesiredProxy, ServedCertificate, Site } from "../backend.ts";
import { changeBetween } from "./change.ts";
import type { Limits } from "./limits.ts";
import type { FailedSite, Order, PortsStatus, Report, Sharing } from "./protocol.ts";

/** The first pause before a thread that crashed is started again; doubled each time. */
const RESTART_MS = 100;
const RESTART_MAX_MS = 10_000;

/** A thread that has served this long starts anew at once when it crashes. */
const SETTLED_MS = 60_000;

/** What a thread tells, and whom it shares ports with. */
export interface ThreadOptions {
  /** Called when it ended unexpectedly. */
  readonly onCrash: (reason: string) => void;
  /** Called when a port was bound or lost at another time than during {@linkcode Thread.apply}. */
  readonly onPorts: () => void;
  readonly sharing: Sharing;
}

/** A thread, started when there is something to serve, and again when it crashes. */
export class Thread implements AsyncDisposable {
  readonly #limits: Limits;
  readonly #onCrash: (reason: string) => void;
  readonly #onPorts: () => void;
  readonly #sharing: Sharing;
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
  readonly #waiting = new Map<number, (failed: readonly FailedSite[]) => void>();
  #stopped: (() => void) | undefined;

  constructor(limits: Limits, options: ThreadOptions) {
    this.#limits = limits;
    this.#onCrash = options.onCrash;
    this.#onPorts = options.onPorts;
    this.#sharing = options.sharing;
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

  #send(desired: DesiredProxy, sharing = this.#sharing): Promise<readonly FailedSite[]> {
    const { change, sites, certificates } = changeBetween(this.#sites, this.#certificates, desired);
    this.#sites = sites;
    this.#certificates = certificates;
    const { promise, resolve } = Promise.withResolvers<readonly FailedSite[]>();
    this.#waiting.set(++this.#lastId, resolve);
    this.#post({ kind: "change", id: this.#lastId, change: { ...change, sharing } });
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
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      if (this.#worker === worker) this.#reported(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#worker === worker) this.#crashed(event.message);
    };
    this.#worker = worker;
    this.#post({ kind: "start", limits: this.#limits });
  }

  #reported(report: Report): void {
    if (report.kind === "stopped") return this.#stopped?.();
    if (report.kind === "crashed") return this.#crashed(report.reason);
    this.#ports = report.ports;
    if (report.kind === "ports" && this.#waiting.size === 0) this.#onPorts();
    if (report.kind === "changed") {
      this.#waiting.get(report.id)?.(report.failed);
      this.#waiting.delete(report.id);
    }
  }

  #crashed(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#ports = { http: {}, https: {} };
    this.#crash = "a thread of the embedded proxy ended unexpectedly; it is started again";
    this.#onCrash(reason);
    for (const resolve of this.#waiting.values()) resolve([]);
    this.#waiting.clear();
    this.#stopped?.();
    if (performance.now() - this.#startedAt > SETTLED_MS) this.#crashes = 0;
    const pause = Math.min(RESTART_MS * 2 ** Math.min(this.#crashes++, 16), RESTART_MAX_MS);
    this.#timer = setTimeout(() => {
      const wanted = this.#wanted;
      if (wanted === undefined || wanted.sites.length === 0 || this.#worker !== undefined) return;
      this.#start();
      // The other threads go on listening meanwhile
      void this.#send(wanted, this.#sharing === "none" ? "none" : "others");
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
