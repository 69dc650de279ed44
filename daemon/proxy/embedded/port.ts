/**
 * A port that is bound as long as it is wanted, however often it takes.
 *
 * @module
 */
import type { Server } from "node:net";
import type { Address } from "../backend.ts";
import type { Limits } from "./limits.ts";
import type { PortStatus } from "./protocol.ts";

/** How to listen. */
export interface PortOptions {
  readonly limits: Limits;
  /** Makes a server that listens nowhere yet. */
  readonly make: () => Server;
  /** Called when the status becomes another. */
  readonly onStatus: () => void;
}

/** A port. */
export class Port {
  readonly #options: PortOptions;
  #wanted: { address: Address; share: boolean } | undefined;
  #server: Server | undefined;
  #status: PortStatus = {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(options: PortOptions) {
    this.#options = options;
  }

  /** How it fares. */
  get status(): PortStatus {
    return this.#status;
  }

  /** Binds an address instead of the one before, or none. Resolves after the first try; connections that are open stay so. */
  async want(address: Address | undefined, share: boolean): Promise<void> {
    const before = this.#wanted;
    if (
      before?.address.host === address?.host && before?.address.port === address?.port &&
      (address === undefined || before?.share === share)
    ) return;
    this.#wanted = address === undefined ? undefined : { address, share };
    clearTimeout(this.#timer);
    this.#failures = 0;
    this.#server?.close();
    this.#server = undefined;
    this.#status = {};
    if (this.#wanted !== undefined) await this.#bind();
  }

  #bind(): Promise<void> {
    const wanted = this.#wanted!;
    const { address, share } = wanted;
    const server = this.#options.make();
    return new Promise((resolve) => {
      server.on("error", (error: NodeJS.ErrnoException) => {
        if (this.#wanted === wanted && (this.#server === undefined || this.#server === server)) this.#failed(error);
        server.close();
        resolve();
      });
      try {
        server.listen({ host: address.host, port: address.port, ...share ? { reusePort: true } : {} }, () => {
          if (this.#wanted !== wanted) {
            server.close();
          } else {
            this.#server = server;
            this.#failures = 0;
            const bound = server.address() as { address: string; port: number };
            this.#status = { bound: { host: address.host, port: bound.port } };
            this.#options.onStatus();
          }
          resolve();
        });
      } catch (error) {
        this.#failed(error as NodeJS.ErrnoException);
        resolve();
      }
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    const { bindRetryMs, bindRetryMaxMs } = this.#options.limits;
    const { host, port } = this.#wanted!.address;
    const where = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    this.#server = undefined;
    this.#status = { failure: `cannot listen on ${where}: ${reasonOf(error)}` };
    this.#options.onStatus();
    const pause = Math.min(bindRetryMs * 2 ** Math.min(this.#failures++, 16), bindRetryMaxMs);
    this.#timer = setTimeout(() => void this.#bind(), pause);
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "the address is in use";
    case "EACCES":
    case "EPERM":
      return "the system does not let this user bind that port";
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return "this machine has no such address";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name is not known";
    default:
      return error instanceof Deno.errors.NotCapable
        ? "this program was not started with the right to it"
        : error.code ?? error.message;
  }
}
