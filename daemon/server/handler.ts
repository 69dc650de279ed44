/**
 * Turns requests into calls of bound endpoints, and what comes back into responses.
 *
 * @module
 */
import type { Endpoint } from "@helyos/api";
import { type Binding, type Call, type Caller, Prepared } from "./bind.ts";
import { Failure, failureResponse } from "./failure.ts";
import { BODY_LIMITS, type BodyLimits, discardBody, readJson, refuseAnnounced } from "./read_body.ts";
import { Router } from "./router.ts";

/** Who a presented token belongs to. The answer for a token seen before is immediate, so that no promise is made for it. */
export type Authenticate = (token: string, address: () => string) => Caller | Promise<Caller>;

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

/** The part of `Deno.ServeHandlerInfo` that is used. */
export interface ConnectionInfo {
  readonly remoteAddr: Deno.Addr;
}

/** What `Deno.serve` calls. */
export type Handler = (request: Request, info: ConnectionInfo) => Response | Promise<Response>;

interface Route {
  readonly endpoint: Endpoint<unknown, unknown>;
  readonly handle: (call: Call<unknown>) => unknown;
  /** Whether the input has fields that travel in a JSON body. */
  readonly takesBody: boolean;
  readonly success: ResponseInit & { readonly headers: Headers };
  readonly count: (status: number, seconds: number) => void;
}

/** What the contract's error text is for every kind of bad token alike. */
const UNAUTHORIZED = "missing or invalid bearer token";

/** RFC 9110 §11.6.1: a 401 names the scheme. */
const CHALLENGE = { headers: { "www-authenticate": "Bearer" } };

/** The refusal of a missing, malformed, unknown, expired or revoked token alike. */
export function unauthorized(): Failure {
  return new Failure("unauthorized", UNAUTHORIZED, CHALLENGE);
}

const NO_INPUT: Readonly<Record<never, never>> = Object.freeze({});

/** Tokens longer than this are nobody's. */
const MAX_TOKEN_LENGTH = 1024;

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Makes the function that answers every request of the API.
 *
 * @param bindings What to serve.
 * @param deps What it needs.
 * @throws {TypeError} If two bindings have one method and path.
 */
export function createHandler(bindings: readonly Binding[], deps: HandlerDeps): Handler {
  const limits = deps.limits ?? BODY_LIMITS;
  const router = new Router<Route>(bindings, ({ endpoint, handle }) => ({
    endpoint,
    handle,
    takesBody: endpoint.method === "POST" && takesMoreThanPath(endpoint),
    success: { status: endpoint.status, headers: successHeaders(endpoint) },
    count: deps.meter(endpoint.method, endpoint.path),
  }));

  function refuse(error: unknown, endpoint: string): Response {
    if (error instanceof Failure) {
      if (error.cause !== undefined) deps.onError(error.cause, endpoint);
      return failureResponse(error);
    }
    deps.onError(error, endpoint);
    return failureResponse(new Failure("internal", "internal error; the daemon's log says more"));
  }

  /** Requests that no binding serves. */
  function stray(request: Request, started: number, failure: Failure, pattern: string): Response | Promise<Response> {
    const { method } = request;
    deps.meter(METHODS.has(method) ? method : "OTHER", pattern)(
      failure.code === "not_found" ? 404 : failure.code === "bad_request" ? 400 : 405,
      (performance.now() - started) / 1000,
    );
    return send(request, failureResponse(failure));
  }

  function finish(route: Route, request: Request, started: number, response: Response): Response | Promise<Response> {
    route.count(response.status, (performance.now() - started) / 1000);
    return send(request, response);
  }

  function send(request: Request, response: Response): Response | Promise<Response> {
    const { method } = request;
    if (method === "GET") return response;
    // RFC 9110 §9.3.2: HEAD is answered like GET, without the content
    if (method === "HEAD") return new Response(null, { status: response.status, headers: response.headers });
    if (request.body === null || request.body.locked || request.bodyUsed) return response;
    return discardBody(request, limits).then(() => response);
  }

  return (request, info) => {
    const started = performance.now();
    const { method, url } = request;
    const pathStart = url.indexOf("/", url.indexOf("://") + 3);
    const queryStart = url.indexOf("?", pathStart);
    const path = queryStart < 0 ? url.slice(pathStart) : url.slice(pathStart, queryStart);

    let match;
    try {
      match = router.match(path);
    } catch (error) {
      return stray(request, started, error as Failure, "unmatched");
    }
    if (match === undefined) {
      return stray(request, started, new Failure("not_found", "no such path"), "unmatched");
    }
    const route = match.entry.methods.get(method);
    if (route === undefined) {
      const { allow, pattern } = match.entry;
      const failure = new Failure("method_not_allowed", `${method} is not allowed here; use ${allow}`, {
        headers: { allow },
      });
      return stray(request, started, failure, pattern);
    }

    const { endpoint } = route;
    const { parameters } = match;
    const address = () => addressOf(info.remoteAddr);

    function answer(result: unknown): Response | Promise<Response> {
      return finish(route!, request, started, successResponse(route!, result));
    }
    function refused(error: unknown): Response | Promise<Response> {
      return finish(route!, request, started, refuse(error, endpoint.name));
    }
    function call(caller: Caller | null, input: unknown): unknown {
      return route!.handle({
        input,
        caller,
        get address() {
          return address();
        },
        get signal() {
          return request.signal;
        },
      });
    }
    function allowed(caller: Caller | null): unknown {
      if (endpoint.allow !== "public" && !endpoint.allow.includes(caller!.scope)) {
        throw new Failure("forbidden", `a token with scope '${caller!.scope}' may not do this (${endpoint.name})`);
      }
      if (endpoint.input === undefined) return call(caller, NO_INPUT);
      if (!route!.takesBody) {
        const query = queryStart < 0 ? "" : url.slice(queryStart + 1);
        return call(caller, judgeQuery(endpoint, query, parameters));
      }
      return readJson(request, limits).then((body) => call(caller, judgeBody(endpoint, body, parameters)));
    }

    try {
      if (method === "POST" && !route.takesBody) refuseAnnounced(request, limits);
      const caller = endpoint.allow === "public" ? null : authenticateRequest(request, address, deps.authenticate);
      const result = caller instanceof Promise ? caller.then(allowed) : allowed(caller);
      return result instanceof Promise ? result.then(answer).catch(refused) : answer(result);
    } catch (error) {
      return refused(error);
    }
  };
}

/** Contract §1.1: the scheme word is matched exactly, capital B and one space. */
function authenticateRequest(
  request: Request,
  address: () => string,
  authenticate: Authenticate,
): Caller | Promise<Caller> {
  const header = request.headers.get("authorization");
  if (header === null || !header.startsWith("Bearer ")) throw unauthorized();
  const length = header.length - 7;
  if (length === 0 || length > MAX_TOKEN_LENGTH) throw unauthorized();
  return authenticate(header.slice(7), address);
}

function judgeQuery(
  endpoint: Endpoint<unknown, unknown>,
  query: string,
  parameters: Readonly<Record<string, string>> | undefined,
): unknown {
  const given = query === "" ? parameters ?? {} : { ...Object.fromEntries(new URLSearchParams(query)), ...parameters };
  const judged = endpoint.input!.safeParse(given);
  if (judged.success) return judged.data;
  throw new Failure("bad_request", `invalid query: ${complaint(judged.error.issues[0])}`);
}

function judgeBody(
  endpoint: Endpoint<unknown, unknown>,
  body: unknown,
  parameters: Readonly<Record<string, string>> | undefined,
): unknown {
  if (body !== undefined && (typeof body !== "object" || body === null || Array.isArray(body))) {
    throw new Failure("invalid", "the body must be a JSON object");
  }
  const judged = endpoint.input!.safeParse({ ...body, ...parameters });
  if (judged.success) return judged.data;
  throw new Failure("invalid", complaint(judged.error.issues[0]));
}

/** A schema's complaint, with the field's name where the schema did not put it into the text itself. */
function complaint(issue: { readonly message: string; readonly path: readonly PropertyKey[] } | undefined): string {
  if (issue === undefined) return "not as expected";
  const field = issue.path.join(".");
  return field !== "" && /^(Invalid|Too|Unrecognized)/.test(issue.message)
    ? `${field}: ${issue.message}`
    : issue.message;
}

function successResponse(route: Route, result: unknown): Response {
  if (result instanceof Prepared) {
    if (result.contentType === undefined) return new Response(result.body, route.success);
    const headers = new Headers(route.success.headers);
    headers.set("content-type", result.contentType);
    return new Response(result.body, { status: route.endpoint.status, headers });
  }
  switch (route.endpoint.answer) {
    case "json":
      return new Response(JSON.stringify(result), route.success);
    case "empty":
      return new Response(null, route.success);
    default:
      return new Response(result as BodyInit, route.success);
  }
}

function successHeaders(endpoint: Endpoint<unknown, unknown>): Headers {
  const headers = new Headers();
  if (endpoint.answer === "json") headers.set("content-type", "application/json");
  if (endpoint.answer === "text") headers.set("content-type", "text/plain; charset=utf-8");
  if (endpoint.answer === "events") headers.set("content-type", "text/event-stream");
  if (endpoint.allow !== "public") headers.set("cache-control", "no-store");
  return headers;
}

function takesMoreThanPath(endpoint: Endpoint<unknown, unknown>): boolean {
  if (endpoint.input === undefined) return false;
  const inPath = new Set([...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!));
  const shape = (endpoint.input as { shape?: Record<string, unknown> }).shape;
  return shape === undefined || Object.keys(shape).some((field) => !inPath.has(field));
}

function addressOf(remote: Deno.Addr): string {
  return "hostname" in remote ? remote.hostname : "local";
}
