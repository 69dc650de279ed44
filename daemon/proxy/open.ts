/**
 * Starts a proxy by its name. Each is loaded when it is chosen.
 *
 * @module
 */
import type { ProxyBackend } from "./backend.ts";
import type { BackendName } from "./names.ts";

/** What proxies need of the daemon. */
export interface BackendDeps {
  readonly log: {
    info(text: string, facts?: Record<string, string | number | boolean | null>): void;
    warn(text: string, facts?: Record<string, string | number | boolean | null>): void;
  };
  /** Where one may keep its own files: a folder of the data directory, made when it is needed, mode 0700. */
  readonly folder: string;
}

/** Threads that serve visitors beside the one of the API. */
const MAX_THREADS = 4;

/** Starts a proxy; nothing is bound before there is something to serve. */
export async function openBackend(name: BackendName, { log }: BackendDeps): Promise<ProxyBackend> {
  switch (name) {
    case "embedded": {
      const { createEmbeddedProxy } = await import("./embedded/embedded.ts");
      const threads = Math.max(1, Math.min(MAX_THREADS, navigator.hardwareConcurrency - 1));
      return createEmbeddedProxy({
        threads,
        onCrash: (reason) => log.warn("a thread of the proxy crashed", { reason }),
      });
    }
  }
}
