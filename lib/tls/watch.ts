/** Noticing that files changed: by being told, and by looking now and then where nobody tells. */
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { stateOf } from "./files.ts";

/** How long files must be quiet before they are read: a certificate and its key change one after the other. */
const QUIET_MS = 100;
/** How long that may put a look off. */
const LONGEST_MS = 1000;
/** Network file systems and bind mounts send no events. */
const POLL_MS = 5000;

/** Calls back after any of some paths changed. Does not keep the program running. */
export class PathWatcher {
  readonly #onChange: () => Promise<void>;
  readonly #poll: ReturnType<typeof setInterval>;
  #watchers = new Map<string, FSWatcher>();
  #states: ReadonlyMap<string, string> = new Map();
  #pending: ReturnType<typeof setTimeout> | undefined;
  #pendingSince = 0;
  #isClosed = false;

  constructor(onChange: () => Promise<void>) {
    this.#onChange = onChange;
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    this.#poll.unref();
  }

  /**
   * Says what to watch from now on, and in what state it was when it was read; what was watched before and is not named
   * stays watched.
   */
  async follow(seen: ReadonlyMap<string, string>): Promise<void> {
    const states = new Map(seen);
    for (const path of this.#states.keys()) if (!states.has(path)) states.set(path, await stateOf(path));
    if (this.#isClosed) return;
    this.#states = states;
    // Files are replaced by renaming, which only their folder notices.
    const folders = new Set([...states.keys()].flatMap((path) => [dirname(path), path]));
    for (const folder of folders) {
      if (!this.#watchers.has(folder)) this.#watch(folder);
    }
  }

  /** Stops. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#pending);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, () => this.#look());
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(path);
      });
      this.#watchers.set(path, watcher);
    } catch {
      // Not there, or no more watches to be had: polling goes on.
    }
  }

  #look(): void {
    if (this.#isClosed) return;
    // In a folder that is never quiet, a look is due all the same.
    const now = Date.now();
    if (this.#pending !== undefined && now - this.#pendingSince > LONGEST_MS) return;
    if (this.#pending === undefined) this.#pendingSince = now;
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => {
      this.#pending = undefined;
      void this.#compare();
    }, QUIET_MS);
    this.#pending.unref();
  }

  async #compare(): Promise<void> {
    const states = new Map<string, string>();
    for (const path of this.#states.keys()) states.set(path, await stateOf(path));
    if (this.#isClosed || [...states].every(([path, state]) => this.#states.get(path) === state)) return;
    this.#states = states;
    await this.#onChange();
  }
}
