/**
 * Field lines of HTTP/1.1 messages, read strictly: what two programs could read differently is refused, because that is how requests
 * are smuggled (RFC 9112 §11.2).
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Refusal } from "./refusal.ts";

/** A message's first line, its fields, and what they say of the connection and of the message's end. */
export interface Head extends FramingFields {
  /** The request line or the status line. */
  readonly start: string;
  /** Of the fields in order, lower-case. The same index is the same line. */
  readonly names: readonly string[];
  /** Without surrounding white space. */
  readonly values: readonly string[];
  /** As received, without CRLF. */
  readonly lines: readonly string[];
  /** Every Connection, joined, lower-case. */
  readonly connection: string;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Controls, and a CR or LF without the other (RFC 9112 §2.2, RFC 9110 §5.5). */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;

/** Fields that concern one connection alone (RFC 9110 §7.6.1, §11.7), or that the proxy writes itself. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "content-length",
  "upgrade",
  "http2-settings",
]);

/**
 * Reads a head.
 *
 * @param buffer What was received.
 * @param end Where the head ends: the index of its empty line's CRLF CRLF.
 * @param maxFields How many field lines are taken.
 * @throws {Refusal}
 */
export function readHead(buffer: Buffer, end: number, maxFields: number): Head {
  const text = buffer.toString("latin1", 0, end);
  if (FORBIDDEN.test(text)) throw new Refusal(400, "a control character, or a line that does not end in CRLF");
  const lines = text.split("\r\n");
  const start = lines.shift() ?? "";
  if (lines.length > maxFields) throw new Refusal(431, "too many fields");
  const names = new Array<string>(lines.length);
  const values = new Array<string>(lines.length);
  const lengths: string[] = [];
  const codings: string[] = [];
  let connection = "";
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    // No token: white space before the colon (RFC 9112 §5.1), a folded line (§5.2), or no name at all
    if (colon < 1 || !TOKEN.test(name)) throw new Refusal(400, "a line that is no field");
    const value = trimmed(line, colon + 1);
    const key = name.toLowerCase();
    names[index] = key;
    values[index] = value;
    if (key === "content-length") lengths.push(value);
    else if (key === "transfer-encoding") codings.push(value);
    else if (key === "connection") connection += connection === "" ? value.toLowerCase() : `,${value.toLowerCase()}`;
  }
  return { start, names, values, lines, lengths, codings, connection };
}

function trimmed(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The members of a comma-separated list, lower-case (RFC 9110 §5.6.1). */
export function listOf(value: string): string[] {
  return value.toLowerCase().split(",").map((member) => member.replace(/^[ \t]+|[ \t]+$/g, "")).filter((member) =>
    member !== ""
  );
}

/**
 * The field lines that go on to the next hop, each with its CRLF.
 *
 * Underscores count as hyphens: many programs behind a proxy do not tell them apart, and would take `Content_Length` for the length.
 *
 * @param head What was received; what its Connection names stays behind as well.
 * @param isOwn Names the proxy writes itself.
 */
export function forwarded(head: Head, isOwn: (name: string) => boolean): string {
  const { connection, names, lines } = head;
  const named = connection === "" || connection === "close" || connection === "keep-alive"
    ? undefined
    : listOf(connection);
  let text = "";
  for (let index = 0; index < names.length; index++) {
    const received = names[index]!;
    const name = received.includes("_") ? received.replaceAll("_", "-") : received;
    if (HOP_BY_HOP.has(name) || isOwn(name) || named?.includes(received)) continue;
    text += lines[index]! + "\r\n";
  }
  return text;
}

/** The fields that say how a message ends. */
export interface FramingFields {
  /** Every Content-Length. */
  readonly lengths: readonly string[];
  /** Every Transfer-Encoding. */
  readonly codings: readonly string[];
}

/** How a body ends. */
export type Framing = { readonly kind: "none" | "chunked" | "close" } | {
  readonly kind: "length";
  readonly bytes: number;
};

/** Whether content follows, perhaps. */
export function hasBody(framing: Framing): boolean {
  return framing.kind === "length" ? framing.bytes > 0 : framing.kind !== "none";
}

/** No body. */
export const NO_BODY: Framing = { kind: "none" };
/** Chunks. */
export const CHUNKED: Framing = { kind: "chunked" };
/** Until the connection ends. */
export const UNTIL_CLOSE: Framing = { kind: "close" };

/**
 * What Content-Length and Transfer-Encoding say together (RFC 9112 §6.3); undefined when there is neither.
 *
 * More than one of either, both, or anything but a plain number or `chunked` is refused, although some of it could be repaired.
 *
 * @throws {Refusal}
 */
export function framingOf({ lengths, codings }: FramingFields): Framing | undefined {
  if (codings.length > 0) {
    if (lengths.length > 0) throw new Refusal(400, "Content-Length beside Transfer-Encoding");
    if (codings.length > 1) throw new Refusal(400, "Transfer-Encoding more than once");
    const coding = codings[0]!.toLowerCase();
    if (coding === "chunked") return CHUNKED;
    const members = listOf(coding);
    const isUnknown = members.length > 0 && members.every((member) => TOKEN.test(member)) &&
      members.indexOf("chunked") === members.length - 1;
    throw isUnknown
      ? new Refusal(501, "a transfer coding other than chunked")
      : new Refusal(400, "a transfer coding that does not end in chunked");
  }
  if (lengths.length === 0) return undefined;
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0]!)) {
    throw new Refusal(400, "a Content-Length that is not one number");
  }
  const bytes = Number(lengths[0]);
  return { kind: "length", bytes };
}
