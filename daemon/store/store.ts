/**
 * PORT: where the daemon keeps its state. Keys in byte order, JSON values, atomic commits with guards, a watch, locks.
 *
 * Several processes may have the same store open, so every method speaks of what is stored, never of what this process
 * remembers. `tests/daemon/store/contract.ts` holds the suite every adapter must pass.
 *
 * @module
 */

/** One stored value. */
export interface Entry<T = unknown> {
  /** Its key. */
  readonly key: string;
  /** Its value, fresh from JSON: changing it changes nothing stored. */
  readonly value: T;
  /**
   * Number of the commit that wrote it. Grows with every commit of the whole store and never repeats, so a key that was
   * deleted and written again never shows an old revision.
   */
  readonly revision: number;
}

/** One change within a commit. */
export type Operation =
  | { readonly put: string; readonly value: unknown }
  | { readonly delete: string };

/** A condition of a commit: the key is still at this revision; 0 means it must not exist. */
export interface Guard {
  readonly key: string;
  readonly revision: number;
}

/** Which part of a prefix to list. Bounds are keys and mean the same in both directions. */
export interface ListOptions {
  /** At most so many entries; all of them when absent. */
  readonly limit?: number;
  /** Only keys greater than this one. */
  readonly after?: string;
  /** Only keys smaller than this one. */
  readonly until?: string;
  /** From the greatest key down. */
  readonly reverse?: boolean;
}

/** How long a lock lives. */
export interface LockOptions {
  /** The lock is free for others this long after it was taken or last renewed, whatever became of its holder. */
  readonly ttlMs: number;
  /** Stops waiting; the promise then rejects with the signal's reason and nothing is held. */
  readonly signal?: AbortSignal;
}

/**
 * A lock that is held, as far as this process knows: after `ttlMs` without {@linkcode Lock.renew} others may have it.
 *
 * Disposing releases it and never fails, so that what went wrong meanwhile is what is told: a lock that cannot be released expires.
 */
export interface Lock extends AsyncDisposable {
  /** Grows with every taking of this lock, also over crashes and releases: what it protects can refuse a smaller one. */
  readonly fence: number;
  /** Give this to {@linkcode Store.commit}: the commit is refused once somebody else has taken the lock. */
  readonly guard: Guard;
  /**
   * Starts `ttlMs` anew.
   * @throws {StoreError} `lock_lost` when somebody else has taken it, or it was released.
   */
  renew(): Promise<void>;
  /** Frees it if it is still ours; else does nothing. */
  release(): Promise<void>;
}

/** What a watcher is told. */
export interface Change {
  /** A key that was written or deleted; the watched prefix itself when too much changed to name it: look at all of it. */
  readonly key: string;
}

/** The port. Methods reject with {@linkcode StoreError}, and with `TypeError` or `RangeError` for misuse. */
export interface Store extends AsyncDisposable {
  /** The entry of `key`, or undefined when there is none. */
  get<T = unknown>(key: string): Promise<Entry<T> | undefined>;
  /** Entries whose keys start with `prefix`, in byte order of UTF-8. One call sees one state of the store. */
  list<T = unknown>(prefix: string, options?: ListOptions): Promise<Entry<T>[]>;
  /**
   * Makes all changes or none, and is durable when it resolves with `true`. Resolves with `false`, having changed
   * nothing, when a guard does not hold. Of two callers at once with the same guard one gets `false`. Deleting what is
   * not there is no error. One key may be in `operations` once.
   */
  commit(operations: readonly Operation[], guards?: readonly Guard[]): Promise<boolean>;
  /**
   * Tells every change below `prefix` committed after this call returned, by this process or another one, at least once,
   * in no particular order; several changes of one key may be told once. Ends when `signal` aborts, when the consumer stops, or when
   * the store closes. Tells keys, not values: read the store for what is there now.
   */
  watch(prefix: string, signal?: AbortSignal): AsyncIterableIterator<Change>;
  /** Waits until the named lock is free and takes it. Not re-entrant. Who waits longest is not served first. */
  lock(name: string, options: LockOptions): Promise<Lock>;
}

/**
 * Why the store could not do it.
 *
 * | code | meaning |
 * |---|---|
 * | `corrupt` | what is stored cannot be read; nothing was changed |
 * | `newer` | a newer Helyos wrote it; nothing was changed |
 * | `full` | the disk is full or a quota is reached; the commit was undone |
 * | `read_only` | the file, its folder or its file system cannot be written |
 * | `busy` | another process keeps it locked; nothing was changed, try again |
 * | `lock_lost` | the lock expired and is someone else's now |
 * | `closed` | this store was closed |
 * | `io` | anything else the operating system refused |
 */
export type StoreErrorCode = "corrupt" | "newer" | "full" | "read_only" | "busy" | "lock_lost" | "closed" | "io";

/** The store failed; {@linkcode StoreError.code} says how. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Longest key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

/** Keys below this prefix belong to {@linkcode Store.lock}; commits may guard on them and never write them. */
export const LOCKS = "locks/";

const encoder = new TextEncoder();

/**
 * Refuses keys that no adapter could keep apart or hold.
 *
 * @throws {TypeError} If the key is empty, ill-formed Unicode, has a NUL, or is over {@linkcode MAX_KEY_BYTES} long.
 */
export function checkKey(key: string): void {
  if (key === "" || key.includes("\0") || !key.isWellFormed()) {
    throw new TypeError(`Invalid key ${JSON.stringify(key)}`);
  }
  if (encoder.encode(key).length > MAX_KEY_BYTES) {
    throw new TypeError(`Key is longer than ${MAX_KEY_BYTES} bytes: ${JSON.stringify(key.slice(0, 80))}…`);
  }
}

/**
 * Judges a whole commit before anything is written and turns its values into JSON.
 *
 * @throws {TypeError} If a key is invalid, twice in it or the lock keeper's, or a value is not JSON.
 */
export function checkOperations(operations: readonly Operation[]): { key: string; json: string | undefined }[] {
  const seen = new Set<string>();
  return operations.map((operation) => {
    const key = "put" in operation ? operation.put : operation.delete;
    checkKey(key);
    if (key.startsWith(LOCKS)) throw new TypeError(`Keys below ${LOCKS} belong to locks: ${key}`);
    if (seen.has(key)) throw new TypeError(`Two operations on one key in a commit: ${key}`);
    seen.add(key);
    if (!("put" in operation)) return { key, json: undefined };
    const json = JSON.stringify(operation.value);
    if (json === undefined) throw new TypeError(`The value of ${key} is not JSON`);
    return { key, json };
  });
}

/** The smallest text greater, in byte order, than every text that starts with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = [...prefix].map((character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last === 0x10ffff) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1; // UTF-8 has no surrogates
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
