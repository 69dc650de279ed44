/**
 * From an answer of `node:http` to a `Response` whose body streams.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import { nameAbort, nameCause } from "./cause.ts";
import type { Connection } from "./connection.ts";
import { PinningError } from "./errors.ts";
import type { Outgoing } from "./outgoing.ts";

/** How much of a body is read ahead of the caller, in bytes. */
const READ_AHEAD = 64 * 1024;

/** What an answer belongs to. */
export interface AnswerContext {
  /** What it answers. */
  readonly outgoing: Outgoing;
  /** The connection it comes on. */
  readonly connection: Connection;
  /** Resolves when the exchange is over, and the connection free again or closed. */
  readonly closed: Promise<void>;
  /** The server, as people write it. */
  readonly place: string;
  /** How long it may be silent, in milliseconds. Event streams may be as silent as they like. */
  readonly idleTimeoutMs: number;
}

/**
 * Makes a `Response` of an answer.
 *
 * @param message The answer.
 * @param context What it belongs to.
 * @returns The response.
 * @throws {PinningError} `protocol` if it could be no response.
 */
export async function answerOf(message: IncomingMessage, context: AnswerContext): Promise<Response> {
  const { outgoing, place } = context;
  const status = message.statusCode ?? 0;
  // RFC 9110 §6.4.1: these have no body. `fetch` knows no statuses beyond 599.
  const bare = outgoing.method === "HEAD" || [204, 205, 304].includes(status);
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
      headers.append(message.rawHeaders[at]!, message.rawHeaders[at + 1]!);
    }
    const body = bare ? null : wholeBody(message, headers) ?? bodyOf(message, headers, context);
    if (!(body instanceof ReadableStream)) {
      message.resume();
      await ended(context);
    }
    const response = new Response(body, { status, statusText: statusText(message), headers });
    Object.defineProperty(response, "url", { value: outgoing.url.href });
    return response;
  } catch (cause) {
    if (cause instanceof PinningError) throw cause;
    throw new PinningError("protocol", `The answer of ${place} makes no sense (status ${status})`, { cause, status });
  }
}

/** Waits for the end of an answer without a body, which a server may promise and never come to (205, RFC 9110 §15.3.6). */
async function ended({ outgoing: { signal }, closed, place, idleTimeoutMs }: AnswerContext): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const abort = () => stopped.reject(nameAbort(signal!, place));
  const timer = setTimeout(
    () => stopped.reject(new PinningError("timeout", `${place} does not come to the end of its answer`)),
    idleTimeoutMs,
  );
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([closed, stopped.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function statusText(message: IncomingMessage): string {
  return (message.statusMessage ?? "").replaceAll(/[^\t\x20-\x7e]/g, "?");
}

/** The body, if it is short and came along with the header: most answers do, and need no stream. */
function wholeBody(message: IncomingMessage, headers: Headers): Uint8Array<ArrayBuffer> | undefined {
  const length = headers.get("content-length");
  if (length === null || message.readableLength !== Number(length) || message.readableLength === 0) return undefined;
  return new Uint8Array(message.read(Number(length)));
}

function bodyOf(message: IncomingMessage, headers: Headers, context: AnswerContext): ReadableStream<Uint8Array> {
  const { outgoing: { signal }, connection: { socket, flow }, place } = context;
  const isEventStream = /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
  let timer: ReturnType<typeof setTimeout> | undefined;
  let done = false;
  let abort = () => {};

  function finish(): boolean {
    if (done) return false;
    done = true;
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    return true;
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      const fail = (error: PinningError) => {
        if (!finish()) return;
        controller.error(error);
        socket.destroy();
      };
      const await_ = () => {
        clearTimeout(timer);
        if (isEventStream || done) return;
        const text = `${place} went silent in the middle of its answer`;
        timer = setTimeout(() => fail(new PinningError("timeout", text)), context.idleTimeoutMs);
      };
      abort = () => fail(nameAbort(signal!, place));
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      message.on("data", (chunk: Uint8Array) => {
        if (done) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) > 0) return await_();
        // Nobody waits for the server now: neither its silence nor its connection matters.
        clearTimeout(timer);
        message.pause();
        flow(false);
        socket.unref();
      });
      message.on("resume", await_);
      message.on("end", () => {
        if (message.complete && finish()) controller.close();
      });
      const broke = (cause?: unknown) => {
        const error = cause ?? Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
        const named = nameCause(error, place);
        const text = `${place} hung up in the middle of its answer`;
        fail(named.code === "disconnected" ? new PinningError("disconnected", text, { cause: error }) : named);
      };
      message.on("error", broke);
      message.on("close", () => broke());
      await_();
    },
    pull() {
      if (done) return;
      socket.ref();
      flow(true);
      message.resume();
    },
    cancel() {
      if (!finish()) return;
      message.destroy();
      socket.destroy();
    },
  }, { highWaterMark: READ_AHEAD, size: (chunk) => chunk.byteLength });
}
