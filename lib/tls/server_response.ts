/** From the `Response` a handler returned to node's server response. */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { isDoneNow } from "./body.ts";

/** Statuses whose responses have no body (RFC 9110 §6.4.1). */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Sends a response at once if it is text that nobody has touched yet, as most are: without waiting for anything.
 *
 * @returns Whether it did.
 */
export function sendText(response: Response, out: ServerResponse): boolean {
  const text = textOf(response);
  if (text === undefined || out.req.method === "HEAD" || NULL_BODY_STATUSES.has(response.status)) return false;
  writeHead(out, response, headOf(response, Buffer.byteLength(text)));
  out.end(text);
  return true;
}

/**
 * Sends a response, keeping pace with the client.
 *
 * A body that fails after the head is out breaks the connection, so that the client cannot take what it got for the whole.
 *
 * @throws Whatever the body failed with, before or after the head went out.
 */
export async function sendResponse(response: Response, out: ServerResponse): Promise<void> {
  if (response.type === "error") throw new TypeError("Cannot send a network error as a response");
  if (response.bodyUsed) throw new TypeError("Cannot send a response whose body was already read");
  const isBodyless = NULL_BODY_STATUSES.has(response.status) || out.req.method === "HEAD";
  if (response.body === null || isBodyless) {
    await response.body?.cancel();
    writeHead(out, response, headOf(response, isBodyless ? undefined : 0));
    out.end();
    return;
  }
  const reader = response.body.getReader();
  let first = await reader.read();
  while (!first.done && first.value.byteLength === 0) first = await reader.read();
  if (first.done) {
    writeHead(out, response, headOf(response, 0));
    out.end();
    return;
  }
  const next = reader.read();
  if (await isDoneNow(next)) {
    // The whole body is one chunk: one write, and the client learns its length.
    writeHead(out, response, headOf(response, first.value.byteLength));
    out.end(first.value);
    return;
  }
  writeHead(out, response, headOf(response));
  await pump(reader, { first: first.value, next, out });
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  o: { first: Uint8Array; next: Promise<ReadableStreamReadResult<Uint8Array>>; out: ServerResponse },
): Promise<void> {
  const { out } = o;
  const onClose = () => void reader.cancel(new DOMException("The client went away", "AbortError")).catch(() => {});
  out.once("close", onClose);
  try {
    let chunk: Uint8Array | undefined = o.first;
    let next: Promise<ReadableStreamReadResult<Uint8Array>> | undefined = o.next;
    while (chunk !== undefined) {
      if (out.destroyed) return;
      if (!out.write(chunk)) await drained(out);
      const result: ReadableStreamReadResult<Uint8Array> = await (next ?? reader.read());
      next = undefined;
      chunk = result.done ? undefined : result.value;
    }
    out.off("close", onClose);
    out.end();
  } catch (error) {
    out.off("close", onClose);
    out.destroy();
    throw error;
  }
}

function drained(out: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      out.off("drain", done);
      out.off("close", done);
      resolve();
    };
    out.once("drain", done);
    out.once("close", done);
  });
}

/**
 * Where Deno keeps the text of a response nobody has touched yet. Reading such a body as a stream costs more than all else
 * about a small response; where this is not to be found, that is what is done.
 */
const TEXT: symbol | undefined = (() => {
  const isHeld = (response: Response, symbol: symbol) => Reflect.get(response, symbol);
  return Object.getOwnPropertySymbols(new Response("probe")).find((symbol) =>
    symbol.description === "lazy static body" && isHeld(new Response("probe"), symbol) === "probe" &&
    typeof isHeld(new Response(new ReadableStream()), symbol) !== "string"
  );
})();

function textOf(response: Response): string | undefined {
  if (TEXT === undefined || !(response instanceof Response)) return undefined;
  const text: unknown = Reflect.get(response, TEXT);
  return typeof text === "string" ? text : undefined;
}

/** Headers as node takes them, name and value in turn, with the length of the body unless the response says it. */
function headOf(response: Response, length?: number): string[] {
  const head: string[] = [];
  let hasLength = length === undefined;
  for (const [name, value] of response.headers) {
    // How the body is framed is the connection's business.
    if (name === "transfer-encoding") continue;
    hasLength ||= name === "content-length";
    head.push(name, value);
  }
  if (!hasLength) head.push("content-length", String(length));
  return head;
}

function writeHead(out: ServerResponse, response: Response, head: string[]): void {
  if (response.statusText !== "") out.writeHead(response.status, response.statusText, head);
  else out.writeHead(response.status, head);
}
