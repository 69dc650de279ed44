/**
 * A client for one origin that believes one CA.
 *
 * @module
 */
import { nameCause } from "./cause.ts";
import { type Connection, openConnection } from "./connection.ts";
import { PinningError } from "./errors.ts";
import type { BrokenExchange } from "./exchange.ts";
import { type Judge, judgeFor } from "./judge.ts";
import { type Outgoing, outgoingOf, redirected, redirectOf } from "./outgoing.ts";
import { Pool } from "./pool.ts";
import { type Proxy, proxyOf } from "./proxy.ts";
import { checkTrust, shownTarget, type Target, targetOf, type Trust } from "./target.ts";

/** Redirects followed for one request, as browsers do. */
const MAX_REDIRECTS = 10;

/** A kept connection may be closed, and the new one in its place meet a server that is just leaving. */
const MAX_REPEATS = 2;

/**
 * A request that must not be sent twice takes a waiting connection only if it waited no longer than this, in milliseconds:
 * the longer it waits, the likelier the server is just closing it.
 */
const FRESH_ENOUGH_MS = 1000;

/** Options for {@linkcode PinnedClient} and `pinnedFetch`. */
export interface PinnedClientOptions {
  /** The only origin requests go to, as in `https://cluster.example:6443`. */
  readonly origin: string | URL;
  /** Whom to believe there. */
  readonly trust: Trust;
  /**
   * How long a connection may take, name resolution, proxy and TLS included, in milliseconds.
   * @default {5000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * How long the server may take to begin its answer once it has the request, in milliseconds.
   * @default {30000}
   */
  readonly timeoutMs?: number;
  /**
   * How long the server may be silent inside an answer, in milliseconds. Event streams may be as silent as they like.
   * @default {30000}
   */
  readonly idleTimeoutMs?: number;
  /**
   * Whether connections are kept for the next request.
   * @default {true}
   */
  readonly keepAlive?: boolean;
  /**
   * How large the header of an answer may be, in bytes.
   * @default {16384}
   */
  readonly maxHeaderBytes?: number;
  /** Goes through this HTTP proxy. No environment variable ever names one. */
  readonly proxy?: string | URL;
  /**
   * The clock certificates are judged by.
   * @default {() => new Date()}
   */
  readonly now?: () => Date;
}

/**
 * A `fetch` for one origin that believes the CA it was given and nobody else.
 *
 * Before the first byte of a request leaves, the server has proved on this very connection that it holds the key of a
 * certificate for the wanted name, and that certificate leads to the pinned CA by a path that is valid today (RFC 5280
 * §6.1, RFC 9525: alternative names only). `NODE_TLS_REJECT_UNAUTHORIZED`, `NODE_EXTRA_CA_CERTS`, `DENO_CERT`,
 * `SSL_CERT_FILE`, `HTTPS_PROXY` and their like change nothing about it.
 *
 * Connections are kept and used again. Redirects are followed inside the origin; one that leads elsewhere is an error, so
 * no header ever reaches another server. A connection that broke before a byte of the request was sent is made once
 * more; GET and HEAD are also sent again when it broke before a byte of the answer came. Nothing else is ever sent twice.
 *
 * What it does not defend against: whoever holds the CA's key, or the server's; a certificate that was revoked.
 *
 * @example A pinned CA
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { PinnedClient } from "@helyos/pinning";
 * import { rejects } from "node:assert/strict";
 *
 * const ca = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * await using client = new PinnedClient({ origin: "https://127.0.0.1:1", trust: { ca: ca.pem } });
 * // Nobody is there, so nothing is sent.
 * await rejects(() => client.fetch("/api/v1/whoami", { headers: { authorization: "Bearer secret" } }));
 * ```
 */
export class PinnedClient implements AsyncDisposable {
  readonly #target: Target;
  readonly #trust: Trust;
  readonly #options: Required<Omit<PinnedClientOptions, "origin" | "trust" | "proxy">>;
  readonly #proxy: Proxy | undefined;
  readonly #pool = new Pool();
  readonly #closing = new AbortController();
  #judge: Judge | undefined;
  #presented: readonly Uint8Array[] = [];

  /**
   * Makes a client. Nothing is sent before the first request.
   *
   * @param options Where to, and whom to believe.
   * @throws {TypeError} If origin, trust and proxy make no sense, alone or together.
   * @throws {RangeError} If a limit is not a positive number.
   * @throws {PinningError} `invalid_ca` if the CA to pin is no PEM; whether it is a CA is seen at the first request.
   */
  constructor(options: PinnedClientOptions) {
    this.#target = targetOf(options.origin);
    this.#trust = options.trust;
    this.#proxy = options.proxy === undefined ? undefined : proxyOf(options.proxy);
    this.#options = {
      connectTimeoutMs: positive(options.connectTimeoutMs ?? 5_000, "connectTimeoutMs"),
      timeoutMs: positive(options.timeoutMs ?? 30_000, "timeoutMs"),
      idleTimeoutMs: positive(options.idleTimeoutMs ?? 30_000, "idleTimeoutMs"),
      maxHeaderBytes: positive(options.maxHeaderBytes ?? 16_384, "maxHeaderBytes"),
      keepAlive: options.keepAlive ?? true,
      now: options.now ?? (() => new Date()),
    };
    checkTrust(this.#target, this.#trust);
    // A damaged pin is an error now. The system's roots are read when they are needed.
    if (typeof this.#trust === "object") this.#judge = judgeFor(this.#trust, this.#options.now);
  }

  /** The only origin requests go to. */
  get origin(): string {
    return this.#target.origin;
  }

  /**
   * What the server presented on the latest connection, in DER, its own certificate first, without the CA that is
   * trusted. Empty before the first request. They have been judged by then, unless the trust is `"insecure"`.
   */
  get presented(): readonly Uint8Array[] {
    return this.#presented;
  }

  /**
   * Sends a request, as `fetch` does.
   *
   * @param input A path, or a URL of this client's origin.
   * @param init Method, headers, body, signal and redirect, as in `fetch`.
   * @returns The answer, whatever its status. Its body streams.
   * @throws {PinningError} If the server cannot be reached, believed or understood.
   * @throws {TypeError} If the request would go to another origin, or is none.
   */
  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    let outgoing = await outgoingOf(input, init, this.#target);
    for (let redirects = 0;; redirects++) {
      const response = await this.#send(outgoing);
      const location = redirectOf(response.status, response.headers.get("location"), outgoing.url);
      if (location === undefined || outgoing.redirect === "manual") {
        if (redirects > 0) Object.defineProperty(response, "redirected", { value: true });
        return response;
      }
      await response.body?.cancel();
      outgoing = this.#follow(outgoing, response.status, location, redirects);
    }
  }

  #follow(outgoing: Outgoing, status: number, location: URL, redirects: number): Outgoing {
    const place = shownTarget(this.#target);
    if (location.origin !== this.#target.origin || location.username !== "" || location.password !== "") {
      const message = `${place} points to ${location.origin}: nothing was sent there`;
      throw new PinningError("redirect_off_origin", message, { status });
    }
    if (outgoing.redirect === "error" || redirects >= MAX_REDIRECTS) {
      const why = outgoing.redirect === "error" ? "and redirects are not wanted" : `after ${redirects} redirects`;
      throw new PinningError("protocol", `${place} points to ${location.pathname} ${why}`, { status });
    }
    const next = redirected(outgoing, status, location);
    if (next) return next;
    throw new PinningError("protocol", `${place} wants a streamed body sent again`, { status });
  }

  async #send(outgoing: Outgoing): Promise<Response> {
    const target = this.#target;
    // Loaded while the first connection is made.
    const loading = import("./exchange.ts");
    for (let attempt = 0;; attempt++) {
      const kept = attempt === 0 ? await this.#take(outgoing) : undefined;
      const connection = kept ?? await this.#connect(outgoing.signal);
      const { BrokenExchange, exchange } = await loading;
      try {
        return await exchange(connection, outgoing, { ...this.#options, proxy: this.#proxy, target });
      } catch (error) {
        if (!(error instanceof BrokenExchange)) throw error;
        if (attempt < MAX_REPEATS && mayRepeat(outgoing, error)) continue;
        throw nameCause(error.cause, shownTarget(target));
      }
    }
  }

  async #take({ method, body }: Outgoing): Promise<Connection | undefined> {
    if (!this.#options.keepAlive || body instanceof ReadableStream) return undefined;
    if (isSafe(method)) return this.#pool.take();
    // News that the server hung up may have arrived and wait to be read: let it be read.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return this.#pool.take(FRESH_ENOUGH_MS);
  }

  /** A server that swaps its certificate may reset a connection that is just being made: one more try. */
  async #connect(signal: AbortSignal | undefined): Promise<Connection> {
    this.#judge ??= judgeFor(this.#trust, this.#options.now);
    const options = {
      judge: this.#judge,
      proxy: this.#proxy,
      timeoutMs: this.#options.connectTimeoutMs,
      signal: signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal,
    };
    const connection = await openConnection(this.#target, options).catch((error) => {
      if (!(error instanceof PinningError) || error.code !== "disconnected") throw error;
      return openConnection(this.#target, options);
    });
    this.#presented = connection.presented;
    if (this.#options.keepAlive) this.#pool.add(connection);
    else connection.socket.once("free", () => connection.socket.destroy());
    return connection;
  }

  /**
   * Closes every connection, those in use as well.
   *
   * @returns When they are closed.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new PinningError("aborted", `The client for ${this.#target.origin} was closed`));
    this.#pool.close();
    return Promise.resolve();
  }
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * RFC 9110 §9.2.2: a request may be repeated on its own accord only if nothing comes of acting on it twice, or if it never
 * left. A server that hands its port to a successor closes connections that wait for a request, and one may be on its way.
 */
function mayRepeat({ method, body }: Outgoing, { sent, answered }: BrokenExchange): boolean {
  return sent ? !answered && isSafe(method) : !(body instanceof ReadableStream);
}

function positive(value: number, name: string): number {
  if (!(value > 0 && value <= 2 ** 31 - 1)) throw new RangeError(`${name} must be a positive number, not ${value}`);
  return value;
}
