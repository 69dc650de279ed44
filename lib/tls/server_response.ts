/** From the `Response` a handler returned to node's server response. */
import type { ServerResponse } from "node:http";
import { isDoneNow } from "./body.ts";

/** Statuses whose responses have no body (RFC 9110 §6.4.1). */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

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
  const head = headOf(response);
  if (response.body === null || NULL_BODY_STATUSES.has(response.status) || out.req.method === "HEAD") {
    await response.body?.cancel();
    if (response.body === null && !NULL_BODY_STATUSES.has(response.status) && out.req.method !== "HEAD") {
      if (!response.headers.has("content-length")) head.push("content-length", "0");
    }
    writeHead(out, response, head);
    out.end();
    return;
  }
  const reader = response.body.getReader();
  let first = await reader.read();
  while (!first.done && first.value.byteLength === 0) first = await reader.read();
  if (first.done) {
    if (!response.headers.has("content-length")) head.push("content-length", "0");
    writeHead(out, response, head);
    out.end();
    return;
  }
  const next = reader.read();
  if (await isDoneNow(next)) {
    // The whole body is one chunk: one write, and the client learns its length.
    if (!response.headers.has("content-length")) head.push("content-length", String(first.value.byteLength));
    writeHead(out, response, head);
    out.end(first.value);
    return;
  }
  writeHead(out, response, head);
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

function headOf(response: Response): string[] {
  const head: string[] = [];
  for (const [name, value] of response.headers) {
    // How the body is framed is the connection's business.
    if (name !== "transfer-encoding") head.push(name, value);
  }
  return head;
}

function writeHead(out: ServerResponse, response: Response, head: string[]): void {
  if (response.statusText !== "") out.writeHead(response.status, response.statusText, head);
  else out.writeHead(response.status, head);
}
