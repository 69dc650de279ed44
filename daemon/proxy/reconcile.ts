/**
 * Follows routes and certificates and keeps the proxy in step. Whatever was missed while the daemon was down is repaired by its start.
 *
 * *Issued* is not *served* until seen: after every change each site concerned is connected to and its leaf compared.
 *
 * @module
 */
import {
  certificateKey,
  CERTIFICATES,
  type Named,
  type Seen,
  type StoredCertificate,
} from "../certificates/records.ts";
import { type RouteFare, ROUTES, type StoredRoute } from "../routes/records.ts";
import type { Sealer } from "../secrets/mod.ts";
import { Mirror } from "../store/mirror.ts";
import type { Entry, Store } from "../store/store.ts";
import {
  type DesiredProxy,
  type ProxyBackend,
  type ProxyStatus,
  type ServedCertificate,
  siteId,
  type SiteStatus,
} from "./backend.ts";
import type { Challenges } from "./challenges.ts";
import { certificateFor, type CertificateSummary, desiredProxy } from "./desired.ts";

/** What the reconciler needs. */
export interface ReconcileDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly log: {
    info(text: string, facts?: Record<string, unknown>): void;
    warn(text: string, facts?: Record<string, unknown>): void;
    error(text: string, facts?: Record<string, unknown>): void;
  };
  readonly challenges: Challenges;
  readonly listen: Pick<DesiredProxy, "httpListen" | "httpsListen">;
  /** The leaf served for a name. */
  readonly leaf: (at: { readonly host: string; readonly port: number }, name: string) => Promise<string>;
}

/** Changes that come close together are applied together. */
const GATHER_MS = 10;
/** Pauses between looks at a site that does not serve what it should, until it is left to {@linkcode ProxyKeeper.tick}. */
const LOOKS_MS: readonly number[] = [0, 50, 100, 250, 500, 1000, 2000, 4000];
/** Sites looked at at once. */
const LOOKERS = 8;
/** A site that was fine is looked at again after this long. */
const LOOK_AGAIN_MS = 6 * 3_600_000;
/** A site that was not, after this long. */
const LOOK_SOON_MS = 30_000;
/** Pause after the proxy refused everything. */
const RETRY_MS = 5_000;

interface Sight {
  /** The certificate it should serve. */
  readonly expected: string;
  readonly domain: string;
  seen?: Seen;
  checkedAt?: number;
}

/** Keeps one proxy in step until it is closed. */
export class ProxyKeeper implements AsyncDisposable {
  readonly #deps: ReconcileDeps;
  readonly #routes: Mirror<StoredRoute>;
  readonly #certificates: Mirror<CertificateSummary>;
  readonly #served = new Map<string, { readonly revision: number; readonly certificate: ServedCertificate }>();
  #backend: ProxyBackend;
  #statuses = new Map<string, SiteStatus>();
  #appliedAt = 0;
  /** Certificates whose key does not open. */
  readonly #locked = new Set<string>();
  /** What is looked for at each HTTPS site, by the site's domain. */
  #sights = new Map<string, Sight>();
  #applying: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #toLook = new Set<string>();
  readonly #closing = new AbortController();
  #closed = false;
  #lastDetail = "";

  private constructor(
    deps: ReconcileDeps,
    backend: ProxyBackend,
    mirrors: { routes: Mirror<StoredRoute>; certificates: Mirror<CertificateSummary> },
  ) {
    this.#deps = deps;
    this.#backend = backend;
    this.#routes = mirrors.routes;
    this.#certificates = mirrors.certificates;
  }

  /** Starts keeping `backend` in step; it is closed with the keeper. */
  static async open(deps: ReconcileDeps, backend: ProxyBackend): Promise<ProxyKeeper> {
    const onError = (error: unknown) => deps.log.error("cannot read routes or certificates", { cause: String(error) });
    const routes = await Mirror.open<StoredRoute>(deps.store, ROUTES, { keep: ({ value }) => value, onError });
    const certificates = await Mirror.open<CertificateSummary>(deps.store, CERTIFICATES, { keep: summaryOf, onError });
    const keeper = new ProxyKeeper(deps, backend, { routes, certificates });
    routes.onChange(() => keeper.#changed());
    certificates.onChange(() => keeper.#changed());
    keeper.#changed();
    return keeper;
  }

  /** The proxy's name. */
  get backend(): string {
    return this.#backend.name;
  }

  /** How the proxy fares. */
  status(): ProxyStatus {
    return this.#backend.status();
  }

  /** Every certificate there is. */
  certificates(): Iterable<CertificateSummary> {
    return this.#certificates.all.values();
  }

  /** Serves by another proxy; routes stay, visitors are without one for as long as that takes. */
  async switchTo(backend: ProxyBackend): Promise<void> {
    const old = this.#backend;
    await this.#enqueue(async () => {
      await old[Symbol.asyncDispose]();
      this.#backend = backend;
      this.#statuses.clear();
      for (const sight of this.#sights.values()) forgetSight(sight);
    });
    await this.#applySoon();
  }

  /** Waits until all that is stored now is applied, and looked at once. */
  async settled(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    await this.#applySoon();
    await this.#looking;
  }

  /** Looks again at what was not served as it should, and now and then at everything. Call it every few seconds. */
  tick(): void {
    const now = this.#deps.now().getTime();
    // A site that the proxy refused may be fine by now, for example when its upstream's name resolves
    const refused = [...this.#statuses.values()].some(({ state }) => state === "failed");
    if (refused && Math.abs(now - this.#appliedAt) > LOOK_SOON_MS) this.#changed();
    const due = [...this.#sights].filter(([, { seen, checkedAt }]) =>
      checkedAt === undefined ||
      Math.abs(now - checkedAt) > (seen?.state === "served" ? LOOK_AGAIN_MS : LOOK_SOON_MS)
    );
    this.#look(due.map(([domain]) => domain));
    this.#tellStatus();
  }

  /** How a route fares. */
  fare(route: StoredRoute): RouteFare {
    const status = this.#statuses.get(route.domain);
    const proxy = this.#backend.status();
    if (status?.state === "failed") return { status: "failed", reason: status.reason ?? "the proxy refused it" };
    if (proxy.state === "failing") return { status: "failed", reason: proxy.detail };
    if (status === undefined) return { status: "pending", reason: "the proxy is being told" };
    if (route.tls_mode !== "none") {
      const certificate = certificateFor(route, this.#certificates.all);
      if (certificate === undefined) {
        const reason = route.tls_mode === "auto"
          ? "waits for its certificate; helyos cert ls tells more"
          : "waits for its certificate; import it with helyos cert import";
        return { status: "pending", reason };
      }
      if (this.#locked.has(certificate.domain)) {
        const reason =
          "the key of its certificate cannot be opened: was master.key replaced? Import or renew the certificate";
        return { status: "failed", reason };
      }
      const seen = this.#sights.get(route.domain)?.seen;
      if (seen?.state === "mismatch") return { status: "failed", reason: seen.detail ?? null };
    }
    if ((route.upstreams ?? []).length === 0) {
      return { status: "no_upstream", reason: "nothing answers yet; visitors get 503" };
    }
    return { status: "served", reason: null };
  }

  /** What the proxy was seen to serve for a certificate, over all the sites it is for. */
  seen(certificate: Named): Seen {
    let worst: Seen | undefined;
    for (const { domain, expected, seen } of this.#sights.values()) {
      if (domain !== certificate.domain || expected !== certificate.fingerprint || seen === undefined) continue;
      if (worst === undefined || seen.state === "mismatch") worst = seen;
    }
    return worst ?? { state: "issued", checkedAt: null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    clearTimeout(this.#gathering);
    this.#toLook.clear();
    await this.#routes[Symbol.asyncDispose]();
    await this.#certificates[Symbol.asyncDispose]();
    await this.#applying;
    await this.#looking;
    await this.#backend[Symbol.asyncDispose]();
  }

  #changed(): void {
    if (this.#closed || this.#gathering !== undefined) return;
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      void this.#applySoon();
    }, GATHER_MS);
  }

  /** One application that has not begun yet is enough for all changes until it begins. */
  #applySoon(): Promise<void> {
    return this.#queued ??= this.#enqueue(() => {
      this.#queued = undefined;
      return this.#apply();
    });
  }

  #enqueue(job: () => Promise<void>): Promise<void> {
    return this.#applying = this.#applying.then(async () => {
      if (this.#closed) return;
      try {
        await job();
      } catch (error) {
        this.#deps.log.error("the proxy could not be told what to serve; trying again", { cause: messageOf(error) });
        void this.#pause(RETRY_MS).then(() => this.#changed());
      }
    });
  }

  async #apply(): Promise<void> {
    const routes = [...this.#routes.all.values()];
    if (routes.length > 0) await this.#deps.challenges.listen();
    const served = new Map<string, ServedCertificate>();
    const sights = new Map<string, Sight>();
    for (const route of routes) {
      const chosen = certificateFor(route, this.#certificates.all);
      const certificate = chosen && await this.#open(chosen);
      if (chosen === undefined || certificate === undefined) continue;
      served.set(route.domain, certificate);
      const known = this.#sights.get(route.domain);
      sights.set(
        route.domain,
        known?.expected === chosen.fingerprint && known.domain === chosen.domain
          ? known
          : { expected: chosen.fingerprint, domain: chosen.domain },
      );
    }
    this.#forgetUnused(served);
    const desired = desiredProxy(routes, served, { ...this.#deps.listen, challenges: this.#deps.challenges });
    const statuses = await this.#backend.apply(desired);
    this.#statuses = new Map(statuses.map((status) => [status.domain, status]));
    this.#appliedAt = this.#deps.now().getTime();
    this.#sights = sights;
    this.#look([...sights].filter(([, sight]) => sight.checkedAt === undefined).map(([domain]) => domain));
    this.#tellStatus();
  }

  /** A certificate with its key in the clear: in memory, and only while a site uses it. */
  async #open(summary: CertificateSummary): Promise<ServedCertificate | undefined> {
    const known = this.#served.get(summary.domain);
    if (known?.revision === summary.revision) return known.certificate;
    const name = certificateKey(summary.domain);
    const entry = await this.#deps.store.get<StoredCertificate>(name);
    if (entry === undefined) return undefined;
    try {
      const clear = await this.#deps.sealer.open(name, Uint8Array.fromBase64(entry.value.sealedKey));
      const certificate: ServedCertificate = {
        id: await siteId(summary.domain),
        names: entry.value.names,
        certPem: entry.value.chainPem,
        keyPem: new TextDecoder().decode(clear),
      };
      this.#served.set(summary.domain, { revision: entry.revision, certificate });
      this.#locked.delete(summary.domain);
      return certificate;
    } catch (error) {
      this.#locked.add(summary.domain);
      this.#deps.log.error(`the key of ${summary.domain} cannot be opened, so it is not served`, {
        cause: messageOf(error),
      });
      return undefined;
    }
  }

  #forgetUnused(served: ReadonlyMap<string, ServedCertificate>): void {
    const used = new Set(served.values());
    for (const [domain, { certificate }] of this.#served) if (!used.has(certificate)) this.#served.delete(domain);
  }

  #look(domains: readonly string[]): void {
    if (domains.length === 0 || this.#closed) return;
    const idle = this.#toLook.size === 0;
    for (const domain of domains) this.#toLook.add(domain);
    if (!idle) return;
    this.#looking = this.#looking.then(async () => {
      await Promise.all(Array.from({ length: LOOKERS }, async () => {
        for (const domain of this.#toLook) {
          this.#toLook.delete(domain);
          await this.#lookAt(domain);
          if (this.#closed) return;
        }
      }));
    });
  }

  async #lookAt(domain: string): Promise<void> {
    const before = this.#sights.get(domain)?.seen;
    for (const pause of LOOKS_MS) {
      if (pause > 0) await this.#pause(pause);
      const sight = this.#sights.get(domain);
      if (sight === undefined || this.#closed) return;
      const now = this.#deps.now();
      sight.seen = { ...await this.#compare(domain, sight), checkedAt: now.toISOString() };
      sight.checkedAt = now.getTime();
      if (sight.seen.state === "served") {
        if (before?.state !== "served") this.#deps.log.info(`${domain} is served with its certificate`);
        return;
      }
      // A proxy that is down is told by its own status, and looked at again by the next tick
      if (pause >= 250 && this.#backend.status().https === undefined) return;
    }
    const seen = this.#sights.get(domain)?.seen;
    if (seen?.state === "mismatch" && seen.detail !== before?.detail) {
      this.#deps.log.warn(`${domain} is not served as it should be: ${seen.detail}`);
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = () => resolve();
    const timer = setTimeout(stop, milliseconds);
    this.#closing.signal.addEventListener("abort", stop);
    await promise;
    clearTimeout(timer);
    this.#closing.signal.removeEventListener("abort", stop);
  }

  async #compare(domain: string, { expected }: Sight): Promise<Pick<Seen, "state" | "detail">> {
    const at = this.#backend.status().https;
    if (at === undefined) return { state: "issued", detail: "the proxy does not listen for HTTPS" };
    try {
      const found = await this.#deps.leaf(at, domain);
      return found === expected
        ? { state: "served" }
        : { state: "mismatch", detail: `the proxy serves another certificate, ${found}` };
    } catch (error) {
      return { state: "mismatch", detail: `the proxy serves no certificate: ${messageOf(error)}` };
    }
  }

  #tellStatus(): void {
    const { state, detail } = this.#backend.status();
    if (detail === this.#lastDetail) return;
    this.#lastDetail = detail;
    if (state === "failing") this.#deps.log.warn(`proxy ${this.#backend.name}: ${detail}; the API goes on`);
    else this.#deps.log.info(`proxy ${this.#backend.name}: ${detail}`);
  }
}

function forgetSight(sight: Sight): void {
  delete sight.seen;
  delete sight.checkedAt;
}

function summaryOf({ value, revision }: Entry<StoredCertificate>): CertificateSummary {
  const { domain, source, fingerprint, notAfter } = value;
  return { domain, source, fingerprint, notAfter: new Date(notAfter), revision };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
