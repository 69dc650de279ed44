/**
 * The store on SQLite: one file, WAL, every commit on disk before it is acknowledged.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { corruptError, storeError } from "./sqlite_errors.ts";
import { SqliteLocks } from "./sqlite_lock.ts";
import { migrate, refuseForeign } from "./sqlite_schema.ts";
import { Watchers } from "./sqlite_watch.ts";
import {
  type Change,
  checkKey,
  checkOperations,
  type Entry,
  type Guard,
  type ListOptions,
  type Lock,
  type LockOptions,
  type Operation,
  prefixEnd,
  type Store,
  StoreError,
} from "./store.ts";

/** Options for {@linkcode openSqliteStore}. */
export interface SqliteStoreOptions {
  /** For the expiry of locks. */
  readonly now?: () => Date;
  /**
   * How often to look for commits of other processes while somebody watches or waits for a lock.
   * @default {200}
   */
  readonly pollMs?: number;
  /**
   * How long to wait for another process's commit before failing with `busy`.
   * @default {5000}
   */
  readonly busyMs?: number;
}

/** Databases up to this size are checked whole at start; SQLite notices damage in larger ones when it reads the page. */
const MAX_CHECKED_BYTES = 256 * 1024 * 1024;

/** Revisions whose changes are kept for watchers of other processes. */
const KEPT_REVISIONS = 4096;

/**
 * Opens `state.db`, creating it 0600 when it is not there.
 *
 * @param path The file, or `:memory:` for a store that dies with the process.
 * @throws {StoreError} `corrupt`, `newer`, `read_only`, `full` or `busy`; then the file is as it was.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  try {
    if (path !== ":memory:") await prepareFile(path);
    const db = new DatabaseSync(path);
    try {
      // busy_timeout first: switching to WAL takes a lock too
      db.exec(`PRAGMA busy_timeout = ${Math.trunc(options.busyMs ?? 5000)}`);
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
      migrate(db, path);
      return new SqliteStore(db, path, options);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw storeError(error, path);
  }
}

/**
 * Judges the file and changes nothing, for `--check`.
 *
 * @throws {StoreError} `corrupt`, `newer` or `read_only`.
 */
export async function checkSqliteStore(path: string): Promise<"absent" | "sound"> {
  try {
    const size = await fileSize(path);
    if (size === undefined || size === 0) return "absent"; // empty: a start that was killed before it wrote anything
    await refuseDamaged(path, size);
    return "sound";
  } catch (error) {
    throw storeError(error, path);
  }
}

/** Creates the file with its final mode (SQLite gives -wal and -shm the same), or judges the one that is there. */
async function prepareFile(path: string): Promise<void> {
  try {
    (await Deno.open(path, { createNew: true, write: true, mode: 0o600 })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    await checkSqliteStore(path);
  }
}

async function refuseDamaged(path: string, size: number): Promise<void> {
  // With a log there: as a reader, whose close never moves it into the database, so a damaged file stays as it was found.
  // Without one: as a writer that writes nothing, whose close takes the empty log away that every opening creates.
  const readOnly = await fileSize(`${path}-wal`) !== undefined;
  const db = new DatabaseSync(path, { readOnly });
  try {
    db.exec("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF");
    refuseForeign(db, path);
    if (size > MAX_CHECKED_BYTES) return;
    const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check?: string } | undefined;
    if (row?.quick_check !== "ok") throw corruptError(path, row?.quick_check ?? "no answer");
  } finally {
    db.close();
  }
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

interface Row {
  key: string;
  value: string;
  revision: number;
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #watchers: Watchers;
  readonly #locks: SqliteLocks;
  readonly #statements = new Map<string, StatementSync>();
  #closed = false;

  constructor(db: DatabaseSync, path: string, options: SqliteStoreOptions) {
    this.#db = db;
    this.#path = path;
    this.#watchers = new Watchers({
      revision: () => this.#revision(),
      changesSince: (seen) => this.#changesSince(seen),
      dataVersion: () => this.#number("PRAGMA data_version", "data_version"),
    }, options.pollMs ?? 200);
    this.#locks = new SqliteLocks({
      transact: (work) => this.#transact(work),
      run: (sql, ...values) => this.#run(sql, ...values),
      row: (sql, ...values) => this.#row(sql, ...values),
      write: (key, json) => this.#write(key, json),
      changed: (key) => this.#watchers.changed([key]),
      watch: (prefix, signal) => this.watch(prefix, signal),
      now: options.now ?? (() => new Date()),
    });
  }

  get<T>(key: string): Promise<Entry<T> | undefined> {
    return this.#guarded(() => {
      checkKey(key);
      const row = this.#row<Row>("SELECT key, value, revision FROM entries WHERE key = ?", key);
      return row === undefined ? undefined : this.#entry<T>(row);
    });
  }

  list<T>(prefix: string, options: ListOptions = {}): Promise<Entry<T>[]> {
    return this.#guarded(() => {
      const { limit, after, until, reverse = false } = options;
      if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
        throw new RangeError(`limit must be a whole number, got ${limit}`);
      }
      const end = prefixEnd(prefix);
      const bounds: [string, string][] = [["key >= ?", prefix]];
      if (end !== undefined) bounds.push(["key < ?", end]);
      if (after !== undefined) bounds.push(["key > ?", after]);
      if (until !== undefined) bounds.push(["key < ?", until]);
      const sql = `SELECT key, value, revision FROM entries WHERE ${bounds.map(([text]) => text).join(" AND ")} ` +
        `ORDER BY key ${reverse ? "DESC" : "ASC"} LIMIT ?`;
      const rows = this.#statement(sql).all(...bounds.map(([, value]) => value), limit ?? -1) as unknown as Row[];
      return rows.map((row) => this.#entry<T>(row));
    });
  }

  commit(operations: readonly Operation[], guards: readonly Guard[] = []): Promise<boolean> {
    return this.#guarded(() => {
      const changes = checkOperations(operations);
      const committed = this.#transact(() => {
        for (const guard of guards) {
          const row = this.#row<{ revision: number }>("SELECT revision FROM entries WHERE key = ?", guard.key);
          if ((row?.revision ?? 0) !== guard.revision) return false;
        }
        if (changes.length === 0) return true;
        const revision = this.#nextRevision();
        for (const { key, json } of changes) this.#write(key, json, revision);
        return true;
      });
      if (committed) this.#watchers.changed(changes.map((change) => change.key));
      return committed;
    });
  }

  watch(prefix: string, signal?: AbortSignal): AsyncIterableIterator<Change> {
    if (this.#closed) throw new StoreError("closed", `The store ${this.#path} is closed`);
    return this.#watchers.watch(prefix, signal);
  }

  lock(name: string, options: LockOptions): Promise<Lock> {
    return this.#guarded(() => this.#locks.take(name, options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#watchers.close();
    this.#statements.clear();
    try {
      this.#db.close();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(storeError(error, this.#path));
    }
  }

  async #guarded<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError("closed", `The store ${this.#path} is closed`);
    try {
      return await work();
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError || error instanceof DOMException) throw error;
      throw storeError(error, this.#path);
    }
  }

  /** Runs `work` in a write transaction; `false` undoes it. */
  #transact<T>(work: () => T): T {
    this.#statement("BEGIN IMMEDIATE").run();
    let result: T;
    try {
      result = work();
      this.#statement(result === false ? "ROLLBACK" : "COMMIT").run();
    } catch (error) {
      // A full disk may have ended the transaction already; then there is nothing to undo
      try {
        this.#statement("ROLLBACK").run();
      } catch { /* the first error is the one to tell */ }
      throw error;
    }
    return result;
  }

  #nextRevision(): number {
    const revision = this.#number(
      "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value",
      "value",
    );
    if (revision % 256 === 0) this.#run("DELETE FROM changes WHERE revision <= ?", revision - KEPT_REVISIONS);
    return revision;
  }

  #write(key: string, json: string | undefined, revision = this.#nextRevision()): number {
    if (json === undefined) this.#run("DELETE FROM entries WHERE key = ?", key);
    else this.#run("INSERT OR REPLACE INTO entries (key, value, revision) VALUES (?, ?, ?)", key, json, revision);
    this.#run("INSERT OR IGNORE INTO changes (revision, key) VALUES (?, ?)", revision, key);
    return revision;
  }

  #revision(): number {
    return this.#number("SELECT value FROM counters WHERE name = 'revision'", "value");
  }

  /** Keys changed after revision `seen`, or undefined when they are no longer all known. */
  #changesSince(seen: number): string[] | undefined {
    if (this.#revision() - seen > KEPT_REVISIONS - 256) return undefined;
    const rows = this.#statement("SELECT DISTINCT key FROM changes WHERE revision > ?").all(seen);
    return rows.map((row) => row.key as string);
  }

  #entry<T>(row: Row): Entry<T> {
    try {
      return { key: row.key, value: JSON.parse(row.value) as T, revision: row.revision };
    } catch {
      throw corruptError(this.#path, `the value of ${row.key} is not JSON`);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #run(sql: string, ...values: (string | number)[]): void {
    this.#statement(sql).run(...values);
  }

  #row<T>(sql: string, ...values: (string | number)[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }

  #number(sql: string, column: string): number {
    return this.#row<Record<string, number>>(sql)![column]!;
  }
}
