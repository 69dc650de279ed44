/** Why a {@linkcode TlsConfig} cannot be used. Stable: match on it, not on the message. */
export type TlsErrorCode =
  | "file_not_found"
  | "file_unreadable"
  | "incomplete_pair"
  | "key_mismatch"
  | "invalid_certificate"
  | "invalid_key"
  | "invalid_ca"
  | "invalid_crl"
  | "bad_passphrase"
  | "passphrase_required"
  | "no_trust_anchor"
  | "client_auth_without_ca"
  | "client_auth_disabled"
  | "client_auth_not_enforced"
  | "revocation_not_enforced";

/**
 * A configuration that cannot be used, found before any socket opens.
 *
 * Neither the message nor any property ever holds the passphrase or key material.
 *
 * @example Tell a missing file from a wrong passphrase
 * ```ts
 * import { buildClientTlsOptions, TlsConfig, TlsConfigError } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(
 *   buildClientTlsOptions(new TlsConfig({ certificatePath: "client.pem" })),
 *   (error) => error instanceof TlsConfigError && error.code === "incomplete_pair",
 * );
 * ```
 */
export class TlsConfigError extends Error {
  /** Always `TlsConfigError`. */
  override readonly name = "TlsConfigError";
  /** What is wrong, for programs. */
  readonly code: TlsErrorCode;
  /** The file or folder concerned, when there is one. */
  readonly path?: string;

  /**
   * Makes an error.
   *
   * @param code What is wrong.
   * @param message What could not be done, for people.
   * @param options The path concerned and the underlying cause.
   */
  constructor(code: TlsErrorCode, message: string, options: { readonly path?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.path !== undefined) this.path = options.path;
  }
}

/** Why a connection failed. Stable: match on it, not on the message. */
export type TlsConnectionErrorCode =
  | "unreachable"
  | "timeout"
  | "untrusted_certificate"
  | "wrong_name"
  | "refused_by_peer"
  | "protocol_version"
  | "not_tls"
  | "closed"
  | "upgrade_refused"
  | "redirect"
  | "too_large"
  | "protocol";

/**
 * A connection that could not be made or broke. What lies underneath is its `cause`.
 *
 * Under TLS 1.3 a server judges the client's certificate after the client's handshake is over, so a refused client
 * certificate shows up here (`refused_by_peer` or `closed`) at the first read, not at connect.
 *
 * @example An `https:` server nobody runs
 * ```ts
 * import { TlsConnectionError } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * const error = new TlsConnectionError("unreachable", "Cannot reach localhost:1");
 * equal(error.code, "unreachable");
 * ```
 */
export class TlsConnectionError extends Error {
  /** Always `TlsConnectionError`. */
  override readonly name = "TlsConnectionError";
  /** What went wrong, for programs. */
  readonly code: TlsConnectionErrorCode;
  /** The HTTP status of a refused WebSocket upgrade. */
  readonly status?: number;

  /**
   * Makes an error.
   *
   * @param code What went wrong.
   * @param message What could not be done, for people.
   * @param options The HTTP status, when the peer gave one, and the underlying cause.
   */
  constructor(
    code: TlsConnectionErrorCode,
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.status !== undefined) this.status = options.status;
  }
}
