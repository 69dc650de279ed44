import type { TlsConfig } from "./config.ts";

/** Options for {@linkcode serveTls}. */
export interface ServeTlsOptions {
  /**
   * Where the files are. With several, a client is served by the one whose certificate has the name it asks for (SNI),
   * else by the first; a request for a name of another one over the same connection gets 421. Either all of them have a CA
   * or none.
   */
  readonly config: TlsConfig | readonly TlsConfig[];
  /**
   * The port; 0 lets the system pick one.
   * @default {8443}
   */
  readonly port?: number;
  /**
   * The address to listen on.
   * @default {"0.0.0.0"}
   */
  readonly hostname?: string;
  /** Shuts the server down, as `shutdown()` does. */
  readonly signal?: AbortSignal;
  /** Called once the server listens. */
  readonly onListen?: (address: ServerAddress) => void;
  /** Answers a request whose handler failed, and is the place to log. By default an empty 500 and a
   * process warning. */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
  /**
   * Called after each reload, with the error if the files could not be used; the server then goes on with what it had. By
   * default an error becomes a process warning.
   */
  readonly onReload?: (error: unknown) => void;
  /**
   * Whether to reload when the files change.
   * @default {true}
   */
  readonly watch?: boolean;
  /** Origins whose pages may open WebSockets besides our own, as in `https://app.example.com`. */
  readonly webSocketOrigins?: readonly string[];
  /** How much a client may take. */
  readonly limits?: ServeLimits;
}

/** How much a client may take of a server. Each has a default that suits a service on the internet. */
export interface ServeLimits {
  /**
   * How long a TLS handshake may take.
   * @default {10000}
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * How long the head of a request may take.
   * @default {15000}
   */
  readonly headersTimeoutMs?: number;
  /**
   * How long a whole request may take to arrive, body included.
   * @default {300000}
   */
  readonly requestTimeoutMs?: number;
  /**
   * How long a connection may idle between requests.
   * @default {60000}
   */
  readonly keepAliveTimeoutMs?: number;
  /**
   * How long running requests have when the server shuts down.
   * @default {10000}
   */
  readonly shutdownTimeoutMs?: number;
  /**
   * How long the head of a request may be.
   * @default {16384}
   */
  readonly maxHeaderBytes?: number;
  /** How long a body may be; without it, handlers must see to that. */
  readonly maxBodyBytes?: number;
  /**
   * How many connections may be open.
   * @default {10000}
   */
  readonly maxConnections?: number;
}

/** Where a server listens. */
export interface ServerAddress {
  /** The address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/** A running server. Disposing shuts it down. */
export interface TlsServer extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: ServerAddress;
  /** Whether clients need a certificate. */
  readonly isMutual: boolean;
  /** Resolves when the server has shut down. */
  readonly finished: Promise<void>;
  /**
   * Reads all files again. New connections get what is in them; open ones go on, unless their client is no longer
   * trusted. If the files cannot be used, nothing changes.
   *
   * @throws {TlsConfigError} If the files cannot be used.
   */
  reload(): Promise<void>;
  /**
   * Stops listening, lets running requests finish, and closes everything. WebSockets are told (status 1001).
   */
  shutdown(): Promise<void>;
  /** Keeps the program running, as it does by default. */
  ref(): void;
  /** Lets the program end although the server runs. */
  unref(): void;
}
