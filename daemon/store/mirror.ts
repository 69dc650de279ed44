/**
 * What is stored below a prefix, kept in memory and followed: for who needs all of it often.
 *
 * @module
 */
import type { Entry, Store } from "./store.ts";

/** Entries read by one call while loading. */
const PAGE = 500;

/** A mirror that follows its prefix until it is closed. */
export class Mirror<Kept> implements AsyncDisposable {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #keep: (entry: Entry) => Kept | Promise<Kept>;
  readonly #kept = new Map<string, Kept>();
  readonly #listeners: ((key: string) => void)[] = [];
  readonly #stopping = new AbortController();
  readonly #onError: (error: unknown) => void;
  #following: Promise<void> = Promise.resolve();

  private constructor(store: Store, prefix: string, options: MirrorOptions<Kept>) {
    this.#store = store;
    this.#prefix = prefix;
    this.#keep = options.keep as (entry: Entry) => Kept | Promise<Kept>;
    this.#onError = options.onError;
  }

  /** Loads everything and follows it. */
  static async open<Kept>(store: Store, prefix: string, options: MirrorOptions<Kept>): Promise<Mirror<Kept>> {
    const mirror = new Mirror<Kept>(store, prefix, options);
    const changes = store.watch(prefix, mirror.#stopping.signal); // before loading, so that nothing falls between
    await mirror.#load();
    mirror.#following = mirror.#follow(changes);
    return mirror;
  }

  /** What is there now, by key without the prefix. */
  get all(): ReadonlyMap<string, Kept> {
    return this.#kept;
  }

  /** Calls `listener` after every change with the key, without the prefix. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#listeners.length = 0;
    await this.#following;
  }

  async #follow(changes: AsyncIterable<{ readonly key: string }>): Promise<void> {
    for await (const { key } of changes) {
      try {
        if (key === this.#prefix) await this.#load();
        else await this.#refresh(key);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#onError(error);
      }
      const name = key.slice(this.#prefix.length);
      for (const listener of this.#listeners) listener(name);
    }
  }

  async #refresh(key: string): Promise<void> {
    const name = key.slice(this.#prefix.length);
    const entry = await this.#store.get(key);
    if (entry === undefined) this.#kept.delete(name);
    else this.#kept.set(name, await this.#keep(entry));
  }

  async #load(): Promise<void> {
    const seen = new Set<string>();
    let after: string | undefined;
    for (;;) {
      const page = await this.#store.list(this.#prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const entry of page) {
        const name = entry.key.slice(this.#prefix.length);
        seen.add(name);
        this.#kept.set(name, await this.#keep(entry));
      }
      if (page.length < PAGE) break;
      after = page.at(-1)!.key;
    }
    for (const name of this.#kept.keys()) {
      if (!seen.has(name)) this.#kept.delete(name);
    }
  }
}

/** What a {@linkcode Mirror} keeps of each entry, and whom it tells of trouble. */
export interface MirrorOptions<Kept> {
  // deno-lint-ignore no-explicit-any -- who opens it knows what is stored there
  readonly keep: (entry: Entry<any>) => Kept | Promise<Kept>;
  /** The store could not be read; what was known stays. */
  readonly onError: (error: unknown) => void;
}
