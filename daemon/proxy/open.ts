/**
 * Starts a proxy by its name. Each is loaded when it is chosen, and opened when there is something to serve.
 *
 * @module
 */
import type { DesiredProxy, ProxyBackend, ProxyStatus, SiteStatus } from "./backend.ts";
import type { BackendName } from "./names.ts";
import { ProgramUnavailable } from "./program/driver.ts";

/** What proxies need of the daemon. */
export interface BackendDeps {
  readonly log: BackendLog;
  /** Where one may keep its own files: a folder of the data directory, made when it is needed, mode 0700. */
  readonly folder: string;
  /** How many files the daemon may have open, when that is known. */
  readonly openFiles?: number | undefined;
  /** One proxy's program, when it is not on PATH under that proxy's name. */
  readonly program?: { readonly of: BackendName; readonly file: string } | undefined;
}

/** Where proxies say what they do. */
export interface BackendLog {
  debug(text: string, facts?: Record<string, string | number | boolean | null>): void;
  info(text: string, facts?: Record<string, string | number | boolean | null>): void;
  warn(text: string, facts?: Record<string, string | number | boolean | null>): void;
}

/**
 * Makes a proxy.
 *
 * One that somebody chose is opened now, so that the log says at once when it cannot be. The default one is opened with the first site: a
 * daemon without routes runs no program.
 */
export async function openBackend(
  name: BackendName,
  deps: BackendDeps & { readonly chosen: boolean },
): Promise<ProxyBackend> {
  return deps.chosen ? await openNow(name, deps) : new OpenedLater(name, () => openNow(name, deps));
}

async function openNow(name: BackendName, deps: BackendDeps): Promise<ProxyBackend> {
  if (name === "embedded") return await openEmbedded(deps);
  const { openProgramProxy } = await import("./program/open.ts");
  try {
    return await openProgramProxy(name, {
      proxyDir: deps.folder,
      program: deps.program?.of === name ? deps.program.file : undefined,
      onLine: (line) => deps.log.debug(`${name}: ${line}`),
    });
  } catch (error) {
    if (!(error instanceof ProgramUnavailable)) throw error;
    deps.log.warn(`the embedded proxy serves instead of ${name}: ${error.message}`);
    return await openEmbedded(deps);
  }
}

async function openEmbedded({ log, openFiles }: BackendDeps): Promise<ProxyBackend> {
  const { createEmbeddedProxy } = await import("./embedded/embedded.ts");
  return createEmbeddedProxy({ openFiles, onCrash: (reason) => log.warn("a thread of the proxy crashed", { reason }) });
}

class OpenedLater implements ProxyBackend {
  readonly #wanted: BackendName;
  readonly #open: () => Promise<ProxyBackend>;
  #backend: ProxyBackend | undefined;

  constructor(wanted: BackendName, open: () => Promise<ProxyBackend>) {
    this.#wanted = wanted;
    this.#open = open;
  }

  get name(): string {
    return this.#backend?.name ?? this.#wanted;
  }

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    if (this.#backend === undefined && desired.sites.length === 0) return [];
    this.#backend ??= await this.#open();
    return await this.#backend.apply(desired);
  }

  status(): ProxyStatus {
    return this.#backend?.status() ?? { state: "idle", detail: "no routes, nothing bound" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backend?.[Symbol.asyncDispose]();
  }
}
