/**
 * Turns requests into calls of bound endpoints, and what comes back into responses.
 *
 * @module
 */
import type { Answer, Endpoint } from "@helyos/api";
import type { Binding } from "./bind.ts";
import { type Authenticate, type ConnectionInfo, Exchange, type Route } from "./exchange.ts";
import { Failure, failureResponse } from "./failure.ts";
import { BODY_LIMITS, type BodyLimits, discardBody } from "./read_body.ts";
import { Router } from "./router.ts";

/** Counts requests: gives, for one method and path pattern, the function that takes status and duration. */
export type Meter = (method: string, path: string) => (status: number, seconds: number) => void;

/** What a handler needs. */
export interface HandlerDeps {
  /** @throws {Failure} `unauthorized`, `rate_limited` or `unavailable`. */
  readonly authenticate: Authenticate;
  readonly meter: Meter;
  /** Told what a handler threw that is no {@linkcode Failure}, or the cause of one. */
  readonly onError: (error: unknown, endpoint: string) => void;
  /** @default {BODY_LIMITS} */
  readonly limits?: BodyLimits;
}

/** What `Deno.serve` calls. */
export type Handler = (request: Request, info: ConnectionInfo) => Response | Promise<Response>;

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Makes the function that answers every request of the API.
 *
 * @param bindings What to serve.
 * @param deps What it needs.
 * @throws {TypeError} If two bindings have one method and path.
 */
export function createHandler(bindings: readonly Binding[], deps: HandlerDeps): Handler {
  const { authenticate, limits = BODY_LIMITS } = deps;
  const router = new Router<Route>(bindings, ({ endpoint, handle }) => ({
    endpoint,
    handle,
    takesBody: endpoint.method === "POST" && takesMoreThanPath(endpoint),
    success: { init: successInit(endpoint), noStore: endpoint.allow !== "public" },
    count: deps.meter(endpoint.method, endpoint.path),
  }));

  function refusal(error: unknown, endpoint: string): Response {
    if (error instanceof Failure) {
      if (error.cause !== undefined) deps.onError(error.cause, endpoint);
      return failureResponse(error);
    }
    deps.onError(error, endpoint);
    return failureResponse(new Failure("internal", "internal error; the daemon's log says more"));
  }

  /** Answers a request that no binding serves. */
  function stray(request: Request, started: number, failure: Failure, pattern: string): Response | Promise<Response> {
    const response = failureResponse(failure);
    const method = METHODS.has(request.method) ? request.method : "OTHER";
    deps.meter(method, pattern)(response.status, secondsSince(started));
    return send(request, response);
  }

  function finish(exchange: Exchange, started: number, response: Response): Response | Promise<Response> {
    exchange.route.count(response.status, secondsSince(started));
    return send(exchange.request, response);
  }

  function send(request: Request, response: Response): Response | Promise<Response> {
    const { method } = request;
    if (method === "GET") return response;
    if (method === "HEAD") return withoutContent(response);
    if (request.body === null || request.body.locked || request.bodyUsed) return response;
    return discardBody(request, limits).then(() => response);
  }

  return (request, info) => {
    const started = performance.now();
    let match;
    try {
      match = router.match(pathOf(request.url));
    } catch (error) {
      return stray(request, started, error as Failure, "unmatched");
    }
    if (match === undefined) {
      return stray(request, started, new Failure("not_found", "no such path"), "unmatched");
    }
    const { allow, methods, pattern } = match.entry;
    const route = methods.get(request.method);
    if (route === undefined) {
      const text = `${request.method} is not allowed here; use ${allow}`;
      return stray(request, started, new Failure("method_not_allowed", text, { headers: { allow } }), pattern);
    }
    const exchange = new Exchange(request, info, started, route, match.parameters);
    try {
      const result = exchange.run(authenticate, limits);
      if (!(result instanceof Promise)) return finish(exchange, started, exchange.response(result));
      return result.then((value) => exchange.response(value))
        .catch((error) => refusal(error, route.endpoint.name))
        .then((response) => finish(exchange, started, response));
    } catch (error) {
      return finish(exchange, started, refusal(error, route.endpoint.name));
    }
  };
}

/** The path of a URL as it was sent: percent-encoded, without query. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/**
 * RFC 9110 §9.3.2: HEAD is answered like GET, without the content; a length must be that of the content (§8.6), so it is
 * counted. Deno left to it breaks the stream over HTTP/2.
 */
async function withoutContent(response: Response): Promise<Response> {
  const { status, headers } = response;
  if (headers.get("content-type") === MEDIA_TYPES.events) await response.body?.cancel(); // it would not end
  else if (response.body !== null) headers.set("content-length", String((await response.arrayBuffer()).byteLength));
  return new Response(null, { status, headers });
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

const MEDIA_TYPES: Readonly<Record<Answer, string | undefined>> = {
  json: "application/json",
  text: "text/plain; charset=utf-8",
  events: "text/event-stream",
  empty: undefined,
};

function successInit({ answer, status }: Endpoint<unknown, unknown>): ResponseInit {
  const mediaType = MEDIA_TYPES[answer];
  return {
    ...(status === 200 ? {} : { status }),
    ...(mediaType === undefined ? {} : { headers: { "content-type": mediaType } }),
  };
}

function takesMoreThanPath(endpoint: Endpoint<unknown, unknown>): boolean {
  if (endpoint.input === undefined) return false;
  const inPath = new Set([...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!));
  const shape = (endpoint.input as { shape?: Record<string, unknown> }).shape;
  return shape === undefined || Object.keys(shape).some((field) => !inPath.has(field));
}
