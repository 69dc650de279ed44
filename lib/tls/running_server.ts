import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { emitWarning } from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import type { TlsConfig } from "./config.ts";
import { type Contexts, loadContexts } from "./contexts.ts";
import type { Handler } from "./handler.ts";
import { pace } from "./pace.ts";
import { judge, type Session, sessionOf } from "./session.ts";
import { BadRequest, contextOf, targetOf, toRequest } from "./server_request.ts";
import { sendResponse, sendText } from "./server_response.ts";
import { handleUpgrade } from "./server_upgrade.ts";
import { PathWatcher } from "./watch.ts";
import type { WsConnection } from "./websocket.ts";

import type { ServerAddress, ServeTlsOptions, TlsServer } from "./serve_options.ts";

/** A server of `serveTls`. */
export class RunningServer implements TlsServer {
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
      if (!judge(session, this.#contexts, Date.now())) void connection.close(1008, "Certificate no longer accepted");
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
    server.on("request", (message, response) => this.#serve(message, response));
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
    pace(socket);
    this.#sessions.set(socket, session);
    socket.once("close", () => this.#sessions.delete(socket));
  }

  /** Without `async`: most answers are there at once, and every turn of the queue counts. */
  #serve(message: IncomingMessage, response: ServerResponse): void {
    const socket = message.socket as TLSSocket;
    const session = this.#sessions.get(socket);
    // No session, no verified client; a session that fails now is of a client whose trust was withdrawn.
    if (session === undefined || !judge(session, this.#contexts, Date.now())) {
      socket.destroy();
      return;
    }
    session.active++;
    response.once("close", () => {
      session.active--;
      if (this.#stopping !== undefined && session.active === 0) socket.end();
    });
    try {
      const answer = this.#answer(message, response, session);
      if (answer instanceof Promise) {
        answer.then((answer) => this.#send(answer, message, response), (error) => this.#fail(error, response));
      } else this.#send(answer, message, response);
    } catch (error) {
      void this.#fail(error, response);
    }
  }

  #send(answer: Response, message: IncomingMessage, response: ServerResponse): void {
    if (this.#stopping !== undefined) response.shouldKeepAlive = false;
    // What is left of the request must be read for the connection to go on.
    const rest = () => void (message.complete || message.resume());
    try {
      if (sendText(answer, response)) return rest();
    } catch (error) {
      return void this.#fail(error, response).then(rest);
    }
    sendResponse(answer, response).catch((error) => this.#fail(error, response)).then(rest);
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
    if (session === undefined || !judge(session, this.#contexts, Date.now())) {
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
