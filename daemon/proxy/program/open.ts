/**
 * Opens a proxy that is a program of its own.
 *
 * @module
 */
import { openCaddy, openRunningCaddy } from "../caddy/caddy.ts";
import { openNginx } from "../nginx/nginx.ts";
import { openTraefik } from "../traefik/traefik.ts";
import type { Driver } from "./driver.ts";
import { ProgramUnavailable } from "./driver.ts";
import { ProgramProxy } from "./program_proxy.ts";

/** Proxies that are programs. */
export type ProgramName = "traefik" | "caddy" | "nginx";

/** How to open one. */
export interface OpenProgramOptions {
  /** The proxy directory: absolute, private. Each proxy has a folder of its own in it. */
  readonly proxyDir: string;
  /** The program when it is not on PATH under its own name; for Caddy also the `http://` address of a running one's admin API. */
  readonly program?: string | undefined;
  /** Told what the program writes. */
  readonly onLine?: (line: string) => void;
}

/**
 * Opens a proxy. Nothing is started before something is to be served.
 *
 * @throws {ProgramUnavailable} If the program is not there, may not be run, or is the wrong version. The caller serves by the embedded
 * proxy then, and says so.
 */
export async function openProgramProxy(name: ProgramName, options: OpenProgramOptions): Promise<ProgramProxy> {
  const { proxyDir, program = name, onLine } = options;
  const folder = `${proxyDir}/${name}`;
  const driver = await openDriver(name, program, folder);
  return new ProgramProxy({ driver, program, folder, ...(onLine ? { onLine } : {}) });
}

function openDriver(name: ProgramName, program: string, folder: string): Promise<Driver> {
  const url = /^https?:\/\//.test(program) ? URL.parse(program) : null;
  if (url !== null) {
    if (name === "caddy" && url.protocol === "http:") return openRunningCaddy(url, folder);
    throw new ProgramUnavailable(`${program} is no program; only Caddy is reached by an http:// address`);
  }
  switch (name) {
    case "traefik":
      return openTraefik(program, folder);
    case "caddy":
      return openCaddy(program, folder);
    case "nginx":
      return openNginx(program, folder);
  }
}
