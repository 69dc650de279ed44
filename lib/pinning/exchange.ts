/**
 * One request and its answer on one connection, over `node:http`.
 *
 * @module
 */
import { type Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { answerOf } from "./answer.ts";
import { nameAbort } from "./cause.ts";
import type { Connection } from "./connection.ts";
import { PinningError } from "./errors.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Proxy } from "./proxy.ts";
import { shownTarget, type Target } from "./target.ts";

/** Limits of an exchange. */
export interface ExchangeOptions {
  /** How long the server may take to answer once it has the request, in milliseconds. */
  readonly timeoutMs: number;
  /** How long it may be silent inside its answer, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** How large the header of its answer may be, in bytes. */
  readonly maxHeaderBytes: number;
  /** For plain HTTP: the proxy the connection leads to. */
  readonly proxy?: Proxy | undefined;
}

/** A connection that broke before an answer came. */
export class BrokenExchange extends Error {
  /** Always `"BrokenExchange"`. */
  override readonly name = "BrokenExchange";
  /** Whether a byte of the request has left. */
  readonly sent: boolean;
  /** Whether a byte of an answer has come. */
  readonly answered: boolean;

  /**
   * Makes the error.
   *
   * @param cause What broke it.
   * @param state How far it had got.
   */
  constructor(cause: unknown, state: { readonly sent: boolean; readonly answered: boolean }) {
    super("The connection broke", { cause });
    this.sent = state.sent;
    this.answered = state.answered;
  }
}

/** Hands `node:http` the one connection that has been judged, and nothing else. */
function agentOf(socket: Socket, secure: boolean): Agent {
  return {
    addRequest: (request: ClientRequest & { onSocket(socket: Socket): void }) => request.onSocket(socket),
    removeSocket() {},
    destroy() {},
    options: {},
    keepAlive: true,
    protocol: secure ? "https:" : "http:",
    defaultPort: secure ? 443 : 80,
  } as unknown as Agent;
}

/**
 * Sends a request and waits for the header of the answer.
 *
 * @param connection Where.
 * @param outgoing What.
 * @param target The origin.
 * @param options Limits.
 * @returns The answer; its body is read as the caller reads it.
 * @throws {BrokenExchange} If the connection broke before an answer came.
 * @throws {PinningError} `timeout`, `aborted` or `protocol`.
 */
export async function exchange(
  connection: Connection,
  outgoing: Outgoing,
  { target, ...options }: ExchangeOptions & { readonly target: Target },
): Promise<Response> {
  const { socket } = connection;
  const { signal } = outgoing;
  const place = shownTarget(target);
  const before = { written: socket.bytesWritten, read: socket.bytesRead };
  const request = httpRequest({
    agent: agentOf(socket, target.secure),
    protocol: target.secure ? "https:" : "http:",
    host: target.host,
    port: target.port,
    method: outgoing.method,
    path: requestTarget(outgoing.url, target, options.proxy),
    headers: headersOf(outgoing, target, options.proxy),
    maxHeaderSize: options.maxHeaderBytes,
  });
  const closed = new Promise<void>((resolve) => request.once("close", resolve));
  const clock = new Clock();
  try {
    // What closed before the request was attached to it will not say so again.
    if (socket.destroyed) throw new BrokenExchange(hangUp(), { sent: false, answered: false });
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const broke = (cause: unknown) => {
        reject(
          new BrokenExchange(cause, {
            sent: socket.bytesWritten !== before.written,
            answered: socket.bytesRead !== before.read,
          }),
        );
      };
      const wait = () =>
        clock.start(options.timeoutMs, () => {
          reject(new PinningError("timeout", `No answer from ${place} within ${options.timeoutMs} ms`));
        });
      clock.onAbort(signal, () => reject(nameAbort(signal!, place)));
      request.on("response", resolve);
      request.on("error", broke);
      request.on("upgrade", () => reject(new PinningError("protocol", `${place} wants to switch protocols`)));
      request.on("close", () => broke(hangUp()));
      wait();
      upload(request, outgoing.body, wait).catch(reject);
    });
    return await answerOf(message, { outgoing, connection, closed, place, idleTimeoutMs: options.idleTimeoutMs });
  } catch (error) {
    request.destroy();
    socket.destroy();
    throw error;
  } finally {
    clock.stop();
  }
}

function hangUp(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}

/** RFC 9112 §3.2: a proxy is told the whole URL, a server the path. */
function requestTarget(url: URL, target: Target, proxy: Proxy | undefined): string {
  const path = `${url.pathname}${url.search}`;
  return proxy && !target.secure ? `${target.origin}${path}` : path;
}

function headersOf({ headers, body, method }: Outgoing, target: Target, proxy: Proxy | undefined) {
  const all: Record<string, string> = { host: target.authority };
  for (const [name, value] of headers) all[name] = value;
  // RFC 9110 §8.6: a method that has a use for a body says so when it has none.
  if (body instanceof Uint8Array) all["content-length"] = String(body.byteLength);
  else if (body === null && ["POST", "PUT", "PATCH"].includes(method)) all["content-length"] = "0";
  if (proxy?.authorization && !target.secure) all["proxy-authorization"] = proxy.authorization;
  return all;
}

/** Sends the body as fast as the server takes it. `progress` is called whenever it took some. */
async function upload(request: ClientRequest, body: Outgoing["body"], progress: () => void): Promise<void> {
  if (!(body instanceof ReadableStream)) {
    request.end(body ?? undefined);
    return;
  }
  const gone = new Promise<void>((resolve) => request.once("close", resolve));
  for await (const chunk of body) {
    if (request.destroyed || request.closed) return;
    if (!request.write(chunk)) {
      await Promise.race([gone, new Promise<void>((resolve) => request.once("drain", resolve))]);
    }
    progress();
  }
  request.end();
}

/** A timer and a signal that are let go together. */
class Clock {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  #release: () => void = () => {};

  start(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(then, milliseconds);
  }

  onAbort(signal: AbortSignal | undefined, then: () => void): void {
    if (signal === undefined) return;
    if (signal.aborted) return then();
    signal.addEventListener("abort", then, { once: true });
    this.#release = () => signal.removeEventListener("abort", then);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#release();
  }
}
