/**
 * Starts a proxy by its name. Each is loaded when it is chosen.
 *
 * @module
 */
import { AbsentProxy } from "./absent.ts";
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

/** Starts a proxy; nothing is bound before there is something to serve. */
export function openBackend(name: BackendName, _deps: BackendDeps): Promise<ProxyBackend> {
  return Promise.resolve(new AbsentProxy(name, `this build has no ${name} proxy`));
}
