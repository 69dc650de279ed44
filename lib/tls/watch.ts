/** Noticing that files changed: by being told, and by looking now and then where nobody tells. */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

/** How long files must be quiet before they are read: a certificate and its key change one after the other. */
const QUIET_MS = 100;
/** Network file systems and bind mounts send no events. */
const POLL_MS = 5000;

/** Calls back after any of some paths changed. Does not keep the program running. */
export class PathWatcher {
  readonly #onChange: () => Promise<void>;
  readonly #poll: ReturnType<typeof setInterval>;
  #watchers = new Map<string, FSWatcher>();
  #paths: readonly string[] = [];
  #state = "";
  #pending: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(onChange: () => Promise<void>) {
    this.#onChange = onChange;
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    this.#poll.unref();
  }

  /** Says what to watch from now on; call it before reading the files, so that no change falls in between. */
  async follow(paths: Iterable<string>): Promise<void> {
    this.#paths = [...paths].sort();
    this.#state = await stateOf(this.#paths);
    if (this.#isClosed) return;
    // Files are replaced by renaming, which only their folder notices.
    const folders = new Set(this.#paths.flatMap((path) => [dirname(path), path]));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
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
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => void this.#compare(), QUIET_MS);
    this.#pending.unref();
  }

  async #compare(): Promise<void> {
    const state = await stateOf(this.#paths);
    if (this.#isClosed || state === this.#state) return;
    this.#state = state;
    await this.#onChange();
  }
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(paths.map(async (path) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch {
      return "missing";
    }
  }));
  return states.join("\n");
}
