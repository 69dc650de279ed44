import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { emitWarning } from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import type { TlsConfig } from "./config.ts";
import { TlsConfigError } from "./errors.ts";
import { type Contexts, loadContexts } from "./contexts.ts";
import type { Handler } from "./handler.ts";
import { judge, type Session, sessionOf } from "./session.ts";
import { BadRequest, contextOf, targetOf, toRequest } from "./server_request.ts";
import { sendResponse } from "./server_response.ts";
import { handleUpgrade } from "./server_upgrade.ts";
import { PathWatcher } from "./watch.ts";
import type { WsConnection } from "./websocket.ts";

/** Options for {@linkcode serveTls}. */
export interface ServeTlsOptions {
  /**
   * Where the files are. With several, a client is served by the one whose certificate has the name it asks for (SNI),
   * else by the first; a request for a name of another one over the same connection gets 421. Either all of them have a CA
   * or none.
   */
  readonly config: TlsConfig | readonly TlsConfig[];
  /**
   * The port; 0 lets the system pick one.
   * @default {8443}
   */
  readonly port?: number;
  /**
   * The address to listen on.
   * @default {"0.0.0.0"}
   */
  readonly hostname?: string;
  /** Shuts the server down, as `shutdown()` does. */
  readonly signal?: AbortSignal;
  /** Called once the server listens. */
  readonly onListen?: (address: ServerAddress) => void;
  /** Answers a request whose handler failed, and is the place to log. By default an empty 500 and a
   * process warning. */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
  /**
   * Called after each reload, with the error if the files could not be used; the server then goes on with what it had. By
   * default an error becomes a process warning.
   */
  readonly onReload?: (error: unknown) => void;
  /**
   * Whether to reload when the files change.
   * @default {true}
   */
  readonly watch?: boolean;
  /** Origins whose pages may open WebSockets besides our own, as in `https://app.example.com`. */
  readonly webSocketOrigins?: readonly string[];
  /** How much a client may take. */
  readonly limits?: ServeLimits;
}

/** How much a client may take of a server. Each has a default that suits a service on the internet. */
export interface ServeLimits {
  /**
   * How long a TLS handshake may take.
   * @default {10000}
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * How long the head of a request may take.
   * @default {15000}
   */
  readonly headersTimeoutMs?: number;
  /**
   * How long a whole request may take to arrive, body included.
   * @default {300000}
   */
  readonly requestTimeoutMs?: number;
  /**
   * How long a connection may idle between requests.
   * @default {60000}
   */
  readonly keepAliveTimeoutMs?: number;
  /**
   * How long running requests have when the server shuts down.
   * @default {10000}
   */
  readonly shutdownTimeoutMs?: number;
  /**
   * How long the head of a request may be.
   * @default {16384}
   */
  readonly maxHeaderBytes?: number;
  /** How long a body may be; without it, handlers must see to that. */
  readonly maxBodyBytes?: number;
  /**
   * How many connections may be open.
   * @default {10000}
   */
  readonly maxConnections?: number;
}

/** Where a server listens. */
export interface ServerAddress {
  /** The address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/** A running server. Disposing shuts it down. */
export interface TlsServer extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: ServerAddress;
  /** Whether clients need a certificate. */
  readonly isMutual: boolean;
  /** Resolves when the server has shut down. */
  readonly finished: Promise<void>;
  /**
   * Reads all files again. New connections get what is in them; open ones go on, unless their client is no longer
   * trusted. If the files cannot be used, nothing changes.
   *
   * @throws {TlsConfigError} If the files cannot be used.
   */
  reload(): Promise<void>;
  /**
   * Stops listening, lets running requests finish, and closes everything. WebSockets are told (status 1001).
   */
  shutdown(): Promise<void>;
  /** Keeps the program running, as it does by default. */
  ref(): void;
  /** Lets the program end although the server runs. */
  unref(): void;
}

/**
 * Serves HTTP over TLS: with a CA in the configuration, to clients with a certificate of that CA alone.
 *
 * The handler is only ever called for a client whose certificate was shown, verified by the platform, and looked at again:
 * dates and path length of the CA, keyCertSign on every issuer, and revocation if lists are configured. Files that change
 * are reloaded while connections go on.
 *
 * @example A server that greets its clients by name
 * ```ts ignore
 * import { serveTls, TlsConfig } from "@helyos/tls";
 *
 * await using server = await serveTls(
 *   (_request, info) => new Response(`hello ${info.peer?.identity.name}`),
 *   {
 *     config: new TlsConfig({
 *       certificatePath: "server.pem",
 *       privateKeyPath: "server.key",
 *       caCertificatesPath: "ca.pem",
 *     }),
 *     port: 8443,
 *   },
 * );
 * await server.finished;
 * ```
 * @param handler Answers each request.
 * @param options Configuration, address and limits.
 * @returns The server, once it listens.
 * @throws {TlsConfigError} If the configuration cannot be used; no socket is opened then.
 * @throws {TypeError} If there is no configuration.
 * @throws The signal's reason if it is aborted already, or node's error if the address cannot be listened on.
 */
export async function serveTls(handler: Handler, options: ServeTlsOptions): Promise<TlsServer> {
  const configs = Array.isArray(options.config) ? options.config : [options.config];
  if (configs.length === 0 || configs.includes(undefined)) throw new TypeError("Cannot serve: no TLS configuration");
  // node asks for certificates per server, not per name: one configuration of a mixture would not be what it says.
  if (
    configs.some((config) =>
      (config.caCertificatesPath === undefined) !== (configs[0]!.caCertificatesPath === undefined)
    )
  ) {
    throw new TlsConfigError(
      "client_auth_disabled",
      "Cannot serve configurations with and without caCertificatesPath together: use two servers",
    );
  }
  options.signal?.throwIfAborted();
  const server = new RunningServer(handler, configs, options);
  await server.start();
  return server;
}

class RunningServer implements TlsServer {
  readonly finished: Promise<void>;
  readonly isMutual: boolean;
  readonly #handler: Handler;
  readonly #configs: readonly TlsConfig[];
  readonly #options: ServeTlsOptions;
  readonly #sessions = new Map<TLSSocket, Session>();
  readonly #raw = new Set<Socket>();
  readonly #webSockets = new Map<WsConnection, Session>();
  readonly #watcher: PathWatcher | undefined;
  readonly #finish: () => void;
  #server!: Server;
  #contexts!: Contexts;
  #addr!: ServerAddress;
  #reloading: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(handler: Handler, configs: readonly TlsConfig[], options: ServeTlsOptions) {
    this.#handler = handler;
    this.#configs = configs;
    this.#options = options;
    this.isMutual = configs[0]!.caCertificatesPath !== undefined;
    let finish!: () => void;
    this.finished = new Promise((resolve) => finish = resolve);
    this.#finish = finish;
    if (options.watch ?? true) this.#watcher = new PathWatcher(() => this.reload().catch(() => {}));
  }

  get addr(): ServerAddress {
    return this.#addr;
  }

  async start(): Promise<void> {
    try {
      this.#contexts = await this.#load();
      this.#server = this.#create();
      await this.#listen();
    } catch (error) {
      this.#watcher?.close();
      throw error;
    }
    const { signal, onListen } = this.#options;
    const stop = () => void this.shutdown();
    signal?.addEventListener("abort", stop, { once: true });
    void this.finished.then(() => signal?.removeEventListener("abort", stop));
    onListen?.(this.#addr);
    if (signal?.aborted) stop();
  }

  reload(): Promise<void> {
    const reloading = this.#reloading.catch(() => {}).then(() => this.#reload());
    this.#reloading = reloading;
    return reloading;
  }

  shutdown(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #load(): Promise<Contexts> {
    const seen = new Map<string, string>();
    try {
      return await loadContexts(this.#configs, seen);
    } finally {
      await this.#watcher?.follow(seen);
    }
  }

  async #reload(): Promise<void> {
    try {
      const contexts = await this.#load();
      if (this.#stopping !== undefined) return;
      this.#server.setSecureContext({ ...contexts.main.options });
      this.#contexts = contexts;
    } catch (error) {
      (this.#options.onReload ?? reportReload)(error);
      throw error;
    }
    // A WebSocket sends no requests at which its client would be judged again.
    for (const [connection, session] of this.#webSockets) {
      if (!judge(session, this.#contexts, new Date())) void connection.close(1008, "Certificate no longer accepted");
    }
    this.#options.onReload?.(undefined);
  }

  #create(): Server {
    const { limits = {} } = this.#options;
    const server = createServer({
      ...this.#contexts.main.options,
      ...(this.#contexts.isPlural
        ? { SNICallback: (name, done) => done(null, this.#contexts.find(name).secure) } satisfies SniOptions
        : {}),
      handshakeTimeout: limits.handshakeTimeoutMs ?? 10_000,
      headersTimeout: limits.headersTimeoutMs ?? 15_000,
      requestTimeout: limits.requestTimeoutMs ?? 300_000,
      keepAliveTimeout: limits.keepAliveTimeoutMs ?? 60_000,
      maxHeaderSize: limits.maxHeaderBytes ?? 16_384,
      connectionsCheckingInterval: 1000,
    });
    server.maxConnections = limits.maxConnections ?? 10_000;
    server.on("connection", (socket: Socket) => this.#accept(socket));
    server.prependListener("secureConnection", (socket: TLSSocket) => this.#secure(socket));
    server.on("request", (message, response) => void this.#serve(message, response));
    server.on("upgrade", (message, socket, head) => void this.#upgrade(message, socket as TLSSocket, head));
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  }

  async #listen(): Promise<void> {
    const { port = 8443, hostname = "0.0.0.0" } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, hostname, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const { address, port: actual } = this.#server.address() as AddressInfo;
    this.#addr = Object.freeze({ hostname: address, port: actual });
  }

  #accept(socket: Socket): void {
    this.#raw.add(socket);
    socket.once("close", () => this.#raw.delete(socket));
  }

  #secure(socket: TLSSocket): void {
    const session = this.#stopping === undefined ? sessionOf(socket, this.#contexts) : undefined;
    if (session === undefined) {
      socket.destroy();
      return;
    }
    this.#sessions.set(socket, session);
    socket.once("close", () => this.#sessions.delete(socket));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const socket = message.socket as TLSSocket;
    const session = this.#sessions.get(socket);
    // No session, no verified client; a session that fails now is of a client whose trust was withdrawn.
    if (session === undefined || !judge(session, this.#contexts, new Date())) {
      socket.destroy();
      return;
    }
    session.active++;
    response.once("close", () => {
      session.active--;
      if (this.#stopping !== undefined && session.active === 0) socket.end();
    });
    if (this.#stopping !== undefined) response.shouldKeepAlive = false;
    try {
      const result = this.#answer(message, response, session);
      const answer = result instanceof Promise ? await result : result;
      if (this.#stopping !== undefined) response.shouldKeepAlive = false;
      await sendResponse(answer, response);
    } catch (error) {
      await this.#fail(error, response);
    }
    // What is left of the body must be read for the connection to go on.
    if (!message.complete) message.resume();
  }

  #answer(message: IncomingMessage, response: ServerResponse, session: Session): Response | Promise<Response> {
    const target = targetOf(message);
    if (this.#contexts.isPlural && this.#contexts.find(hostOf(target.authority)) !== session.context) {
      // RFC 9110 §7.4: what the client proved to one configuration says nothing to another.
      throw new BadRequest(421, "Misdirected");
    }
    const request = toRequest(message, target, contextOf(response, this.#options.limits?.maxBodyBytes));
    return this.#handler(request, session.info);
  }

  async #fail(error: unknown, response: ServerResponse): Promise<void> {
    if (response.destroyed || response.headersSent) {
      if (!response.writableEnded) response.destroy();
      if (!isGone(error)) await this.#errorResponse(error);
      return;
    }
    try {
      const answer = error instanceof BadRequest
        ? new Response(null, { status: error.status, headers: { connection: "close" } })
        : await this.#errorResponse(error);
      await sendResponse(answer, response);
    } catch {
      response.destroy();
    }
  }

  async #errorResponse(error: unknown): Promise<Response> {
    return await (this.#options.onError ?? reportError)(error);
  }

  async #upgrade(message: IncomingMessage, socket: TLSSocket, head: Uint8Array): Promise<void> {
    const session = this.#sessions.get(socket);
    if (session === undefined || !judge(session, this.#contexts, new Date())) {
      socket.destroy();
      return;
    }
    await handleUpgrade({ message, socket, head }, {
      peer: session.info.peer,
      origins: this.#options.webSocketOrigins ?? [],
      answer: (target, request) => {
        if (this.#contexts.isPlural && this.#contexts.find(hostOf(target)) !== session.context) {
          throw new BadRequest(421, "Misdirected");
        }
        return this.#handler(request, session.info);
      },
      fail: (error) => this.#errorResponse(error),
      onOpen: (connection) => {
        session.isUpgraded = true;
        this.#webSockets.set(connection, session);
        void connection.closed.then(() => this.#webSockets.delete(connection));
        if (this.#stopping !== undefined) void connection.close(1001, "Server is shutting down");
      },
    });
  }

  async #stop(): Promise<void> {
    this.#watcher?.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#webSockets.keys()) void connection.close(1001, "Server is shutting down");
    for (const [socket, session] of this.#sessions) {
      if (session.active === 0 && !session.isUpgraded) socket.end();
    }
    const deadline = setTimeout(() => {
      for (const socket of this.#sessions.keys()) socket.destroy();
      for (const socket of this.#raw) socket.destroy();
    }, this.#options.limits?.shutdownTimeoutMs ?? 10_000);
    await closed;
    clearTimeout(deadline);
    this.#finish();
  }
}

interface SniOptions {
  SNICallback: (name: string, done: (error: Error | null, context?: Contexts["main"]["secure"]) => void) => void;
}

function hostOf(authority: string): string {
  return authority.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** The client left; that is its right, and no failure of the handler. */
function isGone(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function reportError(error: unknown): Response {
  warn("A handler failed", error);
  return new Response(null, { status: 500 });
}

function reportReload(error: unknown): void {
  warn("The TLS files were not reloaded", error);
}

/** A library does not write to the console; a warning goes there unless the program has another place for it. */
function warn(what: string, error: unknown): void {
  emitWarning(`${what}: ${error instanceof Error ? error.stack ?? error.message : String(error)}`, "HelyosTlsWarning");
}
