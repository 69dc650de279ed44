/**
 * Tells watchers what changed: commits of this process at once, those of other processes by looking.
 *
 * @module
 */
import type { Change } from "./store.ts";

/** What the watchers ask the database. */
export interface ChangeSource {
  /** The store's newest revision. */
  revision(): number;
  /** Keys changed after a revision, or undefined when they are no longer all known. */
  changesSince(revision: number): string[] | undefined;
  /** A number that differs once another connection has committed (`PRAGMA data_version`). */
  dataVersion(): number;
}

/** All watches of one open store. The poll runs only while there are any. */
export class Watchers {
  readonly #source: ChangeSource;
  readonly #pollMs: number;
  readonly #watches = new Set<Watch>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #dataVersion = 0;
  #seen = 0;

  constructor(source: ChangeSource, pollMs: number) {
    this.#source = source;
    this.#pollMs = pollMs;
  }

  watch(prefix: string, signal?: AbortSignal): Watch {
    const watch = new Watch(prefix, () => this.#remove(watch), signal);
    if (signal?.aborted) return watch;
    if (this.#watches.size === 0) {
      this.#dataVersion = this.#source.dataVersion();
      this.#seen = this.#source.revision();
      this.#timer = setInterval(() => this.#look(), this.#pollMs);
    }
    this.#watches.add(watch);
    return watch;
  }

  /** This process has committed these keys. */
  changed(keys: readonly string[]): void {
    for (const watch of this.#watches) for (const key of keys) watch.offer(key);
  }

  close(): void {
    for (const watch of [...this.#watches]) watch.end();
  }

  #look(): void {
    try {
      const version = this.#source.dataVersion();
      if (version === this.#dataVersion) return;
      const revision = this.#source.revision();
      const keys = this.#source.changesSince(this.#seen);
      this.#dataVersion = version;
      this.#seen = revision;
      if (keys === undefined) { for (const watch of this.#watches) watch.offer(watch.prefix); }
      else this.changed(keys);
    } catch { /* busy or failing disk: nothing is marked as seen, so the next look tells it */ }
  }

  #remove(watch: Watch): void {
    this.#watches.delete(watch);
    if (this.#watches.size === 0) clearInterval(this.#timer);
  }
}

/** One watch: a set of keys not yet told, so a slow consumer costs no more memory than there are keys. */
class Watch implements AsyncIterableIterator<Change> {
  readonly #pending = new Set<string>();
  readonly #waiting: ((result: IteratorResult<Change>) => void)[] = [];
  readonly #leave: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.end();
  #ended = false;

  constructor(readonly prefix: string, leave: () => void, signal?: AbortSignal) {
    this.#leave = leave;
    this.#signal = signal;
    if (signal?.aborted) this.#ended = true;
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  offer(key: string): void {
    if (this.#ended || !key.startsWith(this.prefix)) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#pending.add(key);
    else waiting({ done: false, value: { key } });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending.clear();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#leave();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Change>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    for (const key of this.#pending) {
      this.#pending.delete(key);
      return Promise.resolve({ done: false, value: { key } });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Change>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
