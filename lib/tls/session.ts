/** What is known of a connection: who the client is, and that it was judged. */
import type { TLSSocket } from "node:tls";
import type { Contexts, ServerContext } from "./contexts.ts";
import type { ServeInfo } from "./handler.ts";
import { type Path, PathError, presentedBy } from "./path.ts";
import { peerOf } from "./peer.ts";

/** A connection that was accepted. */
export interface Session {
  /** What handlers are told. */
  readonly info: ServeInfo;
  /** What the client showed; nothing when nothing was asked of it. */
  readonly shown: Shown | undefined;
  /** The configurations it was last judged by. */
  contexts: Contexts;
  /** The one of them that served it. */
  context: ServerContext;
  /** When it must be judged again, as milliseconds since 1970. */
  validUntil: number;
  /** Requests being answered. */
  active: number;
  /** Whether it became a WebSocket. */
  isUpgraded: boolean;
}

interface Shown {
  readonly leaf: Uint8Array;
  /** All of it, the leaf first. */
  readonly chain: () => readonly Uint8Array[];
}

/** How long a judgement holds: dates of revocation lists pass too. */
const JUDGED_MS = 60_000;

/**
 * Judges a new connection.
 *
 * @returns Nothing if it must be refused.
 */
export function sessionOf(socket: TLSSocket, contexts: Contexts): Session | undefined {
  const serverName = typeof socket.servername === "string" ? socket.servername : null;
  const context = contexts.find(serverName);
  const at = new Date();
  let shown: Shown | undefined;
  let path: Path | undefined;
  if (context.checker !== undefined) {
    // On Deno `authorized` is true even when no certificate was asked for: only the certificate itself counts.
    const leaf = socket.getPeerX509Certificate()?.raw;
    if (!socket.authorized || !leaf?.byteLength) return undefined;
    shown = { leaf: new Uint8Array(leaf), chain: () => presentedBy(socket.getPeerCertificate(true)) };
    try {
      path = context.checker.check(shown.leaf, shown.chain, at);
    } catch (error) {
      if (error instanceof PathError) return undefined;
      throw error;
    }
  }
  const info: ServeInfo = Object.freeze({
    remoteAddr: Object.freeze({ hostname: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 }),
    peer: path === undefined ? null : peerOf(path[0]!),
    principal: null,
    serverName,
    protocol: socket.getProtocol() ?? "",
  });
  const validUntil = untilOf(path, at);
  return { info, shown, contexts, context, validUntil, active: 0, isUpgraded: false };
}

/**
 * Judges a connection again, if its configuration was reloaded or time has passed.
 *
 * @returns Whether it may go on.
 */
export function judge(session: Session, contexts: Contexts, now: number): boolean {
  if (session.contexts === contexts && now < session.validUntil) return true;
  const at = new Date(now);
  const context = contexts.find(session.info.serverName);
  let path: Path | undefined;
  if (context.checker !== undefined) {
    if (session.shown === undefined) return false;
    try {
      path = context.checker.check(session.shown.leaf, session.shown.chain, at);
    } catch (error) {
      if (error instanceof PathError) return false;
      throw error;
    }
  }
  session.contexts = contexts;
  session.context = context;
  session.validUntil = untilOf(path, at);
  return true;
}

function untilOf(path: Path | undefined, at: Date): number {
  if (path === undefined) return Infinity;
  return Math.min(at.getTime() + JUDGED_MS, ...path.map((certificate) => certificate.notAfter.getTime() + 1000));
}
