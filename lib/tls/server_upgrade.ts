/** Requests that ask for another protocol: offered to the handler as an ordinary request, which may upgrade it. */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Peer } from "./peer.ts";
import { BadRequest, targetOf, toRequest } from "./server_request.ts";
import { offerUpgrade } from "./upgrade.ts";
import type { WsConnection } from "./websocket.ts";

/** What the server does for an upgrade. */
export interface UpgradeHost {
  readonly peer: Peer | null;
  readonly origins: readonly string[];
  readonly answer: (authority: string, request: Request) => Response | Promise<Response>;
  readonly fail: (error: unknown) => Promise<Response>;
  readonly onOpen: (connection: WsConnection) => void;
}

/** Answers a request that came with `Upgrade`. */
export async function handleUpgrade(
  ticket: { readonly message: IncomingMessage; readonly socket: TLSSocket; readonly head: Uint8Array },
  host: UpgradeHost,
): Promise<void> {
  const { message, socket, head } = ticket;
  socket.on("error", () => {});
  const offer = { message, socket, head, peer: host.peer, isUsed: false };
  let connection: WsConnection | undefined;
  let response: Response;
  try {
    const target = targetOf(message);
    checkOrigin(message, target.authority, host.origins);
    const closed = { once: (_: "close", listener: () => void) => socket.once("close", listener) };
    const request = toRequest(message, target, { closed, isDone: () => false, maxBodyBytes: undefined });
    if (message.headers.upgrade?.toLowerCase() === "websocket") {
      const onOpen = (opened: WsConnection) => {
        connection = opened;
        host.onOpen(opened);
      };
      const { WebSocketServer: Server } = await import("./ws.ts");
      offerUpgrade(request, Object.assign(offer, { onOpen, Server }));
    }
    response = await host.answer(target.authority, request);
  } catch (error) {
    if (error instanceof BadRequest) response = new Response(null, { status: error.status });
    else response = await host.fail(error).catch(() => new Response(null, { status: 500 }));
    // The client has an open connection by now and must learn that nobody serves it.
    if (connection !== undefined) return void connection.close(1011, "Internal error");
  }
  if (offer.isUsed) return;
  offer.isUsed = true;
  await sendAndClose(response, socket);
}

/**
 * RFC 6455 §10.2: a browser shows a client certificate to any page that opens a WebSocket, so the page must be one of ours.
 */
function checkOrigin(message: IncomingMessage, authority: string, origins: readonly string[]): void {
  const { origin } = message.headers;
  if (origin === undefined || origin === `https://${authority}` || origins.includes(origin)) return;
  throw new BadRequest(403, "Origin not allowed");
}

async function sendAndClose(response: Response, socket: TLSSocket): Promise<void> {
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText || (STATUS_CODES[response.status] ?? "")}`];
  for (const [name, value] of response.headers) {
    if (name !== "transfer-encoding" && name !== "connection") lines.push(`${name}: ${value}`);
  }
  if (response.body === null && !response.headers.has("content-length")) lines.push("content-length: 0");
  // Without a length the end of the connection ends the body (RFC 9112 §6.3).
  lines.push("connection: close", "", "");
  socket.write(lines.join("\r\n"));
  try {
    for await (const chunk of response.body ?? []) {
      if (socket.destroyed) break;
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
    }
    socket.end();
  } catch {
    socket.destroy();
  }
}
