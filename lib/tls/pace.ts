/**
 * Makes a TLS socket stop reading when it is told to. `serveTls` and `fetchTls` do so themselves; this is for programs that use `node:tls`
 * directly.
 *
 * @module
 */
import type { Socket } from "node:net";

interface Handle {
  _parent?: Handle;
  readStart?: () => unknown;
  readStop?: () => unknown;
}

const paced = new WeakSet<Handle>();

/**
 * Lets a TLS socket, once its handshake is over, hold its peer up.
 *
 * On Deno 2.9 a TLS socket that is paused, or whose reader is slow, goes on reading from the network into memory without
 * bound. The TCP handle beneath it does stop, so it is told whatever the TLS handle is told. Where the handles are not what
 * they are in Deno 2.9, and on Node.js, nothing is changed.
 *
 * @example A server whose clients send no faster than it reads
 * ```ts
 * import { pace } from "@helyos/tls/pace";
 * import { createServer } from "node:tls";
 *
 * createServer((socket) => {
 *   pace(socket);
 *   socket.pause(); // from here on the client is held up
 * });
 * ```
 * @param socket A `TLSSocket`, on either side; of anything else nothing is changed.
 */
export function pace(socket: Socket): void {
  const handle = (socket as unknown as { readonly _handle?: Handle | null })._handle;
  const tcp = handle?._parent;
  if (!("Deno" in globalThis) || !handle || !tcp || paced.has(handle)) return;
  const { readStart, readStop } = handle;
  if (!readStart || !readStop || !tcp.readStart || !tcp.readStop) return;
  paced.add(handle);
  let isHeld = false;
  handle.readStop = () => {
    if (!isHeld) tcp.readStop!();
    isHeld = true;
    return readStop.call(handle);
  };
  handle.readStart = () => {
    // Asked for at every read, and seldom needed.
    if (isHeld) tcp.readStart!();
    isHeld = false;
    return readStart.call(handle);
  };
}
