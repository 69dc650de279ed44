import type { Readable } from "node:stream";
import { TlsConnectionError } from "./errors.ts";

/** Options for {@linkcode bodyStream}. */
export interface BodyStreamOptions {
  /** Fail once more than this many bytes have come. */
  readonly maxBytes?: number | undefined;
  /** Called when the reader gives up before the end. */
  readonly onCancel?: () => void;
}

/** Turns a node stream into a web stream that pauses its source while nobody reads. */
export function bodyStream(source: Readable, options: BodyStreamOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { maxBytes = Infinity, onCancel } = options;
  let received = 0;
  let over = false;
  return new ReadableStream({
    start(controller) {
      const fail = (error: Error) => {
        if (over) return;
        over = true;
        controller.error(error);
      };
      source.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
        if (over) return;
        received += chunk.byteLength;
        if (received > maxBytes) {
          source.resume();
          return fail(new TlsConnectionError("too_large", `Cannot read the body: more than ${maxBytes} bytes`));
        }
        // Plain bytes: a Buffer would surprise a reader of a web stream.
        controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
      source.once("end", () => {
        if (over) return;
        over = true;
        controller.close();
      });
      source.once("error", (cause) => fail(new TlsConnectionError("closed", "The body broke off", { cause })));
      // Without "end" before it, the sender went away in the middle.
      source.once("close", () => fail(new TlsConnectionError("closed", "The body broke off")));
      source.pause();
    },
    pull() {
      source.resume();
    },
    cancel() {
      over = true;
      onCancel?.();
      source.resume();
    },
  }, { highWaterMark: 0 });
}

/** Whether a read is over within a few turns of the microtask queue, as it is for text and bytes given whole. */
export async function isDoneNow(read: Promise<ReadableStreamReadResult<Uint8Array>>): Promise<boolean> {
  let done = false;
  read.then((result) => done = result.done, () => {});
  for (let turn = 0; turn < 4 && !done; turn++) await undefined;
  return done;
}
