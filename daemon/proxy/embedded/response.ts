/**
 * What an upstream answers, read and judged.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import {
  CHUNKED,
  forwarded,
  type Framing,
  framingOf,
  hasBody,
  type Head,
  listOf,
  NO_BODY,
  readHead,
  UNTIL_CLOSE,
} from "./fields.ts";
import { httpDate, Refusal } from "./refusal.ts";

/** A response's head. */
export interface ResponseHead {
  readonly status: number;
  /** What follows the status: for people. */
  readonly reason: string;
  readonly framing: Framing;
  /** Whether the upstream's connection can be used again. */
  readonly keepAlive: boolean;
  /** How long the upstream keeps an idle connection, as it said itself. */
  readonly keepAliveSeconds: number | undefined;
  /** Content-Length of a response without content: to HEAD, or 304. */
  readonly describedLength: string | undefined;
  /** Whether a 101 is for WebSocket. */
  readonly isWebSocket: boolean;
  readonly hasDate: boolean;
  readonly head: Head;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?$/;

/**
 * Reads a response's head.
 *
 * @param buffer What was received.
 * @param end The index of the empty line's CRLF CRLF.
 * @param options What was asked, and how much is taken.
 * @throws {Refusal} Whatever its status, visitors get 502.
 */
export function readResponse(
  buffer: Buffer,
  end: number,
  options: { readonly method: string; readonly maxFields: number },
): ResponseHead {
  const head = readHead(buffer, end, options.maxFields);
  const line = STATUS_LINE.exec(head.start);
  if (line === null) throw new Refusal(502, "no status line");
  const status = Number(line[2]);
  let upgrade = "";
  let hasDate = false;
  let keepAliveSeconds: number | undefined;
  for (let index = 0; index < head.names.length; index++) {
    const value = head.values[index]!;
    switch (head.names[index]) {
      case "keep-alive": {
        const seconds = /timeout=([0-9]{1,6})/i.exec(value);
        if (seconds !== null) keepAliveSeconds = Number(seconds[1]);
        break;
      }
      case "upgrade":
        upgrade = value.toLowerCase();
        break;
      case "date":
        hasDate = true;
        break;
    }
  }
  const { connection, lengths } = head;
  const described = framingOf(head);
  // RFC 9112 §6.3: these have no content, whatever their fields say
  const isEmpty = options.method === "HEAD" || status < 200 || status === 204 || status === 304;
  const framing = isEmpty ? NO_BODY : described ?? UNTIL_CLOSE;
  // Content where there must be none may come later, and would be taken for the next response
  const isAmbiguous = status === 204 && described !== undefined && hasBody(described);
  const members = connection === "" || connection === "keep-alive" ? [] : listOf(connection);
  return {
    status,
    reason: line[3] ?? "",
    framing,
    keepAlive: framing.kind !== "close" && !isAmbiguous && !members.includes("close") &&
      (line[1] === "1" || connection.includes("keep-alive")),
    keepAliveSeconds,
    describedLength: isEmpty && status >= 200 && status !== 204 && described?.kind === "length"
      ? lengths[0]
      : undefined,
    isWebSocket: status === 101 && upgrade === "websocket" && members.includes("upgrade"),
    hasDate,
    head,
  };
}

/** How the response goes to the visitor. */
export interface ResponseOptions {
  /** Whether the visitor's connection ends with it. */
  readonly close: boolean;
  /** How the body goes out. */
  readonly framing: Framing;
  /** Seconds of Strict-Transport-Security. */
  readonly hstsSeconds: number | undefined;
}

const NOTHING = (): boolean => false;
const isHsts = (name: string): boolean => name === "strict-transport-security";

/** The head as it goes to the visitor. */
export function forwardedResponse(response: ResponseHead, options: ResponseOptions): string {
  const { framing, hstsSeconds } = options;
  let text = `HTTP/1.1 ${response.status} ${response.reason}\r\n` +
    forwarded(response.head, hstsSeconds === undefined ? NOTHING : isHsts);
  if (framing.kind === "length") text += `Content-Length: ${framing.bytes}\r\n`;
  else if (framing.kind === "chunked") text += "Transfer-Encoding: chunked\r\n";
  else if (response.describedLength !== undefined) text += `Content-Length: ${response.describedLength}\r\n`;
  if (response.isWebSocket) return text + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  if (response.status < 200) return text + "\r\n";
  if (!response.hasDate) text += `Date: ${httpDate()}\r\n`; // RFC 9110 §6.6.1
  if (hstsSeconds !== undefined) text += `Strict-Transport-Security: max-age=${hstsSeconds}\r\n`;
  return text + (options.close ? "Connection: close\r\n\r\n" : "\r\n");
}

/** How a body that comes one way goes out to a visitor, who may be one of HTTP/1.0. */
export function framingForVisitor(response: ResponseHead, isModern: boolean): Framing {
  const { framing } = response;
  if (framing.kind !== "chunked" && framing.kind !== "close") return framing;
  return isModern ? CHUNKED : UNTIL_CLOSE;
}
