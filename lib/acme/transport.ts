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
    options: { body?: string; signal?: AbortSignal } = {},
  ): Promise<AcmeResponse> {
    const target = new URL(url);
    if (target.protocol !== "https:") {
      throw new AcmeError("protocol", `Cannot use "${url}": ACME is spoken over https (RFC 8555 §6.1)`);
    }
    const { body } = options;
    const signal = AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), ...(options.signal ? [options.signal] : [])]);
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => reject(options.signal?.aborted ? options.signal.reason : failure(target, cause));
      const request = httpsRequest(
        target,
        {
          method,
          agent: this.#agent,
          signal,
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
            (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
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
    if (size > MAX_BODY_BYTES) throw new Error(`an answer of over ${MAX_BODY_BYTES} bytes`);
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

/**
 * Reads a Retry-After header: seconds, or an HTTP date (RFC 9110 §10.2.3).
 *
 * @param value The header, if any.
 * @param now The time.
 * @returns When to try again; undefined when the header is absent or makes no sense.
 */
export function readRetryAfter(value: string | undefined, now: Date): Date | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return new Date(now.getTime() + Number(value) * 1000);
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
