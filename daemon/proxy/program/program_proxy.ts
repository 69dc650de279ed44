/**
 * A proxy that is a program of its own: told what to serve, watched, and started again when it ends.
 *
 * @module
 */
import {
  type Address,
  type DesiredProxy,
  type ProxyBackend,
  type ProxyStatus,
  type ServedCertificate,
  siteId,
  type SiteStatus,
} from "../backend.ts";
import { CertificateFolder } from "./certificate_files.ts";
import { type Child, startChild } from "./child.ts";
import { type Driver, type Plan, type PlannedSite, ProgramDown, ProgramUnavailable, type Refusal } from "./driver.ts";
import { judgeCertificate } from "./judge.ts";
import { type Offer, offersOf, type Version } from "./offers.ts";
import { ChosenPorts, hostPort } from "./ports.ts";
import { whyDown } from "./reasons.ts";

/** First pause before another try; it doubles. */
const RETRY_MS = 250;
/** The longest pause, and the one after which a refused site is offered again. */
const LONGEST_RETRY_MS = 30_000;
/** Who served that long has not failed to start. */
const SETTLED_MS = 10_000;
/** How long a program may take to serve what it was told: at least, and for each site. */
const LOAD_MS = 20_000;
const LOAD_SITE_MS = 10;

/** What it needs. */
export interface ProgramProxyOptions {
  readonly driver: Driver;
  /** The program; a name that is looked up on PATH, or a path. */
  readonly program: string;
  /** Where its files are: absolute, private, its own. */
  readonly folder: string;
  /** Told each line the program writes. */
  readonly onLine?: (line: string) => void;
}

interface Started {
  readonly child: Child;
  readonly listens: string;
  readonly over: AbortController;
}

/** See {@linkcode ProxyBackend}. */
export class ProgramProxy implements ProxyBackend {
  readonly #options: ProgramProxyOptions;
  readonly #driver: Driver;
  readonly #certificates: CertificateFolder;
  readonly #ports = new ChosenPorts();
  readonly #ids = new Map<string, string>();
  #desired: DesiredProxy | undefined;
  /** What was applied last, and is served. */
  #served: string | undefined;
  #accepted = new Map<string, Version>();
  #statuses: readonly SiteStatus[] = [];
  #status: ProxyStatus = { state: "idle", detail: "nothing to serve" };
  #started: Started | undefined;
  /** Where something is served, even while what is wanted now is not. */
  #bound: Pick<ProxyStatus, "http" | "https"> = {};
  #working: Promise<unknown> = Promise.resolve();
  #busy = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #servingSince = 0;
  #cleared = false;
  #closed = false;

  constructor(options: ProgramProxyOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#certificates = new CertificateFolder(`${options.folder}/certs`);
  }

  get name(): string {
    return this.#driver.name;
  }

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    this.#desired = desired;
    await this.#enqueue();
    return this.#statuses;
  }

  status(): ProxyStatus {
    return this.#status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#started?.over.abort(new ProgramDown("it is being ended"));
    await this.#working;
    await this.#rest();
  }

  #enqueue(): Promise<void> {
    const job = this.#working.then(async () => {
      if (this.#closed) return;
      this.#busy = true;
      try {
        await this.#reconcile(this.#desired!);
      } finally {
        this.#busy = false;
      }
    });
    this.#working = job.catch(() => {/* apply() rejects with it */});
    return job;
  }

  async #reconcile(desired: DesiredProxy): Promise<void> {
    const fingerprint = fingerprintOf(desired);
    if (fingerprint === this.#served && this.#status.state === "serving") return;
    clearTimeout(this.#retry);
    this.#served = undefined;
    const offers = offersOf(desired, this.#accepted);
    try {
      await this.#once();
      if (desired.sites.length === 0) {
        await this.#rest();
        this.#status = { state: "idle", detail: "nothing to serve" };
      } else {
        await this.#serve(desired, offers);
        this.#served = fingerprint;
      }
    } catch (error) {
      if (!(error instanceof ProgramDown || error instanceof ProgramUnavailable)) throw error;
      this.#fail(error.message);
    } finally {
      this.#statuses = offers.map(statusOf);
    }
  }

  /** What a daemon that was killed left behind is no use to this one. */
  async #once(): Promise<void> {
    if (this.#cleared) return;
    await this.#driver.endLeftover();
    this.#cleared = true;
  }

  async #serve(desired: DesiredProxy, offers: readonly Offer[]): Promise<void> {
    const fixed = {
      http: await this.#ports.of("http", desired.httpListen),
      https: await this.#ports.of("https", desired.httpsListen),
      challenges: desired.challenges.address,
    };
    for (;;) {
      await this.#certificates.write(certificatesOf(offers));
      const plan: Plan = { ...fixed, sites: await this.#planned(offers) };
      const refusals = await this.#bring(plan);
      if (refusals.length === 0) break;
      const byDomain = new Map(offers.map((offer) => [offer.domain, offer]));
      for (const { domain, reason } of refusals) {
        const offer = byDomain.get(domain);
        if (offer?.version === undefined) throw new ProgramDown(reason);
        offer.refuse(reason);
      }
    }
    this.#accepted = new Map(offers.flatMap(({ domain, version }) => version === undefined ? [] : [[domain, version]]));
    await this.#certificates.keepOnly(certificatesOf(offers));
    this.#tellServing(offers, fixed);
  }

  #tellServing(offers: readonly Offer[], { http, https }: { readonly http: Address; readonly https: Address }): void {
    const good = offers.filter(({ reason }) => reason === undefined).length;
    const sites = good === offers.length ? `${good}` : `${good} of ${offers.length}`;
    const plural = offers.length === 1 ? "site" : "sites";
    this.#bound = { http, https };
    this.#status = { state: "serving", detail: `${this.#driver.title} serves ${sites} ${plural}`, ...this.#bound };
    this.#servingSince = Date.now();
    // For example the name of an upstream that did not resolve may do so later
    if (offers.some(({ refused }) => refused)) {
      this.#again(LONGEST_RETRY_MS, () => this.#served = undefined);
    }
  }

  async #planned(offers: readonly Offer[]): Promise<PlannedSite[]> {
    const sites: PlannedSite[] = [];
    for (const { domain, version } of offers) {
      if (version === undefined) continue;
      let id = this.#ids.get(domain);
      if (id === undefined) this.#ids.set(domain, id = await siteId(domain));
      const { site, certificate } = version;
      sites.push({
        id,
        domain,
        upstreams: site.upstreams,
        redirectToHttps: site.redirectToHttps && certificate !== undefined,
        ...(certificate === undefined ? {} : { certificate: this.#certificates.filesOf(certificate) }),
        ...(site.hstsSeconds === undefined ? {} : { hstsSeconds: site.hstsSeconds }),
      });
    }
    return sites;
  }

  async #bring(plan: Plan): Promise<readonly Refusal[]> {
    const driver = this.#driver;
    const listens = `${hostPort(plan.http)} ${hostPort(plan.https)}`;
    if (this.#started !== undefined && this.#started.listens !== listens) await this.#stop();
    const refusals = await driver.prepare(plan);
    if (refusals.length > 0) return refusals;
    if (driver.supervised && this.#started === undefined) this.#start(plan, listens);
    const late = new AbortController();
    const patienceMs = LOAD_MS + LOAD_SITE_MS * plan.sites.length;
    const seconds = Math.round(patienceMs / 1000);
    const timer = setTimeout(
      () => late.abort(new ProgramDown(`${driver.title} did not take its configuration within ${seconds} seconds`)),
      patienceMs,
    );
    try {
      const over = this.#started?.over.signal;
      const signal = over === undefined ? late.signal : AbortSignal.any([over, late.signal]);
      return await driver.load(plan, this.#started?.child, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #start(plan: Plan, listens: string): void {
    const { program, folder, onLine } = this.#options;
    const child = startChild(program, this.#driver.args(plan), { cwd: folder, ...(onLine ? { onLine } : {}) });
    const started: Started = { child, listens, over: new AbortController() };
    this.#started = started;
    void child.ended.then((lines) => {
      if (this.#started !== started) return; // ended by us
      this.#started = undefined;
      this.#served = undefined;
      this.#bound = {};
      const down = new ProgramDown(whyDown(this.#driver.title, lines, plan));
      started.over.abort(down);
      // While it is being told something, whoever waits for that is told
      if (!this.#busy && !this.#closed) this.#fail(down.message);
    });
  }

  async #stop(): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    this.#bound = {};
    await started?.child.stop();
  }

  async #rest(): Promise<void> {
    await this.#stop();
    this.#accepted.clear();
    await this.#driver.clear();
    await this.#certificates.keepOnly([]);
  }

  #fail(detail: string): void {
    if (Date.now() - this.#servingSince > SETTLED_MS) this.#failures = 0;
    this.#servingSince = Date.now();
    this.#status = { state: "failing", detail, ...this.#bound };
    this.#again(Math.min(RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS));
  }

  #again(milliseconds: number, before?: () => void): void {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      before?.();
      this.#enqueue().catch((error) => this.#fail(String(error)));
    }, milliseconds);
  }
}

function* certificatesOf(offers: readonly Offer[]): Generator<ServedCertificate> {
  for (const { version } of offers) if (version?.certificate !== undefined) yield version.certificate;
}

function statusOf({ domain, reason }: Offer): SiteStatus {
  return reason === undefined ? { domain, state: "served" } : { domain, state: "failed", reason };
}

function fingerprintOf({ sites, certificates, httpListen, httpsListen, challenges }: DesiredProxy): string {
  const tags = certificates.map((one) => judgeCertificate(one).tag);
  return JSON.stringify([sites, tags, httpListen, httpsListen, challenges.address]);
}
