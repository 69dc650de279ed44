/**
 * What a visitor asks for, read and judged.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { forwarded, type Framing, framingOf, hasBody, type Head, NO_BODY, readHead } from "./fields.ts";
import { Refusal } from "./refusal.ts";

/** A request's head. */
export interface RequestHead {
  readonly method: string;
  /** In origin form, or `*`. */
  readonly target: string;
  /** Whether the visitor speaks HTTP/1.1 rather than 1.0. */
  readonly isModern: boolean;
  /** Lower-case host name without port and trailing dot; empty when there is none. */
  readonly host: string;
  /** Host as the visitor wrote it. */
  readonly authority: string;
  readonly framing: Framing;
  /** Whether the visitor waits for 100 (Continue). */
  readonly expectsContinue: boolean;
  /** Whether the connection ends after the response. */
  readonly close: boolean;
  readonly isWebSocket: boolean;
  /** How often a Helyos has forwarded it before. */
  readonly hops: number;
  /** All Via fields before, joined. */
  readonly via: string;
  readonly head: Head;
}

/** How much of a head is taken. */
export interface RequestLimits {
  readonly maxFields: number;
  readonly maxTargetBytes: number;
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP\/([0-9])\.([0-9])$/;
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{0,5})?$/;

/** How the proxy names itself in Via. */
const PSEUDONYM = "helyos";

/** Methods whose repetition does no harm (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Whether the request may be sent again when nobody knows what became of it. */
export function isIdempotent(request: RequestHead): boolean {
  return IDEMPOTENT.has(request.method);
}

/**
 * Reads a request's head.
 *
 * @param buffer What was received.
 * @param end The index of the empty line's CRLF CRLF.
 * @param limits How much is taken.
 * @throws {Refusal}
 */
export function readRequest(buffer: Buffer, end: number, limits: RequestLimits): RequestHead {
  const head = readHead(buffer, end, limits.maxFields);
  const line = REQUEST_LINE.exec(head.start);
  if (line === null) throw new Refusal(400, "no request line");
  const method = line[1]!;
  if (line[3] !== "1") throw new Refusal(505, "another version than HTTP/1");
  const isModern = line[4] !== "0";
  if (line[2]!.length > limits.maxTargetBytes) throw new Refusal(414, "a long target");
  if (method === "CONNECT" || method === "TRACE") throw new Refusal(501, "a method that is not forwarded");

  let authority: string | undefined;
  let upgrade = "";
  let via = "";
  let expectsContinue = false;
  for (let index = 0; index < head.names.length; index++) {
    const value = head.values[index]!;
    switch (head.names[index]) {
      case "host":
        if (authority !== undefined) throw new Refusal(400, "more than one Host"); // RFC 9112 §3.2
        authority = value;
        break;
      case "upgrade":
        upgrade = upgrade === "" ? value.toLowerCase() : "several";
        break;
      case "via":
        via = via === "" ? value : `${via}, ${value}`;
        break;
      case "expect":
        if (value.toLowerCase() !== "100-continue") throw new Refusal(417, "an unknown expectation");
        expectsContinue = isModern;
        break;
    }
  }
  if (authority === undefined && isModern) throw new Refusal(400, "no Host"); // RFC 9112 §3.2
  const { target, named } = originForm(method, line[2]!);
  // The target's authority wins over Host, which must be valid nevertheless (RFC 9112 §3.2, §3.2.2)
  let host = hostOf(authority ?? "");
  if (named !== undefined) host = hostOf(authority = named);
  const { connection } = head;
  const framing = framingOf(head) ?? NO_BODY;
  if (framing.kind === "chunked" && !isModern) throw new Refusal(400, "chunks in HTTP/1.0"); // RFC 9112 §6.1
  const isUpgrade = isModern && upgrade !== "" && has(connection, "upgrade");
  // h2c and whatever else would be a tunnel past the rules of this proxy; an upgrade may be ignored (RFC 9110 §7.8)
  const isWebSocket = isUpgrade && upgrade === "websocket";
  if (isWebSocket && (method !== "GET" || hasBody(framing))) {
    throw new Refusal(400, "a WebSocket handshake with content"); // RFC 6455 §4.1
  }
  return {
    method,
    target,
    isModern,
    host,
    authority: authority ?? "",
    framing,
    expectsContinue: expectsContinue && hasBody(framing),
    close: !isModern || has(connection, "close"),
    isWebSocket,
    hops: via === "" ? 0 : via.split(PSEUDONYM).length - 1,
    via,
    head,
  };
}

function has(list: string, member: string): boolean {
  return list === member || list.includes(member) && list.split(",").some((part) => part.trim() === member);
}

function originForm(method: string, target: string): { target: string; named?: string } {
  if (target.includes("#")) throw new Refusal(400, "a fragment in the target");
  if (target.startsWith("/")) return { target };
  if (target === "*" && method === "OPTIONS") return { target };
  const absolute = /^https?:\/\/([^/?]+)(.*)$/i.exec(target);
  if (absolute === null) throw new Refusal(400, "a target in an unknown form");
  const [, named, rest] = absolute as unknown as [string, string, string];
  if (method === "OPTIONS" && rest === "") return { target: "*", named }; // RFC 9112 §3.2.4
  return { target: rest.startsWith("/") ? rest : `/${rest}`, named };
}

function hostOf(authority: string): string {
  if (authority === "") return "";
  const match = AUTHORITY.exec(authority);
  if (match === null) throw new Refusal(400, "no host name in Host");
  const host = match[1]!.toLowerCase();
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

/** What only the proxy may say; beside these, whatever begins with X-Forwarded-: visitors must not be able to forge it. */
const OWN: ReadonlySet<string> = new Set(["host", "expect", "via", "forwarded", "x-real-ip"]);

function isOwn(name: string): boolean {
  return OWN.has(name) || name.startsWith("x-forwarded-");
}

/** Who asks, and how. */
export interface Visitor {
  /** Their address. */
  readonly address: string;
  readonly secure: boolean;
}

/** The head as it goes to an upstream. */
export function forwardedRequest(request: RequestHead, visitor: Visitor): string {
  const { framing } = request;
  const body = framing.kind === "length"
    ? `Content-Length: ${framing.bytes}\r\n`
    : framing.kind === "chunked"
    ? "Transfer-Encoding: chunked\r\n"
    : "";
  return `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.authority}\r\n` +
    forwarded(request.head, isOwn) +
    `X-Real-IP: ${visitor.address}\r\nX-Forwarded-For: ${visitor.address}\r\nX-Forwarded-Host: ${request.authority}\r\n` +
    `X-Forwarded-Proto: ${visitor.secure ? "https" : "http"}\r\n` +
    `Via: ${request.via === "" ? "" : `${request.via}, `}1.${request.isModern ? 1 : 0} ${PSEUDONYM}\r\n` +
    body + (request.isWebSocket ? "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" : "\r\n");
}
