/**
 * A port that is bound as long as it is wanted, however often it takes.
 *
 * @module
 */
import { createServer, type Server } from "node:net";
import type { Address } from "../backend.ts";
import type { Limits } from "./limits.ts";
import type { PortStatus, Sharing } from "./protocol.ts";

/** How many connections may wait to be accepted; as Node.js has it. */
const BACKLOG = 511;

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
  #wanted: { address: Address; sharing: Sharing } | undefined;
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

  /**
   * Binds an address instead of the one before, or none. Resolves after the first try; connections that are open stay so. The new
   * address is bound before the old one is let go, unless the old one is in its way.
   */
  async want(address: Address | undefined, sharing: Sharing): Promise<void> {
    const before = this.#wanted;
    if (address === undefined ? before === undefined : this.#isBoundTo(address, sharing)) return;
    this.#wanted = address === undefined ? undefined : { address, sharing };
    clearTimeout(this.#timer);
    this.#failures = 0;
    const old = this.#server;
    this.#server = undefined;
    this.#status = {};
    if (this.#wanted !== undefined) await this.#bind();
    if (old === undefined) return;
    old.close();
    if (this.#wanted === undefined || this.#server !== undefined) return;
    clearTimeout(this.#timer);
    await this.#bind();
  }

  /**
   * Listens on. Deno 2.9 accepts nothing more, and tells nobody, once it could not accept a connection for want of open files; told to
   * listen again, it goes on. Where nothing is wrong this changes nothing. Call it now and then.
   */
  listenOn(): void {
    const { _handle: handle } = (this.#server ?? {}) as { readonly _handle?: { listen?(backlog: number): unknown } };
    handle?.listen?.(BACKLOG);
  }

  #isBoundTo({ host, port }: Address, sharing: Sharing): boolean {
    const wanted = this.#wanted;
    return wanted !== undefined && (wanted.sharing === "none") === (sharing === "none") &&
      wanted.address.host === host &&
      (wanted.address.port === port || this.#status.bound?.port === port);
  }

  async #bind(): Promise<void> {
    const wanted = this.#wanted!;
    const { address, sharing } = wanted;
    try {
      if (sharing === "first") {
        const probe = await listening(createServer(), address, false);
        await new Promise((resolve) => probe.close(resolve));
      }
      const server = await listening(this.#options.make(), address, sharing !== "none");
      if (this.#wanted !== wanted) return void server.close();
      this.#server = server;
      this.#failures = 0;
      this.#status = { bound: { host: address.host, port: (server.address() as { port: number }).port } };
      server.on("error", (error: NodeJS.ErrnoException) => {
        if (this.#server !== server) return;
        server.close();
        this.#failed(error);
      });
      this.#options.onStatus();
    } catch (error) {
      if (this.#wanted === wanted) this.#failed(error as NodeJS.ErrnoException);
    }
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

function listening(server: Server, { host, port }: Address, share: boolean): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, ...share ? { reusePort: true } : {} }, () => {
      server.removeListener("error", reject);
      resolve(server);
    });
  });
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
