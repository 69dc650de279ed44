/**
 * From flags, environment and contexts to a connection: which daemon, which token, which trust.
 *
 * @module
 */
import type { Endpoint, Fetcher } from "@helyos/api";
import type { Surroundings } from "./command.ts";

/** How a server is trusted: over TLS by its pinned CA, by the system's roots, not at all; or without TLS. */
export type TlsLabel = "pinned" | "system" | "insecure" | "http";

/** A daemon that commands can call. Nothing is sent before the first call. */
export interface Connection extends AsyncDisposable {
  /** Address without a trailing slash, for example `https://cluster.example:6443`. */
  readonly server: string;
  /** How it is trusted. */
  readonly tls: TlsLabel;
  /** The pinned CA. */
  readonly ca: string | undefined;
  /** The context in effect; undefined when there is none. */
  readonly context: string | undefined;
  /** The context's default project; undefined when it has none. */
  readonly project: string | undefined;
  /** Whether a token goes along. */
  readonly hasToken: boolean;
  /** Sends one request with the token; what goes wrong on the way is thrown as a `CliError` that names the cause. */
  readonly fetch: Fetcher;
  /** Calls an endpoint; a refusal or a failed connection is thrown as a `CliError`. */
  call<Input, Output>(endpoint: Endpoint<Input, Output>, input: Input): Promise<Output>;
}

/**
 * Resolves which daemon to talk to, and how.
 *
 * @param surroundings Global options and the outside world.
 * @returns The connection, to be closed by the caller (`await using`).
 * @throws {CliError} If the server is no URL, the context is unknown or its CA is damaged.
 */
export function connect(surroundings: Surroundings): Promise<Connection> {
  return Promise.reject(new Error(`not connected: ${surroundings.globals.server}`));
}
