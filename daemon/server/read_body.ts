/**
 * Reads a JSON body that a stranger sent: bounded in size, time and depth.
 *
 * @module
 */
import { Failure } from "./failure.ts";

/** Bounds of what a request may bring. */
export interface BodyLimits {
  /** Longest body, in bytes. */
  readonly maxBytes: number;
  /** The whole body must be there within this time. */
  readonly timeoutMs: number;
  /** Deepest nesting of arrays and objects. */
  readonly maxDepth: number;
}

/** What the daemon uses. */
export const BODY_LIMITS: BodyLimits = { maxBytes: 2 * 1024 * 1024, timeoutMs: 15_000, maxDepth: 64 };

/** The connection of a body that was not read to its end cannot carry another request. */
const CLOSE = { headers: { connection: "close" } };

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads and parses a JSON body.
 *
 * @returns The value; undefined when the body is empty.
 * @throws {Failure} `too_large`, `timeout`, `unsupported_media_type`, or `bad_request` for what is not UTF-8, not JSON or
 *   nested too deep.
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const bytes = await readBytes(request, limits);
  if (bytes.length === 0) return undefined;
  const mediaType = (request.headers.get("content-type") ?? "").replace(/;.*$/s, "").trim().toLowerCase();
  if (mediaType !== "application/json" && !/^application\/[\w.-]+\+json$/.test(mediaType)) {
    throw new Failure("unsupported_media_type", "the body must be JSON: send Content-Type: application/json");
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Failure("bad_request", "the body is not valid UTF-8");
  }
  if (isDeeperThan(text, limits.maxDepth)) {
    throw new Failure("bad_request", `the body is nested deeper than ${limits.maxDepth} levels`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("bad_request", "the body is not valid JSON"); // the parser's own text would quote the body
  }
}

/** Refuses a body that announces more than the limit. */
export function refuseAnnounced(request: Request, limits: BodyLimits): void {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > limits.maxBytes) throw tooLarge(limits);
}

/** How much of a body nobody wants is read, in bodies of the longest allowed size. */
const UNWANTED_BODIES = 4;

/** How long reading it may take. */
const UNWANTED_MS = 2_000;

/**
 * Reads what is left of a body and throws it away, within bounds. Over HTTP/2 an answer before the end of the body makes
 * Deno reset the stream, and clients such as curl then report a broken stream instead of the refusal.
 */
export async function discardBody(request: Request, limits: BodyLimits): Promise<void> {
  if (request.body === null || request.body.locked) return;
  const reader = request.body.getReader();
  const timer = setTimeout(() => reader.cancel().catch(ignore), Math.min(UNWANTED_MS, limits.timeoutMs));
  try {
    for (let size = 0; size <= UNWANTED_BODIES * limits.maxBytes;) {
      const { value, done } = await reader.read();
      if (done) return;
      size += value.length;
    }
  } catch {
    // The sender is gone
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(ignore);
  }
}

function ignore(): void {/* the connection is going away anyway */}

async function readBytes(request: Request, limits: BodyLimits): Promise<Uint8Array> {
  refuseAnnounced(request, limits);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failure("timeout", `the body did not arrive within ${limits.timeoutMs / 1000} seconds`, CLOSE)),
      limits.timeoutMs,
    );
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await Promise.race([reader.read(), late]);
      if (done) break;
      size += value.length;
      if (size > limits.maxBytes) {
        reader.releaseLock();
        await discardBody(request, limits);
        throw tooLarge(limits);
      }
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof Failure && error.code === "too_large") throw error;
    // Not awaited: cancelling waits for a sender that may never send again
    reader.cancel().catch(ignore);
    if (error instanceof Failure) throw error;
    throw new Failure("bad_request", "the body broke off", { cause: error, ...CLOSE });
  } finally {
    clearTimeout(timer);
  }
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function tooLarge(limits: BodyLimits): Failure {
  return new Failure("too_large", `the body is over the limit of ${limits.maxBytes} bytes`, CLOSE);
}

/** Counts brackets outside strings, so that nothing is built from a hostile body before its depth is known. */
function isDeeperThan(json: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (inString) {
      if (unit === 0x5c) at++; // a backslash escapes what follows
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) inString = true;
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > maxDepth) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return false;
}
