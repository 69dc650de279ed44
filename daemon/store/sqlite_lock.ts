/**
 * Locks with a time to live, kept in the database so that a crash frees them and the fence outlives everything.
 *
 * A held lock is the entry `locks/NAME`; its revision is the fence, since the store's revision only grows. When it expires
 * stands in a table of its own, so that renewing does not change the revision that guards refer to.
 *
 * @module
 */
import { type Change, checkKey, type Lock, type LockOptions, LOCKS, StoreError } from "./store.ts";

/** What the locks need of the open database. */
export interface LockDatabase {
  transact<T>(work: () => T): T;
  run(sql: string, ...values: (string | number)[]): void;
  row<T>(sql: string, ...values: (string | number)[]): T | undefined;
  /** Writes or deletes an entry under a new revision, which it returns. */
  write(key: string, json: string | undefined): number;
  watch(prefix: string, signal?: AbortSignal): AsyncIterableIterator<Change>;
  changed(key: string): void;
  now(): Date;
}

/** Takes and frees locks. */
export class SqliteLocks {
  constructor(readonly db: LockDatabase) {}

  async take(name: string, options: LockOptions): Promise<Lock> {
    const { ttlMs, signal } = options;
    checkKey(LOCKS + name);
    if (!(ttlMs > 0) || !Number.isFinite(ttlMs)) throw new RangeError(`ttlMs must be a positive number, got ${ttlMs}`);
    signal?.throwIfAborted();
    let held = this.#try(name, ttlMs);
    if (typeof held === "number") return new SqliteLock(this.db, name, held, ttlMs);
    // Watch first, look again, then wait: a release between the two is not missed
    const freed = this.db.watch(LOCKS + name, signal);
    try {
      let next = freed.next();
      let stale = held;
      let staleSince = performance.now();
      for (;;) {
        // The clock may have gone back since the lock was taken: what nobody renewed for its whole life is free as well
        const dead = performance.now() - staleSince >= stale.ttlMs ? stale : undefined;
        held = this.#try(name, ttlMs, dead);
        if (typeof held === "number") return new SqliteLock(this.db, name, held, ttlMs);
        if (held.fence !== stale.fence || held.expiresAt !== stale.expiresAt) {
          stale = held;
          staleSince = performance.now();
        }
        // Capped: a renewal moves the expiry without a change to watch
        const expiresInMs = held.expiresAt - this.db.now().getTime();
        const woken = await firstOf(next, Math.min(Math.max(expiresInMs, 1), 1000));
        signal?.throwIfAborted();
        if (woken === undefined) continue;
        if (woken.done) throw new StoreError("closed", `Cannot wait for lock ${name}: the store is closed`);
        next = freed.next();
      }
    } finally {
      await freed.return?.();
    }
  }

  /** Takes the lock if it is free, expired, or still held as `dead` says; returns its fence, or who holds it. */
  #try(name: string, ttlMs: number, dead?: Held): number | Held {
    const taken = this.db.transact(() => {
      const now = this.db.now().getTime();
      const held = this.db.row<Held>(
        `SELECT e.revision AS fence, l.expires_at AS expiresAt, l.ttl_ms AS ttlMs
           FROM lock_expiries l JOIN entries e ON e.key = '${LOCKS}' || l.name WHERE l.name = ?`,
        name,
      );
      const isDead = held?.fence === dead?.fence && held?.expiresAt === dead?.expiresAt;
      if (held !== undefined && held.expiresAt > now && !isDead) return held;
      const fence = this.db.write(LOCKS + name, "{}");
      const ttl = Math.ceil(ttlMs);
      this.db.run(
        "INSERT OR REPLACE INTO lock_expiries (name, expires_at, ttl_ms) VALUES (?, ?, ?)",
        name,
        now + ttl,
        ttl,
      );
      return fence;
    });
    if (typeof taken === "number") this.db.changed(LOCKS + name);
    return taken;
  }
}

/** A lock as the database has it. */
interface Held {
  readonly fence: number;
  readonly expiresAt: number;
  readonly ttlMs: number;
}

class SqliteLock implements Lock {
  readonly #db: LockDatabase;
  readonly #name: string;
  readonly #ttlMs: number;

  constructor(db: LockDatabase, name: string, readonly fence: number, ttlMs: number) {
    this.#db = db;
    this.#name = name;
    this.#ttlMs = ttlMs;
  }

  get guard(): { key: string; revision: number } {
    return { key: LOCKS + this.#name, revision: this.fence };
  }

  // deno-lint-ignore require-await
  async renew(): Promise<void> {
    const renewed = this.#db.transact(() => {
      if (!this.#isOurs()) return false;
      const expiresAt = Math.ceil(this.#db.now().getTime() + this.#ttlMs);
      this.#db.run("UPDATE lock_expiries SET expires_at = ? WHERE name = ?", expiresAt, this.#name);
      return true;
    });
    if (!renewed) throw new StoreError("lock_lost", `Lock ${this.#name} was lost: it was not renewed in time`);
  }

  // deno-lint-ignore require-await
  async release(): Promise<void> {
    const released = this.#db.transact(() => {
      if (!this.#isOurs()) return false;
      this.#db.write(LOCKS + this.#name, undefined);
      this.#db.run("DELETE FROM lock_expiries WHERE name = ?", this.#name);
      return true;
    });
    if (released) this.#db.changed(LOCKS + this.#name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {/* as on a full disk: it expires */});
  }

  #isOurs(): boolean {
    const row = this.#db.row<{ revision: number }>("SELECT revision FROM entries WHERE key = ?", LOCKS + this.#name);
    return row?.revision === this.fence;
  }
}

/** The promise's value, or undefined when it takes longer. */
async function firstOf<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => timer = setTimeout(resolve, ms, undefined));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
