/**
 * From what the platform throws to what people can act on.
 *
 * @module
 */
import { PinningError, type PinningErrorCode } from "./errors.ts";

/** Which error of the platform means what. */
const CODES: Readonly<Record<string, PinningErrorCode>> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timeout",
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  EAI_NODATA: "dns",
  EAI_NONAME: "dns",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EACCES: "unreachable",
  EPERM: "unreachable",
  ECONNRESET: "disconnected",
  ECONNABORTED: "disconnected",
  EPIPE: "disconnected",
  ERR_STREAM_PREMATURE_CLOSE: "disconnected",
  ERR_SSL_WRONG_VERSION_NUMBER: "not_tls",
  // Without the platform's own refusal this is left: the server could not prove that it holds the certificate's key, or
  // its certificate is of a kind that TLS has no use for.
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "invalid_certificate",
  HPE_HEADER_OVERFLOW: "too_large",
};

/** What each means, to follow "Cannot connect to HOST: ". */
const REASONS: Readonly<Partial<Record<PinningErrorCode, string>>> = {
  refused: "nothing listens there (connection refused)",
  timeout: "no answer (timed out)",
  dns: "its name cannot be resolved",
  unreachable: "there is no way to it",
  disconnected: "it hung up",
  not_tls: "it speaks plain HTTP, not TLS",
  invalid_certificate: "it does not prove to hold the key of its certificate",
  tls: "the TLS handshake failed",
  tls_required: "it speaks TLS, not plain HTTP",
  too_large: "the header of its answer is too large",
  protocol: "its answer is not HTTP",
};

/** The first byte of a TLS alert (RFC 8446 §5.1). */
const TLS_ALERT = 0x15;

interface PlatformError extends Error {
  readonly code?: string;
  readonly rawPacket?: Uint8Array;
}

/** One attempt per address ends in one error with all of theirs in it: the first says most. */
function unwrap(error: unknown): PlatformError {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0];
  return error instanceof Error ? error : new Error(String(error));
}

function codeOf(error: PlatformError): PinningErrorCode {
  const code = error.code ?? "";
  if (CODES[code]) return CODES[code];
  if (code.startsWith("HPE_")) return error.rawPacket?.[0] === TLS_ALERT ? "tls_required" : "protocol";
  if (error.name === "NotCapable") return "unreachable";
  return /SSL|TLS|CERT|VERIFY/.test(code) ? "tls" : "disconnected";
}

/**
 * Names the cause of a failed connection.
 *
 * @param error What the platform threw.
 * @param place Where to, as people write it.
 * @returns The error to throw; `error` itself if it is named already.
 */
export function nameCause(error: unknown, place: string): PinningError {
  if (error instanceof PinningError) return error;
  const underneath = unwrap(error);
  const code = codeOf(underneath);
  const reason = underneath.name === "NotCapable"
    ? "this program has no permission to connect there"
    : code === "tls"
    ? `${REASONS.tls} (${underneath.message})`
    : REASONS[code];
  return new PinningError(code, `Cannot connect to ${place}: ${reason}`, { cause: error });
}

/**
 * The error for a signal that said to stop.
 *
 * @param signal The signal.
 * @param place Where to, as people write it.
 * @returns `timeout` if its time was up, else `aborted`.
 */
export function nameAbort(signal: AbortSignal, place: string): PinningError {
  const cause: unknown = signal.reason;
  if (cause instanceof PinningError) return cause;
  return cause instanceof DOMException && cause.name === "TimeoutError"
    ? new PinningError("timeout", `Cannot connect to ${place}: ${REASONS.timeout}`, { cause })
    : new PinningError("aborted", `The request to ${place} was aborted`, { cause });
}
