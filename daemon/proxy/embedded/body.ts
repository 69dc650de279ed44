/**
 * Bodies, piece by piece. Chunks are decoded and encoded again, so that what one side makes of an odd chunk never reaches the other.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Framing } from "./fields.ts";
import { Refusal } from "./refusal.ts";

/** Reads one body. */
export interface BodyReader {
  /** Whether the body is complete. */
  readonly done: boolean;
  /**
   * Takes bytes of the body and hands its content on.
   *
   * @returns How many bytes belonged to the body; fewer than given only when it is complete.
   * @throws {Refusal}
   */
  push(bytes: Buffer, take: (content: Buffer) => void): number;
}

/** A chunk's size line with its extensions, and all trailers together. */
const MAX_LINE_BYTES = 4_096;
const MAX_TRAILER_BYTES = 16_384;

/** Makes the reader for a body that ends as `framing` says. */
export function readBody(framing: Framing): BodyReader {
  switch (framing.kind) {
    case "none":
      return { done: true, push: () => 0 };
    case "length":
      return new FixedBody(framing.bytes);
    case "chunked":
      return new ChunkedBody();
    case "close":
      return {
        done: false,
        push(bytes, take) {
          take(bytes);
          return bytes.length;
        },
      };
  }
}

class FixedBody implements BodyReader {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  push(bytes: Buffer, take: (content: Buffer) => void): number {
    const count = Math.min(this.#left, bytes.length);
    if (count === 0) return 0;
    this.#left -= count;
    take(count === bytes.length ? bytes : bytes.subarray(0, count));
    return count;
  }
}

const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from("\r\n");

/** RFC 9112 §7.1. Chunk extensions and trailers are checked and left out, as §7.1.1 and §7.1.2 let a recipient do. */
class ChunkedBody implements BodyReader {
  done = false;
  #state: "size" | "data" | "after-data" | "trailer" = "size";
  #line = "";
  #left = 0;
  #trailerBytes = 0;

  push(bytes: Buffer, take: (content: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && !this.done) {
      if (this.#state === "data") {
        const count = Math.min(this.#left, bytes.length - at);
        take(bytes.subarray(at, at + count));
        at += count;
        this.#left -= count;
        if (this.#left === 0) this.#state = "after-data";
        continue;
      }
      at = this.#readLine(bytes, at);
    }
    return at;
  }

  /** Collects a line up to its CRLF, and acts on it once it is whole. */
  #readLine(bytes: Buffer, from: number): number {
    const feed = bytes.indexOf(LF, from);
    const end = feed === -1 ? bytes.length : feed + 1;
    this.#line += bytes.toString("latin1", from, end);
    if (this.#line.length > MAX_LINE_BYTES) throw new Refusal(400, "a long line between chunks");
    if (feed === -1) {
      // Only the last byte may be a CR, waiting for its LF
      if (this.#line.slice(0, -1).includes("\r")) throw new Refusal(400, "a bare CR between chunks");
      return end;
    }
    const line = this.#line;
    this.#line = "";
    if (line.charCodeAt(line.length - 2) !== CR || line.indexOf("\r") !== line.length - 2) {
      throw new Refusal(400, "a line between chunks that does not end in CRLF");
    }
    this.#act(line.slice(0, -2));
    return end;
  }

  #act(line: string): void {
    if (this.#state === "after-data") {
      if (line !== "") throw new Refusal(400, "a chunk longer than it said");
      this.#state = "size";
    } else if (this.#state === "size") {
      const match = SIZE_LINE.exec(line);
      if (match === null) throw new Refusal(400, "no chunk size");
      this.#left = parseInt(match[1]!, 16);
      this.#state = this.#left === 0 ? "trailer" : "data";
    } else if (line === "") {
      this.done = true;
    } else {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > MAX_TRAILER_BYTES || !TRAILER.test(line)) throw new Refusal(400, "a bad trailer");
    }
  }
}

/** Thirteen digits stay below 2^53. An extension is visible characters and blanks (RFC 9112 §7.1.1). */
const SIZE_LINE = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t -~\x80-\xff]*)?$/;
const TRAILER = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*$/;

/** The end of a chunked body. */
export const LAST_CHUNK: Buffer = Buffer.from("0\r\n\r\n");

/** How a body goes on. */
export interface PassOptions {
  /** Whether in chunks. */
  readonly chunked: boolean;
  /** Told how long the content is before any of it is given; may throw. */
  readonly judge?: (length: number) => void;
  /** Takes what is to be sent, ready to be sent. */
  readonly give: (bytes: Buffer) => void;
}

/**
 * Passes bytes of a body on. Content that came together leaves together: a megabyte of chunks of a byte each costs no more than one chunk.
 *
 * @returns As {@linkcode BodyReader.push}.
 * @throws {Refusal}
 */
export function passBody(reader: BodyReader, bytes: Buffer, { chunked, judge, give }: PassOptions): number {
  const parts: Buffer[] = [];
  let length = 0;
  const consumed = reader.push(bytes, (content) => {
    parts.push(content);
    length += content.length;
  });
  judge?.(length);
  if (chunked) {
    if (length > 0) {
      parts.unshift(Buffer.from(`${length.toString(16)}\r\n`, "latin1"));
      parts.push(CRLF);
    }
    if (reader.done) parts.push(LAST_CHUNK);
  }
  if (parts.length > 0) give(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  return consumed;
}
