/**
 * Listens, swaps the certificate while serving, and stops.
 *
 * @module
 */
import { isIP } from "node:net";
import { type Failure, failureResponse } from "./failure.ts";
import type { ConnectionInfo } from "./exchange.ts";
import type { Handler } from "./handler.ts";

/** A certificate and its key, PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Options for {@linkcode listen}. */
export interface ListenOptions {
  /** Address or host name to bind. */
  readonly host: string;
  /** Port; 0 lets the system choose. */
  readonly port: number;
  /** Serves TLS with it; absent for plain HTTP. */
  readonly certificate?: ServerCertificate;
  readonly handler: Handler;
  /** What to answer should the handler itself throw, which it must not. */
  readonly onBroken: (error: unknown) => Failure;
  /**
   * How long to finish what was begun when shutting down.
   * @default {10000}
   */
  readonly drainMs?: number;
  /**
   * How long, after a swap, connections in use are asked to leave before idle ones are closed.
   * @default {2000}
   */
  readonly retireMs?: number;
}

/** A socket that is served until this is shut down. */
export interface Listener {
  /** The port, also when the system chose it. */
  readonly port: number;
  /**
   * Serves with another certificate, all new connections once this resolves. No request on an open connection is lost: its
   * next answer asks the client to leave, and only connections that stay idle meanwhile are closed without a word.
   */
  swap(certificate: ServerCertificate): Promise<void>;
  /** Stops taking connections and resolves once what was begun is answered, at the latest after `drainMs`. */
  shutdown(): Promise<void>;
}

/** The port cannot be had. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Pause before what broke down is served again, twice as long after each attempt in vain. */
const REVIVE_MS = 250;
const REVIVE_AT_MOST_MS = 5_000;

/** Lets an answer that was handed over reach the socket before the process ends. */
const FLUSH_MS = 150;

/**
 * Serves a handler.
 *
 * @throws {ListenError} If the address cannot be bound: in use, not of this machine, or not allowed.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, onBroken, drainMs = 10_000, retireMs = 2_000 } = options;
  const running = new Running(options.handler);
  let port = options.port;
  let certificate = options.certificate;
  const start = (certificate: ServerCertificate | undefined): Promise<Server> =>
    serve({ ...options, port, certificate, handler: running.handler });

  if (certificate !== undefined) port = probePort(host, port);
  let current: Server;
  try {
    current = await start(certificate);
  } catch (error) {
    throw listenError(host, port, error);
  }
  port = current.port;
  const ending = new AbortController();
  // Deno gives up, connections and all, when it cannot accept one: for example when too many files are open
  const revive = (broken: Server): void => {
    broken.server.finished.catch(async (cause) => {
      onBroken(cause);
      for (let pauseMs = REVIVE_MS; !ending.signal.aborted && current === broken; pauseMs *= 2) {
        await pauseUnless(ending.signal, Math.min(pauseMs, REVIVE_AT_MOST_MS));
        try {
          const next = await start(certificate);
          // Meanwhile a certificate may have been swapped, or all of it ended
          if (ending.signal.aborted || current !== broken) return void await next.server.shutdown();
          revive(current = next);
        } catch (error) {
          onBroken(error);
        }
      }
    });
  };
  revive(current);
  let swapping: Promise<void> = Promise.resolve();

  return {
    port,
    swap(next) {
      // One at a time, so that the last one asked for is the one that stays, whatever became of those before
      swapping = swapping.catch(() => {/* told to who asked for that swap */}).then(async () => {
        if (ending.signal.aborted) return;
        const started = await start(next);
        certificate = next;
        const old = current;
        revive(current = started);
        // Closing a connection may cross a request on its way, which then is lost: so those in use go first, told to
        old.retire();
        await pauseUnless(ending.signal, retireMs);
        // Ends by itself with its last connection. Not awaited: Deno waits for silent ones for ever, and an abort after
        // a shutdown has begun only throws.
        old.server.shutdown().catch(onBroken);
      });
      return swapping;
    },
    async shutdown() {
      ending.abort();
      await swapping.catch(() => {/* told to who asked for that swap */});
      const finished = current.server.shutdown();
      const deadline = performance.now() + drainMs;
      let done = false;
      finished.then(() => done = true, () => done = true);
      while (!done && running.count > 0 && performance.now() < deadline) await pause(20);
      // Deno waits for silent and half-open connections for ever; nothing was begun on them
      for (let waited = 0; !done && waited < FLUSH_MS; waited += 10) await pause(10);
    },
  };
}

/** Counts requests that are being worked on. */
class Running {
  count = 0;
  constructor(readonly inner: Handler) {}

  readonly handler: Handler = (request, info) => {
    const answer = this.inner(request, info);
    if (!(answer instanceof Promise)) return answer;
    this.count++;
    return answer.finally(() => this.count--);
  };
}

interface Server {
  readonly server: Deno.HttpServer;
  readonly port: number;
  /** From now on every answer asks the client to close its connection. */
  retire(): void;
}

/**
 * Binds the port and lets go of it. `reusePort` lets two servers of this process share the port during a swap; it would
 * let a second daemon in as well, so the port is tried without it first.
 *
 * @returns The port, also when the system chose it.
 * @throws {ListenError} If it cannot be bound.
 */
export function probePort(host: string, port: number): number {
  try {
    using probe = Deno.listen({ hostname: host, port });
    return (probe.addr as Deno.NetAddr).port;
  } catch (error) {
    throw listenError(host, port, error);
  }
}

function serve(
  options: Omit<ListenOptions, "certificate"> & { certificate: ServerCertificate | undefined },
): Promise<Server> {
  const { host, port, certificate, handler, onBroken } = options;
  const { promise, resolve } = Promise.withResolvers<Deno.NetAddr>();
  let retiring = false;
  const server = Deno.serve({
    hostname: host,
    port,
    onListen: resolve,
    onError: (error) => failureResponse(onBroken(error)),
    ...(certificate === undefined ? {} : { ...certificate, reusePort: true }),
  } as Deno.ServeTcpOptions, (request, info: ConnectionInfo) => {
    const answer = handler(request, info);
    if (!retiring) return answer;
    return answer instanceof Promise ? answer.then(last) : last(answer);
  }) as Deno.HttpServer;
  return promise.then(async (bound) => {
    if (wasMoved({ host, port }, bound)) {
      await server.shutdown();
      const where = hostPort(bound.hostname, bound.port);
      throw new Error(`the runtime listened on ${where} instead; unset DENO_SERVE_ADDRESS`);
    }
    return { server, port: bound.port, retire: () => void (retiring = true) };
  });
}

/** `DENO_SERVE_ADDRESS` moves a server without a word, from the loopback to the world; only the launcher takes it away. */
function wasMoved(asked: { host: string; port: number }, bound: Deno.NetAddr): boolean {
  if (asked.port !== 0 && bound.port !== asked.port) return true;
  const address = canonicalAddress(bound.hostname);
  if (asked.host === "localhost") return !/^(127\.|\[::1\])/.test(address);
  return isIP(asked.host) !== 0 && canonicalAddress(asked.host) !== address;
}

/** An IP address as a URL spells it, so that every spelling of one address is the same; its zone, which no URL has, left out. */
function canonicalAddress(address: string): string {
  return new URL(`http://${hostPort(address.replace(/%.*$/, ""), 80)}`).hostname;
}

/** RFC 9112 §9.6: the last answer of a connection. HTTP/2 has no such field and leaves it out; there GOAWAY says it. */
function last(answer: Response): Response {
  answer.headers.set("connection", "close");
  return answer;
}

function listenError(host: string, port: number, cause: unknown): ListenError {
  const why = cause instanceof Deno.errors.AddrInUse
    ? "the port is in use, perhaps by another helyosd; stop that program or choose another --port"
    : cause instanceof Deno.errors.AddrNotAvailable
    ? "this machine has no such address; choose another --host"
    : cause instanceof Deno.errors.PermissionDenied
    ? "the system does not allow it (ports below 1024 need the right to bind them); choose another --port"
    : `${cause instanceof Error ? cause.message : cause}; check --host and --port`;
  return new ListenError(`cannot listen on ${hostPort(host, port)}: ${why}`, { cause });
}

/** `host:port` as a URL has it. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
