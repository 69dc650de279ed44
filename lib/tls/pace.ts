/**
 * Makes a TLS socket stop reading when it is told to.
 *
 * On Deno 2.9 a TLS socket that is paused, or whose reader is slow, goes on reading from the network into memory without
 * bound. The TCP handle beneath it does stop, so it is told whatever the TLS handle is told. Where the handles are not what
 * they are in Deno 2.9, nothing is changed.
 */
import type { Socket } from "node:net";

interface Handle {
  _parent?: Handle;
  readStart?: () => unknown;
  readStop?: () => unknown;
}

const paced = new WeakSet<Handle>();

/** Lets a TLS socket, once its handshake is over, hold its peer up. */
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
