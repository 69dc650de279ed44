import type { Buffer } from "node:buffer";
import { clearTimeout, setTimeout } from "node:timers";
// @ts-types="@types/ws"
import type { WebSocket } from "ws";
import { TlsConnectionError } from "./errors.ts";
import type { Peer } from "./peer.ts";

/** Messages that may wait to be received before the sender is held up. */
const MAX_WAITING = 64;
/** How long the other end has to answer a close. */
const CLOSE_MS = 5000;

/** How a WebSocket ended. */
export interface WsClosed {
  /** The status code (RFC 6455 §7.4); 1006 when the connection just broke. */
  readonly code: number;
  /** The reason the other end gave. */
  readonly reason: string;
}

/**
 * One end of an open WebSocket: send messages, and iterate over those that come in.
 *
 * While nobody receives, the other end is held up, so an idle reader does not fill the memory. Disposing closes.
 *
 * @example An echo, as a handler of `serveTls`
 * ```ts
 * import { type Handler, upgradeWebSocket } from "@helyos/tls";
 *
 * const echo: Handler = (request) => {
 *   const { socket, response } = upgradeWebSocket(request);
 *   (async () => {
 *     for await (const message of socket) await socket.send(message);
 *   })();
 *   return response;
 * };
 * ```
 */
export class WsConnection implements AsyncIterable<string | Uint8Array>, AsyncDisposable {
  /** The subprotocol both ends agreed on; empty if none. */
  readonly protocol: string;
  /** The other end's verified certificate, if it showed one. */
  readonly peer: Peer | null;
  /** Resolves when the connection is over. Never rejects. */
  readonly closed: Promise<WsClosed>;
  readonly #socket: WebSocket;
  readonly #waiting: (string | Uint8Array)[] = [];
  readonly #receivers: ((message: string | Uint8Array | undefined) => void)[] = [];
  #isClosed = false;

  /** @internal Use `connectWebSocket` or `upgradeWebSocket`. */
  constructor(socket: WebSocket, peer: Peer | null) {
    this.#socket = socket;
    this.protocol = socket.protocol;
    this.peer = peer;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      this.#deliver(isBinary ? new Uint8Array(data) : data.toString("utf8"));
    });
    // What it means for us is in the close that follows.
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", (code: number, reason: Buffer) => {
        this.#isClosed = true;
        for (const receive of this.#receivers.splice(0)) receive(undefined);
        resolve({ code, reason: reason.toString("utf8") });
      });
    });
  }

  /**
   * Sends a message.
   *
   * @param message Text, or bytes for a binary message.
   * @returns When it has been handed to the network.
   * @throws {TlsConnectionError} `closed` if the connection is over.
   */
  send(message: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(message, (cause?: Error | null) => {
        if (cause) reject(new TlsConnectionError("closed", "Cannot send: the WebSocket is closed", { cause }));
        else resolve();
      });
    });
  }

  /**
   * Receives the next message.
   *
   * @returns Text or bytes; `undefined` once the connection is over.
   */
  receive(): Promise<string | Uint8Array | undefined> {
    const message = this.#waiting.shift();
    if (message !== undefined) {
      if (this.#waiting.length < MAX_WAITING && this.#socket.isPaused) this.#socket.resume();
      return Promise.resolve(message);
    }
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#receivers.push(resolve));
  }

  /**
   * Closes in order: the other end is told, and waited for a while.
   *
   * @param code The status code (RFC 6455 §7.4).
   * @param reason What to tell the other end, at most 123 bytes of UTF-8.
   * @returns How it ended.
   */
  async close(code = 1000, reason = ""): Promise<WsClosed> {
    // A paused socket would never see the answer.
    if (this.#socket.isPaused) this.#socket.resume();
    this.#socket.close(code, reason);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    timer.unref();
    try {
      return await this.closed;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Breaks the connection off at once. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** Receives until the connection is over. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<string | Uint8Array> {
    for (let message = await this.receive(); message !== undefined; message = await this.receive()) yield message;
  }

  /** Closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #deliver(message: string | Uint8Array): void {
    const receive = this.#receivers.shift();
    if (receive !== undefined) return receive(message);
    this.#waiting.push(message);
    if (this.#waiting.length >= MAX_WAITING) this.#socket.pause();
  }
}
