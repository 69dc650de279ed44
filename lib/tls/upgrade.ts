import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
// @ts-types="@types/ws"
import type { WebSocketServer } from "ws";
import type { Peer } from "./peer.ts";
import { WsConnection } from "./websocket.ts";

/** Options for {@linkcode upgradeWebSocket}. */
export interface UpgradeOptions {
  /** Subprotocols we speak, best first; the first that the client offers is agreed on, and none if it offers none of them. */
  readonly protocols?: readonly string[];
  /**
   * Longer messages end the connection with status 1009.
   * @default {10485760}
   */
  readonly maxMessageBytes?: number;
}

/** What {@linkcode upgradeWebSocket} makes of a request. */
export interface UpgradedWebSocket {
  /** The open connection. */
  readonly socket: WsConnection;
  /** What the handler must return. */
  readonly response: Response;
}

/** A request that may still become a WebSocket. */
export interface UpgradeTicket {
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Uint8Array;
  readonly peer: Peer | null;
  /** What the upgrade needs of `ws`, loaded before the handler runs, as {@linkcode upgradeWebSocket} does not wait. */
  readonly Server: typeof WebSocketServer;
  readonly onOpen: (connection: WsConnection) => void;
  isUsed: boolean;
}

const tickets = new WeakMap<Request, UpgradeTicket>();

/** Lets a request be upgraded while its handler runs. */
export function offerUpgrade(request: Request, ticket: UpgradeTicket): void {
  tickets.set(request, ticket);
}

/**
 * Turns a request into a WebSocket, in a handler of {@linkcode serveTls}. Everything about the client must be decided before:
 * once this is called the client sees an open connection.
 *
 * @example Answer what is no WebSocket
 * ```ts
 * import { upgradeWebSocket } from "@helyos/tls";
 * import { throws } from "node:assert/strict";
 *
 * throws(() => upgradeWebSocket(new Request("https://localhost/")), TypeError);
 * ```
 * @param request The request the handler was given.
 * @param options Subprotocols and limits.
 * @returns The connection and the response to return.
 * @throws {TypeError} If the request asks for no WebSocket, does not come from `serveTls`, or was upgraded before.
 */
export function upgradeWebSocket(request: Request, options: UpgradeOptions = {}): UpgradedWebSocket {
  const ticket = tickets.get(request);
  if (ticket === undefined) {
    throw new TypeError("Cannot upgrade: the request asks for no WebSocket, or is not serveTls's");
  }
  if (ticket.isUsed) throw new TypeError("Cannot upgrade: the request is upgraded or answered already");
  const { protocols = [], maxMessageBytes = 10_485_760 } = options;
  const { message, socket, head, peer, Server } = ticket;
  const server = new Server({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered: Set<string>) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  });
  let connection: WsConnection | undefined;
  ticket.isUsed = true;
  // The callback runs before this returns, or never: a malformed handshake is answered with 400.
  server.handleUpgrade(message, socket, head as never, (open: ConstructorParameters<typeof WsConnection>[0]) => {
    connection = new WsConnection(open, peer);
  });
  if (connection === undefined) throw new TypeError("Cannot upgrade: the client's WebSocket handshake is malformed");
  ticket.onOpen(connection);
  // A Response cannot have status 101; what is sent went out above.
  return { socket: connection, response: new Response(null, { status: 200 }) };
}
