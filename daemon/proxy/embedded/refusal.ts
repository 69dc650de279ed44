/**
 * What visitors are told when the proxy itself answers: a status and nothing that tells of what lies behind it.
 *
 * @module
 */

const REASONS: Readonly<Record<number, string>> = {
  308: "Permanent Redirect",
  400: "Bad Request",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  508: "Loop Detected",
};

/** A message that is not taken over: as an answer to a visitor its status, from an upstream a 502. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What an answer of the proxy's own carries beside its status. */
export interface AnswerOptions {
  /** Whole field lines, each with its CRLF. */
  readonly fields?: string;
  /** Whether the connection ends with it. */
  readonly close: boolean;
  /** Whether the request was a HEAD: no content then (RFC 9110 §9.3.2). */
  readonly head: boolean;
}

/** A whole response. */
export function answerText(status: number, options: AnswerOptions): string {
  const line = `${status} ${REASONS[status] ?? "Error"}`;
  const content = `${line}\n`;
  return `HTTP/1.1 ${line}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${content.length}\r\n` +
    `Cache-Control: no-store\r\nDate: ${httpDate()}\r\n${options.fields ?? ""}` +
    `${options.close ? "Connection: close\r\n" : ""}\r\n${options.head ? "" : content}`;
}

let dateSecond = 0;
let dateText = "";

/** The time in the form of RFC 9110 §5.6.7, made once a second. */
export function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}
