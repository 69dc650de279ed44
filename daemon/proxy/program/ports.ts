/**
 * Ports for programs that cannot be told to choose one and say which.
 *
 * @module
 */
import { createServer } from "node:net";
import type { Address } from "../backend.ts";
import { ProgramDown } from "./driver.ts";

/** A port of an address that is free now. */
export function freePortOf(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", (error) => reject(new ProgramDown(`cannot listen on ${host}: ${error.message}`)));
    server.listen(0, host, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** `HOST:PORT` with brackets around IPv6. */
export function hostPort({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Listeners whose ports were chosen once stay where they are. */
export class ChosenPorts {
  readonly #chosen = new Map<string, number>();

  /** The address with a port. */
  async of(name: string, { host, port }: Address): Promise<Address> {
    if (port !== 0) return { host, port };
    const key = `${name} ${host}`;
    const chosen = this.#chosen.get(key) ?? await freePortOf(host);
    this.#chosen.set(key, chosen);
    return { host, port: chosen };
  }
}
