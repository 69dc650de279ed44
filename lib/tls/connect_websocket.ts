import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import type { IncomingMessage } from "node:http";
import { buildClientTlsOptions } from "./client_options.ts";
import type { TlsConfig } from "./config.ts";
import { connectionErrorOf } from "./connection_error.ts";
import { TlsConnectionError } from "./errors.ts";
import { pace } from "./pace.ts";
import { type Peer, peerOf } from "./peer.ts";
import { WsConnection } from "./websocket.ts";
import { parseCertificate } from "@helyos/pki";

/** Options for {@linkcode connectWebSocket}. */
export interface ConnectWebSocketOptions {
  /** Whom to trust and what to show; needed for `wss:`, refused for `ws:`. */
  readonly tls?: TlsConfig;
  /** Sent as the first message, as JSON with the key `authToken`. */
  readonly authToken?: string;
  /** Subprotocols to offer, best first. */
  readonly protocols?: readonly string[];
  /** Headers to send with the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * How long connecting may take, TLS handshake included.
   * @default {10000}
   */
  readonly timeoutMs?: number;
  /**
   * Longer messages end the connection with status 1009.
   * @default {10485760}
   */
  readonly maxMessageBytes?: number;
  /** Gives up connecting; once connected it changes nothing. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a WebSocket to a server of the configured CAs alone, showing the configured certificate.
 *
 * @example TLS settings are never ignored
 * ```ts
 * import { connectWebSocket, TlsConfig } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(connectWebSocket("ws://localhost/", { tls: new TlsConfig() }), TypeError);
 * await rejects(connectWebSocket("wss://localhost/"), TypeError);
 * ```
 * @param url Where to; `wss:`, or `ws:` for a connection in the clear.
 * @param options Configuration, token, subprotocols and limits.
 * @returns The open connection.
 * @throws {TypeError} If the URL is neither, if `ws:` comes with `tls` or with a token for another machine, if `wss:` comes
 * without `tls`.
 * @throws {TlsConfigError} If the configuration cannot be used; no socket is opened then.
 * @throws {TlsConnectionError} If the server cannot be reached, is not trusted, or refuses us; `upgrade_refused` has its status.
 * @throws The signal's reason when it is aborted.
 */
export async function connectWebSocket(
  url: string | URL,
  options: ConnectWebSocketOptions = {},
): Promise<WsConnection> {
  const target = checkUrl(new URL(url), options);
  const { tls, authToken, signal, protocols = [], headers = {} } = options;
  signal?.throwIfAborted();
  const tlsOptions = tls === undefined ? {} : await buildClientTlsOptions(tls);
  const { WebSocket } = await import("./ws.ts");
  const socket = new WebSocket(target, [...protocols], {
    ...tlsOptions,
    ...(isIP(target.hostname.replace(/^\[(.*)\]$/, "$1")) === 0 ? { servername: target.hostname } : {}),
    headers: { ...headers },
    followRedirects: false,
    perMessageDeflate: false,
    handshakeTimeout: options.timeoutMs ?? 10_000,
    maxPayload: options.maxMessageBytes ?? 10_485_760,
  });
  let peer: Peer | null = null;
  // Made before the connection opens, so that no early message is missed.
  const opened = Promise.withResolvers<void>();
  const fail = (error: unknown) => opened.reject(error);
  const onAbort = () => {
    fail(signal?.reason);
    socket.terminate();
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.once("upgrade", (response: IncomingMessage) => {
    if (tls === undefined) return;
    pace(response.socket);
    const leaf = (response.socket as TLSSocket).getPeerX509Certificate()?.raw;
    if (leaf !== undefined) peer = peerOf(parseCertificate(new Uint8Array(leaf)));
  });
  socket.once("unexpected-response", (_request: unknown, response: IncomingMessage) => {
    const status = response.statusCode ?? 0;
    fail(
      new TlsConnectionError("upgrade_refused", `Cannot open a WebSocket at ${target.host}: status ${status}`, {
        status,
      }),
    );
    socket.terminate();
  });
  socket.on("error", (error: Error) => {
    fail(
      /handshake has timed out/.test(error.message)
        ? new TlsConnectionError("timeout", `No answer from ${target.host} in time`, { cause: error })
        : connectionErrorOf(error, target.host),
    );
  });
  const connection = Promise.withResolvers<WsConnection>();
  socket.once("open", () => {
    connection.resolve(new WsConnection(socket, peer));
    opened.resolve();
  });
  try {
    await opened.promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  const open = await connection.promise;
  if (authToken !== undefined) await open.send(JSON.stringify({ authToken }));
  return open;
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

function checkUrl(url: URL, options: ConnectWebSocketOptions): URL {
  if (url.protocol === "wss:") {
    if (options.tls === undefined) throw new TypeError(`Cannot connect to ${url}: wss needs a TLS configuration`);
  } else if (url.protocol === "ws:") {
    if (options.tls !== undefined) {
      throw new TypeError(`Cannot connect to ${url}: ws would ignore the TLS configuration`);
    }
    if (options.authToken !== undefined && !LOOPBACK.has(url.hostname)) {
      throw new TypeError(`Cannot connect to ${url}: a token would be sent in the clear`);
    }
  } else throw new TypeError(`Cannot connect to ${url}: neither wss nor ws`);
  if (url.hash !== "") throw new TypeError(`Cannot connect to ${url}: a WebSocket URL has no fragment`);
  return url;
}
