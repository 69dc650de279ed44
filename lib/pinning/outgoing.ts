/**
 * What a `fetch` call asks for, made ready to be sent, and to be sent again.
 *
 * @module
 */
import type { Target } from "./target.ts";

/** A request ready to be sent. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  /** Bytes can be sent again, a stream cannot. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  readonly redirect: "follow" | "manual" | "error";
  readonly signal: AbortSignal | undefined;
}

/** Headers that belong to the connection, not to the request: this library writes them. */
const OURS = [
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * Reads the arguments of a `fetch` call.
 *
 * @param input A path, or a URL of the target's origin.
 * @param init Method, headers, body, as in `fetch`.
 * @param target The only origin there is.
 * @returns The request.
 * @throws {TypeError} If it would go to another origin.
 */
export async function outgoingOf(
  input: string | URL | Request,
  init: RequestInit | undefined,
  target: Target,
): Promise<Outgoing> {
  const url = new URL(input instanceof Request ? input.url : input, target.origin);
  if (url.origin !== target.origin || url.username !== "" || url.password !== "") {
    throw new TypeError(`This client speaks to ${target.origin} alone, not to ${url.origin}`);
  }
  url.hash = "";
  const plain = input instanceof Request ? undefined : plainRequest(init);
  const request = plain ?? (input instanceof Request ? new Request(input, init) : new Request(url, init));
  const headers = new Headers(request.headers);
  for (const name of OURS) headers.delete(name);
  if (!headers.has("accept")) headers.set("accept", "*/*");
  const streams = init?.body instanceof ReadableStream ||
    (init?.body === undefined && input instanceof Request && request.body !== null);
  return {
    url,
    method: request.method,
    headers,
    body: request.body === null ? null : streams ? request.body : await bytesOf(request),
    redirect: request.redirect,
    signal: init?.signal ?? (input instanceof Request ? input.signal : undefined),
  };
}

type Plain = Pick<Request, "method" | "redirect"> & { readonly headers: HeadersInit; readonly body: null };

/** What most requests are, read without the machinery of `Request`, which takes as long to load as a request takes. */
function plainRequest(init: RequestInit | undefined): Plain | undefined {
  const { method = "GET", headers = {}, body, redirect = "follow" } = init ?? {};
  if ((body !== undefined && body !== null) || !["GET", "HEAD", "POST", "PUT", "DELETE"].includes(method)) {
    return undefined;
  }
  return ["follow", "manual", "error"].includes(redirect) ? { method, headers, redirect, body: null } : undefined;
}

async function bytesOf(request: Plain | Request): Promise<Uint8Array | null> {
  return request.body === null ? null : new Uint8Array(await request.arrayBuffer());
}

/** Statuses that send the client elsewhere (RFC 9110 §15.4). */
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Where an answer sends the client.
 *
 * @param status Its status.
 * @param location Its `Location`.
 * @param base What it answers.
 * @returns The URL; undefined if it sends nowhere. Whether to go there is another question.
 */
export function redirectOf(status: number, location: string | null, base: URL): URL | undefined {
  if (!REDIRECTS.includes(status) || location === null || !URL.canParse(location, base.href)) return undefined;
  return new URL(location, base.href);
}

/**
 * The request that follows a redirect (RFC 9110 §15.4, Fetch §4.4).
 *
 * @param before The request that was answered by it.
 * @param status The status of the answer.
 * @param url Where it sends us; of the same origin.
 * @returns The next request; undefined if the body would have to be sent again and cannot be.
 */
export function redirected(before: Outgoing, status: number, url: URL): Outgoing | undefined {
  const becomesGet = (status === 303 && before.method !== "GET" && before.method !== "HEAD") ||
    ((status === 301 || status === 302) && before.method === "POST");
  if (!becomesGet) return before.body instanceof ReadableStream ? undefined : { ...before, url };
  const headers = new Headers(before.headers);
  for (const name of ["content-type", "content-encoding", "content-language", "content-location"]) headers.delete(name);
  return { ...before, url, method: "GET", headers, body: null };
}
