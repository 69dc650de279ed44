/**
 * HTTP as ACME needs it: verified TLS, bounded bodies, Retry-After in both its spellings.
 *
 * @module
 */
import { Agent, request as httpsRequest } from "node:https";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { AcmeError } from "./errors.ts";

/** What came back. */
export interface AcmeResponse {
  /** HTTP status. */
  readonly status: number;
  /** Headers, names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The body. */
  readonly text: string;
}

/** Largest body read, in bytes: a chain is a few kilobytes. */
const MAX_BODY_BYTES = 1024 * 1024;

/** One keep-alive client of one ACME server. */
export class Transport {
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(options: { readonly ca?: string | readonly string[]; readonly timeoutMs: number }) {
    // `ca: undefined` would mean the default roots as well, but only an absent one says so.
    const trust = options.ca === undefined ? {} : { ca: [options.ca].flat() };
    this.#agent = new Agent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: true, ...trust });
    this.#timeoutMs = options.timeoutMs;
  }

  /** Sends one request. */
  send(
    method: "GET" | "HEAD" | "POST",
    url: string,
    options: { body?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<AcmeResponse> {
    const target = URL.canParse(url) ? new URL(url) : undefined;
    if (target?.protocol !== "https:") {
      const why = `Cannot use "${url}": ACME is spoken over https (RFC 8555 §6.1)`;
      return Promise.reject(new AcmeError("protocol", why));
    }
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const { body } = options;
    const signal = AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), ...(options.signal ? [options.signal] : [])]);
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => {
        signal.removeEventListener("abort", stop);
        reject(options.signal?.aborted ? options.signal.reason : failure(target, cause));
      };
      // Deno 2.9 sends a request that is aborted on a kept connection again and says nothing: so the signal is heard here.
      const stop = () => {
        request.destroy();
        fail(signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
      const request = httpsRequest(
        target,
        {
          method,
          agent: this.#agent,
          headers: {
            "user-agent": "helyos-acme/0.4 (+https://jsr.io/@helyos/acme)",
            "accept-language": "en",
            ...(body === undefined
              ? {}
              : { "content-type": "application/jose+json", "content-length": new TextEncoder().encode(body).length }),
          },
        },
        (response) =>
          readBody(response).then(
            (text) => {
              signal.removeEventListener("abort", stop);
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
            },
            fail,
          ),
      );
      request.setNoDelay(true);
      request.on("error", fail);
      request.end(body);
    });
  }

  /** Closes what is kept alive. */
  close(): void {
    this.#agent.destroy();
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) {
      throw new AcmeError("protocol", `Cannot understand the CA: an answer of over ${MAX_BODY_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

const TLS_FAILURE = /CERT|certificate|UNABLE_TO|SELF_SIGNED|ALTNAME|ERR_TLS|UnknownIssuer/i;

function failure(target: URL, cause: Error & { code?: string }): AcmeError {
  if (cause instanceof AcmeError) return cause;
  const detail = cause.name === "TimeoutError" || cause.name === "AbortError" ? "no answer in time" : cause.message;
  if (TLS_FAILURE.test(`${cause.code} ${cause.message}`)) {
    return new AcmeError("untrusted", `Cannot trust the CA's server "${target.host}": ${detail}`, { cause });
  }
  return new AcmeError("unreachable", `Cannot reach the CA's server "${target.host}": ${detail}`, { cause });
}

/** Nobody is told to wait for longer: a century, in seconds. */
const MAX_RETRY_SECONDS = 100 * 365 * 86_400;

/** The three spellings of an HTTP date (RFC 9110 §5.6.7), by how they begin. `Date` alone takes "1.5" for a day of January. */
const HTTP_DATE = /^[A-Z][a-z]+day, \d\d-|^[A-Z][a-z]{2}(?:, \d\d)? [A-Z][a-z]{2} [\d ]+:\d\d/;

/**
 * Reads a Retry-After header: seconds, or an HTTP date (RFC 9110 §10.2.3).
 *
 * @param value The header, if any.
 * @param now The time.
 * @returns When to try again; undefined when the header is absent or makes no sense.
 */
export function readRetryAfter(value: string | undefined, now: Date): Date | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return new Date(now.getTime() + Math.min(Number(text), MAX_RETRY_SECONDS) * 1000);
  if (!HTTP_DATE.test(text)) return undefined;
  // The spelling of asctime names no zone, and means UTC.
  const date = new Date(/GMT$|UTC$/.test(text) ? text : `${text} GMT`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
