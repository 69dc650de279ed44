/**
 * From flags, environment and contexts to a connection: which daemon, which token, which trust.
 *
 * @module
 */
import type { ApiError, Endpoint, Fetcher } from "@helyos/api";
import type { PinnedClient } from "@helyos/pinning";
import type { Surroundings } from "./command.ts";
import type { Context, Contexts } from "./context.ts";
import { openContexts } from "./contexts.ts";
import { CliError } from "./failure.ts";
import { sayWarning } from "./say.ts";
import { warmUp } from "./warm_up.ts";
import { isLoopback, parseProxy, parseServer, serverText } from "./server.ts";

/** How a server is trusted: over TLS by its pinned CA, by the system's roots, not at all; or without TLS. */
export type TlsLabel = "pinned" | "system" | "insecure" | "http";

/** Where a connection goes and what it carries. */
export interface Target {
  /** Address without a trailing slash, for example `https://cluster.example:6443`. */
  readonly server: string;
  /** How it is trusted. */
  readonly tls: TlsLabel;
  /** The pinned CA as PEM. */
  readonly ca: string | undefined;
  /** The token to send; undefined for none. */
  readonly token: string | undefined;
  /** The context in effect; undefined when there is none. */
  readonly context: string | undefined;
  /** The context's default project; undefined when it has none. */
  readonly project: string | undefined;
  /** Why no context's token and CA go along: its server is another one, or none was chosen. */
  readonly heldBack: string | undefined;
}

/** A daemon that commands can call. Nothing is sent before the first call. */
export interface Connection extends Omit<Target, "token">, AsyncDisposable {
  /** Whether a token goes along. */
  readonly hasToken: boolean;
  /** Sends one request with the token; what goes wrong on the way is thrown as a `CliError` that names the cause. */
  readonly fetch: Fetcher;
  /** What the server presented on the latest connection, in DER, its own certificate first; empty without TLS. */
  presented(): Promise<readonly Uint8Array[]>;
  /** Calls an endpoint; a refusal or a failed connection is thrown as a `CliError`. */
  call<Input, Output>(endpoint: Endpoint<Input, Output>, input: Input): Promise<Output>;
}

/** Where a daemon on this machine listens. */
export const DEFAULT_SERVER = "http://localhost:6443";

/** How long one request may take, in milliseconds. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** How long an answer that is no stream may take to its last byte, in milliseconds: a server that drips ends, too. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * Resolves which daemon to talk to, and how, and warns of what deserves it.
 *
 * @param surroundings Global options and the outside world.
 * @returns The connection, to be closed by the caller (`await using`).
 * @throws {CliError} If the server is no URL, the context is unknown or its CA is damaged.
 */
export async function connect(surroundings: Surroundings): Promise<Connection> {
  warmUp();
  const target = await resolveTarget(surroundings);
  warnOf(target, surroundings);
  const connection = openConnection(target, surroundings.globals.proxy);
  if (target.tls !== "pinned") return connection;
  return {
    ...connection,
    async [Symbol.asyncDispose]() {
      // Free unless the server shows that it has a new CA. The platform adds the pinned one to what was shown.
      const pinned = target.ca?.replaceAll(/\s/g, "") ?? "";
      const [, ...shown] = await connection.presented().catch(() => []);
      if (!shown.every((der) => pinned.includes(der.toBase64()))) {
        const { movePin } = await import("./rollover.ts");
        const say = (text: string) => sayWarning(surroundings, text);
        await movePin(connection, { store: openContexts(surroundings.io), say });
      }
      await connection[Symbol.asyncDispose]();
    },
  };
}

/**
 * Resolves which daemon to talk to, and how.
 *
 * Flags come before variables, variables before the context, the context before the daemon on this machine. A
 * context's token and CA go to that context's own origin and nowhere else.
 *
 * @param surroundings Global options and the outside world.
 * @returns What a connection would use.
 * @throws {CliError} If the server is no URL, the context is unknown or its CA is damaged.
 */
export async function resolveTarget({ globals, io }: Surroundings): Promise<Target> {
  const contexts = await openContexts(io).read();
  const context = contexts.active(globals.context);
  const named = globals.server ?? (io.env("HELYOS_SERVER") || context?.server);
  const url = parseServer(named ?? DEFAULT_SERVER);
  const given = globals.token ?? (io.env("HELYOS_API_TOKEN")?.trim() || undefined);
  const own = context?.server !== undefined && URL.parse(context.server)?.origin === url.origin;
  const kept = own ? context : undefined;
  const token = given ?? kept?.token;
  if (token !== undefined) checkToken(token);
  return {
    server: serverText(url),
    tls: tlsLabel({ server: url.href, insecure: kept?.insecure, ca: kept?.ca }),
    ca: url.protocol === "https:" && !kept?.insecure ? await pinnedCa(kept) : undefined,
    token,
    context: context?.name,
    project: context?.project,
    heldBack: own ? undefined : context ? heldBack(context, { url, contexts, token }) : noneChosen(named, contexts),
  };
}

/**
 * How a context's server is trusted, in one word.
 *
 * @param context The context.
 * @returns `http`, `insecure`, `pinned` or `system`.
 */
export function tlsLabel(context: Pick<Context, "server" | "insecure" | "ca">): TlsLabel {
  if (!/^https:/i.test(context.server ?? "")) return "http";
  if (context.insecure) return "insecure";
  return context.ca ? "pinned" : "system";
}

/**
 * Opens a connection to a known target.
 *
 * @param target Where to, with what.
 * @param proxy The HTTP proxy to go through; without one the connection is direct whatever the environment says.
 * @param limits How long an answer that is no stream may take to its last byte.
 * @returns The connection.
 */
export function openConnection(
  target: Target,
  proxy?: string,
  { answerTimeoutMs = ANSWER_TIMEOUT_MS }: { readonly answerTimeoutMs?: number } = {},
): Connection {
  const { token, ...rest } = target;
  const url = new URL(target.server);
  const prefix = url.pathname === "/" ? "" : url.pathname;
  let client: Promise<PinnedClient> | undefined;
  const fetch: Fetcher = async (path, init) => {
    client ??= openClient(target, { url, proxy });
    const headers = new Headers(init?.headers);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    try {
      return await (await client).fetch(prefix + path, { ...init, headers });
    } catch (error) {
      const { explainConnection } = await import("./explain.ts");
      throw explainConnection(error, { ...target, proxy });
    }
  };
  const inTime: Fetcher = (path, init) => fetch(path, { ...init, signal: AbortSignal.timeout(answerTimeoutMs) });
  return {
    ...rest,
    hasToken: token !== undefined,
    fetch,
    presented: async () => (await client)?.presented ?? [],
    async call(endpoint, input) {
      refuseNoNames(endpoint.path, input as Readonly<Record<string, unknown>>);
      const { ApiError, callEndpoint } = await import("@helyos/api/client");
      try {
        return await callEndpoint(endpoint.answer === "json" ? inTime : fetch, endpoint, input);
      } catch (error) {
        if (error instanceof CliError) throw error;
        const explain = await import("./explain.ts");
        if (error instanceof ApiError) throw explain.explainRefusal(error satisfies ApiError, target);
        throw explain.explainConnection(error, { ...target, proxy });
      }
    },
    async [Symbol.asyncDispose]() {
      await (await client?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}

/** What no path can carry, nothing is called. */
function refuseNoNames(path: string, input: Readonly<Record<string, unknown>>): void {
  for (const [, key] of path.matchAll(/\{(\w+)\}/g)) {
    const value = input[key!];
    if (value !== "" && value !== "." && value !== "..") continue;
    throw new CliError(`nothing is called '${value}': a name is neither empty nor . or ..`, { code: "invalid_name" });
  }
}

async function openClient(
  { tls, ca }: Target,
  { url, proxy }: { url: URL; proxy: string | undefined },
): Promise<PinnedClient> {
  const { PinnedClient } = await import("@helyos/pinning/client");
  const trust = tls === "pinned" ? { ca: ca ?? "" } : tls === "http" ? "none" : tls;
  return new PinnedClient({
    origin: url.origin,
    trust,
    timeoutMs: REQUEST_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    ...(proxy === undefined ? {} : { proxy: parseProxy(proxy) }),
  });
}

/** The PEM text of a context's pin. Damaged means stop: other roots are never taken in its place. */
async function pinnedCa(context: Context | undefined): Promise<string | undefined> {
  if (!context?.ca) return undefined;
  let pem: Uint8Array<ArrayBuffer>;
  try {
    pem = Uint8Array.fromBase64(context.ca);
  } catch (cause) {
    throw damaged(context, "it is not base64", cause);
  }
  const text = new TextDecoder().decode(pem);
  if (!/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(text)) {
    throw damaged(context, "it holds no certificate");
  }
  if (WHOLE_FINGERPRINT.test(context.caSha256 ?? "")) {
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", pem)).toHex();
    if (sha256 !== context.caSha256?.replaceAll(":", "").toLowerCase()) {
      throw damaged(context, "it does not have the fingerprint that stands beside it as ca-sha256");
    }
  }
  return text;
}

/** People shorten the fingerprint when they edit by hand; half of one says nothing. */
const WHOLE_FINGERPRINT = /^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}$/i;

function damaged(context: Context, why: string, cause?: unknown): CliError {
  return new CliError(`the pinned CA of context '${context.name}' is damaged: ${why}`, {
    code: "damaged_ca",
    hint: `Pin it again with: helyos login ${context.server} --name ${context.name}`,
    cause,
  });
}

function heldBack(
  context: Context,
  { url, contexts, token }: { url: URL; contexts: Contexts; token: string | undefined },
): string | undefined {
  const what = context.token !== undefined && token === undefined ? "token" : context.ca ? "pinned CA" : undefined;
  if (what === undefined) return undefined;
  const other = contexts.list().find((known) => known.server && URL.parse(known.server)?.origin === url.origin);
  const advice = other ? `; use --context ${other.name}` : "";
  return `the ${what} of context '${context.name}' is for ${
    context.server ?? "no server"
  } and was held back from ${url.origin}${advice}`;
}

/** Several contexts and none of them current: whoever has them hardly means the daemon on this machine. */
function noneChosen(server: string | undefined, contexts: Contexts): string | undefined {
  if (server !== undefined || contexts.list().length === 0) return undefined;
  return `no context is active, so this goes to ${DEFAULT_SERVER}; choose one with: helyos context use <name>`;
}

/**
 * Judges a token before it is sent.
 *
 * @param token The token.
 * @throws {CliError} If no HTTP header can carry it.
 */
export function checkToken(token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return;
  throw new CliError("the token contains spaces or characters that no HTTP header can carry", {
    code: "invalid_token",
    hint: "Paste it again: nxa-api_ followed by 64 hex digits",
  });
}

function warnOf(target: Target, surroundings: Surroundings): void {
  const { globals, io } = surroundings;
  if (globals.token !== undefined) warnOfTokenOnLine(surroundings);
  if (target.heldBack !== undefined) sayWarning(surroundings, target.heldBack);
  if (target.tls === "http" && !isLoopback(new URL(target.server))) {
    io.stderr.write(
      "Warning: communicating over unencrypted HTTP. Secrets and tokens may be exposed.\n" +
        "  Use --server https://... for production environments.\n\n",
    );
  }
}

/**
 * Says that a secret among the arguments is not one for long.
 *
 * @param surroundings The invocation.
 */
export function warnOfTokenOnLine(surroundings: Surroundings): void {
  sayWarning(
    surroundings,
    "a token on the command line is visible to other users and kept in the shell's history; " +
      "use HELYOS_API_TOKEN, or helyos login with --token-stdin or --token-file",
  );
}
