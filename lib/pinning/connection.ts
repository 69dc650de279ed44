/**
 * Opens one connection and judges the server on it. Nothing but the handshake is sent before the judgement is made.
 *
 * TLS is set up without the platform's own refusal, because that throws the presented certificates away, and with them
 * the reason. Its verdict counts all the same: a connection is used only if the platform *and* {@linkcode Judge} accept
 * the server. The handshake itself always proves that the server holds the key of the certificate it presents.
 *
 * @module
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { nameAbort, nameCause } from "./cause.ts";
import type { Judge } from "./judge.ts";
import { openTunnel, type Proxy, shownProxy } from "./proxy.ts";
import { shownTarget, type Target } from "./target.ts";

/** A server presents a handful of certificates; whoever presents more is not followed. */
const MAX_PRESENTED = 32;

/** How to open a connection. */
export interface ConnectOptions {
  /** Decides about the server; left out for plain HTTP. */
  readonly judge?: Judge | undefined;
  /** Goes through this proxy. */
  readonly proxy?: Proxy | undefined;
  /** How long it may take until the server is judged, in milliseconds. */
  readonly timeoutMs: number;
  /** Stops it. */
  readonly signal?: AbortSignal | undefined;
}

/** A connection on which requests may be sent. */
export interface Connection {
  /** TLS, or TCP for plain HTTP. */
  readonly socket: Socket | TLSSocket;
  /** What the server presented, in DER, its own certificate first; without the trust anchor. */
  readonly presented: readonly Uint8Array[];
  /** Stops or goes on reading from the network, when nobody takes what was read. */
  readonly flow: (on: boolean) => void;
}

/**
 * A pause between handshake and request, in milliseconds. TLS 1.3 servers send session tickets then, and where they leave
 * Nagle's algorithm on (`Deno.serve` does) a request that crosses them is answered 40 ms later, with the delayed
 * acknowledgement. Judging takes about as long, so this costs next to nothing.
 */
const TICKETS_MS = 1;

/**
 * Pausing a TLS socket of Deno does not stop it from reading: what a slow caller does not take would pile up in memory. Only
 * the handle below knows how to stop. Where there is none, nothing breaks.
 */
function flow(raw: Socket, on: boolean): void {
  const { _handle: handle } = raw as { _handle?: { readStart?(): void; readStop?(): void } | null };
  if (on) handle?.readStart?.();
  else handle?.readStop?.();
}

/**
 * Opens a connection to a server and judges it.
 *
 * @param target Where to.
 * @param options How.
 * @returns The connection.
 * @throws {PinningError} What went wrong. Not one byte of a request has left then.
 */
export async function openConnection(target: Target, options: ConnectOptions): Promise<Connection> {
  const place = shownTarget(target);
  const opened: Socket[] = [];
  const keep = <S extends Socket>(socket: S): S => {
    socket.setNoDelay(true);
    opened.push(socket);
    return socket;
  };
  const limit = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  try {
    if (signal.aborted) throw nameAbort(signal, place);
    const socket = await until(signal, place, open(target, { ...options, signal }, keep));
    return socket;
  } catch (error) {
    for (const socket of opened) socket.on("error", ignore).destroy();
    throw nameCause(error, place);
  }
}

async function open(
  target: Target,
  options: ConnectOptions,
  keep: <S extends Socket>(socket: S) => S,
): Promise<Connection> {
  const { judge, proxy } = options;
  const raw = proxy && target.secure
    ? await openTunnel(proxy, target, keep)
    : keep(connectTcp({ host: proxy?.host ?? target.host, port: proxy?.port ?? target.port }));
  if (raw.connecting) {
    await ready(raw, "connect").catch((error) => {
      throw proxy ? nameCause(error, shownProxy(proxy)) : error;
    });
  }
  if (!target.secure) return { socket: raw, presented: [], flow: () => {} };
  if (judge === undefined) throw new TypeError("A TLS connection needs a judge");
  const socket = keep(connectTls({
    socket: raw,
    // RFC 6066 §3: an address is no server name.
    ...("dns" in target.name ? { servername: target.name.dns } : { host: target.host }),
    ...(judge.ca === undefined ? {} : { ca: [...judge.ca] }),
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    // See the module comment: refusing is done below, on every path, whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  }));
  const handshake = ready(socket, "secureConnect");
  // What the judgement needs is loaded while the server is busy with the handshake.
  const prepared = judge.prepare();
  prepared.catch(ignore);
  // A CA that is none makes the handshake fail, in words that do not say so.
  await handshake.catch(async (error) => {
    await prepared;
    throw error;
  });
  const presented = presentedBy(socket);
  const authorized = socket.authorized === true;
  await prepared;
  if (presented.length === 0 && socket.destroyed) throw hungUp();
  await Promise.all([
    judge.judge(presented, {
      place: shownTarget(target),
      name: target.name,
      authorized,
    }),
    new Promise((resolve) => setTimeout(resolve, TICKETS_MS)),
  ]);
  if (socket.destroyed || raw.destroyed) throw hungUp();
  return { socket, presented: withoutAnchor(presented, judge.ca), flow: (on) => flow(raw, on) };
}

/** The platform adds the trust anchor it found to what the server presented. */
function withoutAnchor(presented: readonly Uint8Array[], ca: readonly string[] = []): readonly Uint8Array[] {
  const last = presented.at(-1)?.toBase64() ?? "";
  const isAnchor = presented.length > 1 && ca.some((pem) => pem.replaceAll(/\s/g, "").includes(last));
  return isAnchor ? presented.slice(0, -1) : presented;
}

/** Waits for the event, or for the reason why it will not come. */
function ready(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(hungUp());
    const settle = (done: () => void) => {
      socket.off("error", reject).off("close", gone);
      // Whatever happens to an idle socket must not end the program; who uses it listens too.
      socket.on("error", ignore);
      done();
    };
    socket.once("error", reject).once("close", gone);
    socket.once(event, () => settle(resolve));
  });
}

function hungUp(): Error {
  return Object.assign(new Error("closed during the handshake"), { code: "ECONNRESET" });
}

function presentedBy(socket: TLSSocket): Uint8Array[] {
  const presented: Uint8Array[] = [];
  const seen = new Set<unknown>();
  let next = socket.getPeerCertificate(true) as DetailedPeerCertificate | undefined;
  while (next?.raw && !seen.has(next) && presented.length < MAX_PRESENTED) {
    seen.add(next);
    presented.push(new Uint8Array(next.raw));
    next = next.issuerCertificate;
  }
  return presented;
}

async function until<T>(signal: AbortSignal, place: string, work: Promise<T>): Promise<T> {
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(nameAbort(signal, place));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
    // What still comes of the work is nobody's business any more.
    work.catch(ignore);
  }
}

/** For failures that have been reported already. */
function ignore(): void {}
