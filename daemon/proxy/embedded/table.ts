/**
 * Which site answers for a host name, and which upstream for a request.
 *
 * @module
 */
import type { Address, Site } from "../backend.ts";
import type { Limits } from "./limits.ts";
import { UpstreamPool } from "./upstream.ts";

/** A site and its upstreams. */
export class ServedSite {
  readonly site: Site;
  readonly #pools: readonly UpstreamPool[];
  #next = 0;

  constructor(site: Site, pools: readonly UpstreamPool[]) {
    this.site = site;
    this.#pools = pools;
  }

  /** How many upstreams there are. */
  get size(): number {
    return this.#pools.length;
  }

  /**
   * The upstream whose turn it is: one that seems alive, else the one that has rested longest; undefined when all were tried. Where
   * all seem dead they are asked nevertheless, because being wrong costs a visitor nothing.
   */
  pick(tried: readonly UpstreamPool[]): UpstreamPool | undefined {
    const pools = this.#pools;
    if (pools.length === 1) return tried.length === 0 ? pools[0] : undefined;
    const now = performance.now();
    let resting: UpstreamPool | undefined;
    const start = this.#next++;
    for (let offset = 0; offset < pools.length; offset++) {
      const pool = pools[(start + offset) % pools.length]!;
      if (tried.includes(pool)) continue;
      if (pool.ejectedUntil <= now) return pool;
      if (resting === undefined || pool.ejectedUntil < resting.ejectedUntil) resting = pool;
    }
    return resting;
  }
}

/** Sites by domain. */
export class SiteTable {
  readonly #limits: Limits;
  readonly #sites = new Map<string, ServedSite>();
  #pools = new Map<string, UpstreamPool>();
  /** Changes whenever the table does. */
  version = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** How many sites there are. */
  get size(): number {
    return this.#sites.size;
  }

  /** Every site. */
  *all(): Iterable<Site> {
    for (const { site } of this.#sites.values()) yield site;
  }

  /** Whether a site is like that. */
  some(test: (site: Site) => boolean): boolean {
    for (const site of this.all()) if (test(site)) return true;
    return false;
  }

  /** Takes over changes. */
  change(put: readonly Site[], drop: readonly string[]): void {
    for (const domain of drop) this.#sites.delete(domain);
    for (const site of put) {
      this.#sites.set(site.domain, new ServedSite(site, site.upstreams.map((address) => this.pool(address))));
    }
    this.version++;
    const used = new Set<string>();
    for (const { site } of this.#sites.values()) for (const address of site.upstreams) used.add(keyOf(address));
    for (const [key, pool] of this.#pools) {
      if (used.has(key)) continue;
      this.#pools.delete(key);
      pool.close();
    }
  }

  /** The upstream at an address; sites that share it share what is known of it. */
  pool(address: Address): UpstreamPool {
    const key = keyOf(address);
    let pool = this.#pools.get(key);
    if (pool === undefined) this.#pools.set(key, pool = new UpstreamPool(address, this.#limits));
    return pool;
  }

  /** The site for a lower-case host name: its own, else the wildcard one label above. */
  find(host: string): ServedSite | undefined {
    const exact = this.#sites.get(host);
    if (exact !== undefined) return exact.site.domain.startsWith("*") ? undefined : exact;
    const dot = host.indexOf(".");
    return dot < 1 ? undefined : this.#sites.get(`*${host.slice(dot)}`);
  }

  /** Closes what has been idle for too long. */
  sweep(now: number): void {
    for (const pool of this.#pools.values()) pool.sweep(now);
  }

  /** Closes every idle connection. */
  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }
}

function keyOf({ host, port }: Address): string {
  return `${host} ${port}`;
}
