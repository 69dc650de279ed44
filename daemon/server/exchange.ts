/**
 * One request on its way through an endpoint: authentication, scope, input, the feature, the answer.
 *
 * @module
 */
import type { Endpoint } from "@helyos/api";
import { type Call, type Caller, Prepared } from "./bind.ts";
import { Failure } from "./failure.ts";
import { type BodyLimits, readJson, refuseAnnounced } from "./read_body.ts";

/** Where a request came from, and when. */
export interface Origin {
  /** The caller's IP address; reading it is work, so it is read only when somebody asks. */
  readonly address: string;
  /** When it came, on the clock of `performance.now()`, which only grows: read once for all who ask. */
  readonly receivedMs: number;
}

/** Who a presented token belongs to. The answer for a token seen before is immediate, so that no promise is made for it. */
export type Authenticate = (token: string, origin: Origin) => Caller | Promise<Caller>;

/**
 * How a success is sent. Deno makes a response from a media type alone many times faster than from any other headers, so
 * the second header is added afterwards.
 */
export interface Success {
  readonly init: ResponseInit;
  /** Nothing in between may store it. */
  readonly noStore: boolean;
}

/** An endpoint, compiled for serving. */
export interface Route {
  readonly endpoint: Endpoint<unknown, unknown>;
  readonly handle: (call: Call<unknown>) => unknown;
  /** Whether the input has fields that travel in a JSON body. */
  readonly takesBody: boolean;
  readonly success: Success;
  readonly count: (status: number, seconds: number) => void;
}

/** The part of `Deno.ServeHandlerInfo` that is used. */
export interface ConnectionInfo {
  readonly remoteAddr: Deno.Addr;
}

/**
 * The refusal of a missing, malformed, unknown, expired or revoked token alike. RFC 9110 §11.6.1: it names the scheme. One
 * object for all, because making an error with its stack costs more than answering, and floods are answered by this.
 */
const UNAUTHORIZED = new Failure("unauthorized", "missing or invalid bearer token", {
  headers: { "www-authenticate": "Bearer" },
});

/** The refusal of every kind of bad token. */
export function unauthorized(): Failure {
  return UNAUTHORIZED;
}

/** Tokens longer than this are nobody's. */
const MAX_TOKEN_LENGTH = 1024;

const NO_INPUT: Readonly<Record<never, never>> = Object.freeze({});

/** A request and what is known about it so far: one object and no closures, because every request makes one. */
export class Exchange implements Call<unknown>, Origin {
  caller: Caller | null = null;
  input: unknown = NO_INPUT;

  constructor(
    readonly request: Request,
    readonly info: ConnectionInfo,
    readonly receivedMs: number,
    readonly route: Route,
    readonly parameters: Readonly<Record<string, string>> | undefined,
  ) {}

  get address(): string {
    const { remoteAddr } = this.info;
    if (!("hostname" in remoteAddr)) return "local";
    // RFC 4291 §2.5.5.2: what a socket for both kinds of addresses, such as [::], says of an IPv4 caller
    return remoteAddr.hostname.replace(/^::ffff:(?=\d+\.)/i, "");
  }

  /**
   * What the feature answers: a promise only where something had to be waited for.
   *
   * @throws {Failure}
   */
  run(authenticate: Authenticate, limits: BodyLimits): unknown {
    const { endpoint, takesBody } = this.route;
    if (endpoint.method === "POST" && !takesBody) refuseAnnounced(this.request, limits);
    if (endpoint.allow === "public") return this.#proceed(limits);
    const caller = authenticate(this.#token(), this);
    if (caller instanceof Promise) return caller.then((known) => this.#admit(known, limits));
    return this.#admit(caller, limits);
  }

  /** The response to what {@linkcode Exchange.run} gave. */
  response(result: unknown): Response {
    const { endpoint, success } = this.route;
    let response: Response;
    if (result instanceof Prepared) {
      response = new Response(result.body, success.init);
      if (result.contentType !== undefined) response.headers.set("content-type", result.contentType);
    } else if (endpoint.answer === "json") response = new Response(JSON.stringify(result), success.init);
    else response = new Response(endpoint.answer === "empty" ? null : result as BodyInit, success.init);
    if (success.noStore) response.headers.append("cache-control", "no-store");
    return response;
  }

  /** Contract §1.1: the scheme word is matched exactly, capital B and one space. */
  #token(): string {
    const header = this.request.headers.get("authorization");
    if (header === null || !header.startsWith("Bearer ")) throw unauthorized();
    const length = header.length - 7;
    if (length === 0 || length > MAX_TOKEN_LENGTH) throw unauthorized();
    return header.slice(7);
  }

  #admit(caller: Caller, limits: BodyLimits): unknown {
    const { endpoint } = this.route;
    if (!endpoint.allow.includes(caller.scope)) {
      throw new Failure("forbidden", `a token with scope '${caller.scope}' may not do this (${endpoint.name})`);
    }
    this.caller = caller;
    return this.#proceed(limits);
  }

  #proceed(limits: BodyLimits): unknown {
    const { endpoint, takesBody, handle } = this.route;
    if (endpoint.input === undefined) return handle(this);
    if (takesBody) {
      return readJson(this.request, limits).then((body) => {
        this.input = judgeBody(endpoint, body, this.parameters);
        return handle(this);
      });
    }
    const { url } = this.request;
    const queryStart = url.indexOf("?");
    this.input = judgeQuery(endpoint, queryStart < 0 ? "" : url.slice(queryStart + 1), this.parameters);
    return handle(this);
  }
}

function judgeQuery(
  endpoint: Endpoint<unknown, unknown>,
  query: string,
  parameters: Readonly<Record<string, string>> | undefined,
): unknown {
  const judged = endpoint.input!.safeParse({ ...Object.fromEntries(new URLSearchParams(query)), ...parameters });
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
