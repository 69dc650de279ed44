import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { lookup, type LookupAllOptions } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { bodyStream, isDoneNow } from "./body.ts";
import { buildClientTlsOptions } from "./client_options.ts";
import type { TlsConfig } from "./config.ts";
import { connectionErrorOf } from "./connection_error.ts";
import { TlsConnectionError } from "./errors.ts";
import { pace } from "./pace.ts";

/** Options for {@linkcode fetchTls}. */
export interface FetchTlsOptions {
  /**
   * How long to wait for the head of a response.
   * @default {30000}
   */
  readonly timeoutMs?: number;
  /**
   * How many connections to one server may be open.
   * @default {64}
   */
  readonly maxConnections?: number;
  /** Addresses of host names, instead of what DNS says; the server must still prove the name. */
  readonly addresses?: Readonly<Record<string, string>>;
}

/** A `fetch` over one TLS configuration. Disposing closes its idle connections. */
export interface TlsFetch extends AsyncDisposable {
  /**
   * Fetches, as the platform's `fetch` does.
   *
   * @throws {TypeError} If the URL is not `https:`.
   * @throws {TlsConnectionError} If the server cannot be reached, is not trusted, or refuses us.
   * @throws The signal's reason when it is aborted.
   */
  (input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Reads the files again; requests from now on use new connections. */
  reload(): Promise<void>;
  /** Closes all connections. */
  close(): void;
}

const MAX_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Makes a `fetch` that trusts the configured CAs alone and shows the configured certificate.
 *
 * The platform's own `fetch` always trusts the system's CAs too, and has no lowest TLS version. This one differs from it in
 * what a client of a service needs: `https:` only, no cache, no cookies, and bodies as they come, without undoing any
 * `content-encoding`. Redirects are followed, to `https:` only; credentials in headers do not follow to another origin,
 * but our certificate is shown to every server of the configured CAs that asks.
 *
 * @example Nothing is sent in the clear
 * ```ts
 * import { fetchTls, TlsConfig } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(fetchTls(new TlsConfig()), { code: "no_trust_anchor" });
 * ```
 * @param config Where the files are.
 * @param options Time and connections.
 * @returns The function.
 * @throws {TlsConfigError} If the configuration cannot be used; no socket is opened then.
 */
export async function fetchTls(config: TlsConfig, options: FetchTlsOptions = {}): Promise<TlsFetch> {
  let agent = await makeAgent(config, options);
  let isClosed = false;
  const close = () => {
    isClosed = true;
    agent.destroy();
  };
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (isClosed) throw new TypeError("Cannot fetch: this fetch is closed");
    const request = new Request(input, init);
    // Only a body that was given whole can be sent a second time.
    const body = init?.body instanceof ReadableStream ? undefined : init?.body ?? undefined;
    return await follow(request, { agent, options, body });
  };
  return Object.assign(fetch, {
    async reload(): Promise<void> {
      const old = agent;
      agent = await makeAgent(config, options);
      // Requests that run keep their connections until they are answered; idle ones go.
      old.maxFreeSockets = 0;
      for (const sockets of Object.values(old.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    },
    close,
    [Symbol.asyncDispose](): Promise<void> {
      close();
      return Promise.resolve();
    },
  });
}

interface Wire {
  readonly agent: Agent;
  readonly options: FetchTlsOptions;
  /** The body, if it can be sent again. */
  readonly body: BodyInit | undefined;
}

async function makeAgent(config: TlsConfig, options: FetchTlsOptions): Promise<Agent> {
  const tls = await buildClientTlsOptions(config);
  return new Agent({
    ...tls,
    keepAlive: true,
    maxSockets: options.maxConnections ?? 64,
    maxFreeSockets: 16,
    ...(options.addresses === undefined ? {} : { lookup: lookupIn(options.addresses) }),
  });
}

function lookupIn(addresses: Readonly<Record<string, string>>): LookupFunction {
  return (hostname, options, done) => {
    const address = Object.hasOwn(addresses, hostname) ? addresses[hostname]! : undefined;
    if (address === undefined) lookup(hostname, options as LookupAllOptions, done as never);
    else if (options.all) done(null, [{ address, family: isIP(address) }]);
    else done(null, address, isIP(address));
  };
}

async function follow(request: Request, wire: Wire): Promise<Response> {
  let at = request;
  for (let hops = 0;; hops++) {
    if (!at.url.startsWith("https:")) throw new TypeError(`Cannot fetch ${at.url}: not https`);
    const response = await send(at, wire, hops > 0);
    if (!REDIRECTS.has(response.status) || request.redirect === "manual") return response;
    const location = response.headers.get("location");
    if (location === null) return response;
    await response.body?.cancel();
    if (request.redirect === "error" || hops >= MAX_REDIRECTS) {
      const why = request.redirect === "error" ? "the server redirects" : "too many redirects";
      throw new TlsConnectionError("redirect", `Cannot fetch ${request.url}: ${why}`);
    }
    at = redirected(at, new URL(location, at.url), { status: response.status, body: wire.body });
  }
}

/** Fetch §4.4: what changes when a redirect is followed. */
function redirected(
  request: Request,
  url: URL,
  { status, body }: { readonly status: number; readonly body: BodyInit | undefined },
): Request {
  const headers = new Headers(request.headers);
  if (url.origin !== new URL(request.url).origin) {
    for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
  }
  const { method, signal, redirect } = request;
  const becomesGet = (status === 303 && method !== "GET" && method !== "HEAD") ||
    ((status === 301 || status === 302) && method === "POST");
  if (!becomesGet) {
    if (request.body === null) return new Request(url, { method, headers, signal, redirect });
    if (body === undefined) {
      throw new TlsConnectionError("redirect", `Cannot follow to ${url.host}: the body was streamed and is gone`);
    }
    // A form gets a new boundary each time it is written.
    if (body instanceof FormData) headers.delete("content-type");
    return new Request(url, { method, headers, signal, redirect, body });
  }
  for (const name of ["content-type", "content-length", "content-encoding", "content-language"]) headers.delete(name);
  return new Request(url, { method: "GET", headers, signal, redirect });
}

async function send(request: Request, wire: Wire, isRedirected: boolean): Promise<Response> {
  const { signal } = request;
  signal.throwIfAborted();
  const url = new URL(request.url);
  const message = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = start(request, url, wire.agent);
    const timer = setTimeout(() => {
      outgoing.destroy(new TlsConnectionError("timeout", `No answer from ${url.host} in time`));
    }, wire.options.timeoutMs ?? 30_000);
    const onAbort = () => outgoing.destroy(asError(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    outgoing.once("response", (message) => {
      pace(message.socket);
      clearTimeout(timer);
      message.once("close", () => signal.removeEventListener("abort", onAbort));
      resolve(message);
    });
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      reject(signal.aborted ? signal.reason : connectionErrorOf(error, url.host));
    });
    void sendBody(request, outgoing);
  });
  return responseOf(message, { url, method: request.method, isRedirected });
}

/** RFC 9110 §7.6.1: headers that are about the connection, and so ours alone. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** RFC 9110 §9.2.2: what may be repeated. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

function start(request: Request, url: URL, agent: Agent): ClientRequest {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) if (!OF_THE_CONNECTION.has(name)) headers[name] = value;
  headers["host"] = url.host;
  headers["accept"] ??= "*/*";
  const outgoing = httpsRequest({
    agent,
    method: request.method,
    hostname,
    port: url.port || 443,
    // RFC 6066 §3: an address is no server name.
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    path: url.pathname + url.search,
    headers,
  });
  // Deno repeats any request whose kept connection breaks before an answer, but what changes something must not be done
  // twice (RFC 9110 §9.2.2). A request that never used a kept connection, as far as it can see, is not repeated.
  if (!IDEMPOTENT.has(request.method)) {
    Object.defineProperty(outgoing, "reusedSocket", { get: () => false, set: () => {}, configurable: true });
  }
  // Small requests must not wait for the answer to the packet before (RFC 9293 §3.7.4).
  outgoing.setNoDelay(true);
  return outgoing;
}

async function sendBody(request: Request, outgoing: ClientRequest): Promise<void> {
  const reader = request.body?.getReader();
  if (reader === undefined) return void outgoing.end();
  outgoing.once("close", () => void reader.cancel().catch(() => {}));
  try {
    let result = await reader.read();
    let next: ReturnType<typeof reader.read> | undefined = reader.read();
    // Text and bytes given whole go out with their length: not every server takes chunks.
    if (!result.done && await isDoneNow(next)) return void outgoing.end(result.value);
    while (!result.done) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(result.value)) {
        await new Promise<void>((resolve) => outgoing.once("drain", resolve).once("close", resolve));
      }
      result = await (next ?? reader.read());
      next = undefined;
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(asError(error));
  }
}

function responseOf(
  message: IncomingMessage,
  o: { readonly url: URL; readonly method: string; readonly isRedirected: boolean },
): Response {
  const headers = new Headers();
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    headers.append(message.rawHeaders[i]!, message.rawHeaders[i + 1]!);
  }
  const status = message.statusCode ?? 0;
  const hasBody = o.method !== "HEAD" && status !== 204 && status !== 205 && status !== 304;
  if (!hasBody) message.resume();
  const body = hasBody ? bodyStream(message, { onCancel: () => message.destroy() }) : null;
  const response = new Response(body, { status, statusText: message.statusMessage ?? "", headers });
  Object.defineProperty(response, "url", { value: o.url.href });
  Object.defineProperty(response, "redirected", { value: o.isRedirected });
  return response;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason), { cause: reason });
}
