/**
 * HTTP proxies: only the one that is asked for, never one that an environment variable names.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { Buffer } from "node:buffer";
import { nameCause } from "./cause.ts";
import { PinningError } from "./errors.ts";
import type { Target } from "./target.ts";

/** Longest answer to CONNECT that is read, in bytes. */
const MAX_ANSWER = 16 * 1024;

/** A proxy, taken apart. */
export interface Proxy {
  /** What to connect to. */
  readonly host: string;
  /** Where it listens. */
  readonly port: number;
  /** What `Proxy-Authorization` says; undefined without a user. */
  readonly authorization: string | undefined;
}

/**
 * Takes the URL of a proxy apart.
 *
 * @param url As in `http://user:password@proxy.example:3128`.
 * @returns The parts.
 * @throws {TypeError} If it is no `http:` URL.
 */
export function proxyOf(url: string | URL): Proxy {
  const parts = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (parts?.protocol !== "http:" || parts.hostname === "") throw new TypeError("A proxy is an http: URL");
  const user = `${decodeURIComponent(parts.username)}:${decodeURIComponent(parts.password)}`;
  return {
    host: parts.hostname.replace(/^\[|\]$/g, ""),
    port: parts.port === "" ? 80 : Number(parts.port),
    authorization: user === ":" ? undefined : `Basic ${new TextEncoder().encode(user).toBase64()}`,
  };
}

/** As people write it, for messages. */
export function shownProxy({ host, port }: Proxy): string {
  return `the proxy ${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Asks a proxy for a tunnel (RFC 9110 §9.3.6). It learns the name of the server and nothing else.
 *
 * @param proxy The proxy.
 * @param target Where the tunnel should end.
 * @param keep Gets the socket as soon as there is one, to close it when time is up.
 * @returns The tunnel.
 * @throws {PinningError} `proxy_refused` if it will not, or what kept us from reaching it.
 */
export async function openTunnel(
  proxy: Proxy,
  target: Target,
  keep: <S extends Socket>(socket: S) => S,
): Promise<Socket> {
  const socket = keep(connect({ host: proxy.host, port: proxy.port }));
  const end = target.host.includes(":") ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
  const answer = await new Promise<string>((resolve, reject) => {
    let received = Buffer.alloc(0);
    const fail = (error: unknown) => reject(nameCause(error, shownProxy(proxy)));
    const read = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const head = received.indexOf("\r\n\r\n");
      if (head < 0 && received.length <= MAX_ANSWER) return;
      socket.off("data", read).pause();
      // The server speaks second in TLS: whatever follows the header now is not from it.
      if (head !== received.length - 4) fail(new PinningError("proxy_refused", "The proxy's answer makes no sense"));
      else resolve(received.toString("latin1"));
    };
    socket.once("error", fail).on("error", () => {});
    socket.once("close", () => fail(new PinningError("proxy_refused", "The proxy hung up")));
    socket.once("connect", () => {
      const authorization = proxy.authorization ? `Proxy-Authorization: ${proxy.authorization}\r\n` : "";
      socket.write(`CONNECT ${end} HTTP/1.1\r\nHost: ${end}\r\n${authorization}\r\n`);
    });
    socket.on("data", read);
  });
  const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r]/.exec(answer)?.[1] ?? 0);
  if (status < 200 || status > 299) {
    const message = `${shownProxy(proxy).replace("the", "The")} would not connect to ${end}: it answered ${status}`;
    throw new PinningError("proxy_refused", message, { status });
  }
  return socket;
}
