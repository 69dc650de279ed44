/**
 * From node's incoming message to the `Request` a handler is given.
 *
 * Making a real `Request` costs more than all else this library adds to a request, and most handlers only look at method,
 * URL and headers. So a handler gets an object that answers those itself, and turns into the real thing when anything
 * else is asked of it: body, signal, `clone()`, or being passed to `fetch` or `new Request`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyStream } from "./body.ts";

/** A request that cannot be given to a handler; answered without it. */
export class BadRequest extends Error {
  /** Makes the refusal. */
  constructor(readonly status: 400 | 403 | 413 | 421 | 501, message: string) {
    super(message);
  }
}

/** What {@linkcode toRequest} needs besides the message. */
export interface RequestContext {
  /** The response to it, whose early end aborts the request's signal. */
  readonly closed: { once(event: "close", listener: () => void): unknown };
  /** Whether the response went out whole. */
  readonly isDone: () => boolean;
  /** Refuse bodies longer than this. */
  readonly maxBodyBytes: number | undefined;
}

/** The authority of a request, without user info, path or anything else (RFC 9110 §4.2.2). */
const AUTHORITY = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** Methods a `Request` cannot have (Fetch §2.2.1). */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/**
 * Finds the authority and the path of a request.
 *
 * @throws {BadRequest} If there is no single valid host (RFC 9112 §3.2).
 */
export function targetOf(message: IncomingMessage): { readonly authority: string; readonly path: string } {
  const target = message.url ?? "/";
  let authority: string | undefined;
  let path = target;
  const raw = message.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (authority !== undefined) throw new BadRequest(400, "More than one Host");
    authority = raw[i + 1]!;
  }
  if (!target.startsWith("/")) {
    if (target === "*" && message.method === "OPTIONS") path = "/*";
    else {
      // RFC 9112 §3.2.2: the authority of an absolute target replaces Host.
      const absolute = /^https:\/\/([^/?#]+)(.*)$/i.exec(target);
      if (absolute === null) throw new BadRequest(400, "Bad request target");
      authority = absolute[1]!;
      path = absolute[2]!.startsWith("/") ? absolute[2]! : `/${absolute[2]}`;
    }
  }
  if (authority === undefined || !AUTHORITY.test(authority)) throw new BadRequest(400, "Bad Host");
  return { authority, path };
}

/**
 * Makes the `Request` for a message.
 *
 * @throws {BadRequest} If it cannot be one.
 */
export function toRequest(
  message: IncomingMessage,
  target: { readonly authority: string; readonly path: string },
  context: RequestContext,
): Request {
  const method = message.method ?? "GET";
  if (FORBIDDEN_METHODS.has(method)) throw new BadRequest(501, `Method ${method} is not served`);
  const { maxBodyBytes } = context;
  if (maxBodyBytes !== undefined && Number(message.headers["content-length"] ?? 0) > maxBodyBytes) {
    throw new BadRequest(413, "Body too large");
  }
  const request = new LazyRequest(message, `https://${target.authority}${target.path}`, context);
  return LAZY_REQUEST_IS_COMPLETE ? request as unknown as Request : realOf(request);
}

class LazyRequest {
  readonly #message: IncomingMessage;
  readonly #context: RequestContext;
  readonly #target: string;
  #url: string | undefined;
  #headers: Headers | undefined;
  #real: Request | undefined;

  constructor(message: IncomingMessage, target: string, context: RequestContext) {
    this.#message = message;
    this.#target = target;
    this.#context = context;
  }

  get method(): string {
    return this.#message.method ?? "GET";
  }

  get url(): string {
    return this.#url ??= new URL(this.#target).href;
  }

  get headers(): Headers {
    return this.#headers ??= this.#real?.headers ?? headersOf(this.#message);
  }

  static real(request: LazyRequest): Request {
    return request.#real ??= request.#make();
  }

  #make(): Request {
    const message = this.#message;
    const { closed, isDone, maxBodyBytes } = this.#context;
    const controller = new AbortController();
    closed.once("close", () => {
      if (!isDone()) controller.abort(new DOMException("The client went away", "AbortError"));
    });
    const init: RequestInit & { duplex?: "half" } = {
      method: this.method,
      headers: this.headers,
      signal: controller.signal,
    };
    if (mayHaveBody(message)) {
      init.body = bodyStream(message, { maxBytes: maxBodyBytes });
      init.duplex = "half";
    }
    return new Request(this.#target, init);
  }
}

function realOf(request: LazyRequest): Request {
  return LazyRequest.real(request);
}

/** Everything a `Request` has and `LazyRequest` does not answer itself is asked of the real one. */
function delegate(): void {
  const lazy = LazyRequest.prototype as object;
  Object.setPrototypeOf(lazy, Request.prototype);
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
    if (Object.hasOwn(lazy, name)) continue;
    if (descriptor.get !== undefined) {
      const get = descriptor.get;
      Object.defineProperty(lazy, name, {
        configurable: true,
        get(this: LazyRequest) {
          return get.call(realOf(this));
        },
      });
    } else if (typeof descriptor.value === "function") {
      const method = descriptor.value as (...args: unknown[]) => unknown;
      Object.defineProperty(lazy, name, {
        configurable: true,
        value(this: LazyRequest, ...args: unknown[]) {
          return method.apply(realOf(this), args);
        },
      });
    }
  }
  // What the platform itself looks at when it is given a Request, as in fetch(request).
  for (const symbol of Object.getOwnPropertySymbols(new Request("https://localhost/"))) {
    Object.defineProperty(lazy, symbol, {
      configurable: true,
      get(this: LazyRequest) {
        return Reflect.get(realOf(this), symbol);
      },
      set(this: LazyRequest, value: unknown) {
        Reflect.set(realOf(this), symbol, value);
      },
    });
  }
}

/** Whether the platform takes a lazy request for a real one; if not, handlers get real ones at once. */
const LAZY_REQUEST_IS_COMPLETE = ((): boolean => {
  try {
    delegate();
    const message = { method: "PUT", rawHeaders: ["x-probe", "1"], headers: {} } as unknown as IncomingMessage;
    const context: RequestContext = { closed: { once: () => {} }, isDone: () => true, maxBodyBytes: undefined };
    const copy = new Request(new LazyRequest(message, "https://probe/a", context) as unknown as Request);
    return copy.url === "https://probe/a" && copy.method === "PUT" && copy.headers.get("x-probe") === "1";
  } catch {
    return false;
  }
})();

function headersOf(message: IncomingMessage): Headers {
  const headers = new Headers();
  const raw = message.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) headers.append(raw[i]!, raw[i + 1]!);
  return headers;
}

/** Fetch has no body on GET and HEAD; elsewhere the framing headers tell (RFC 9112 §6.3). */
function mayHaveBody(message: IncomingMessage): boolean {
  if (message.method === "GET" || message.method === "HEAD") return false;
  const length = message.headers["content-length"];
  return message.headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) > 0);
}

/** What aborts a request: its response being closed before it is whole. */
export function contextOf(response: ServerResponse, maxBodyBytes: number | undefined): RequestContext {
  return { closed: response, isDone: () => response.writableFinished, maxBodyBytes };
}
