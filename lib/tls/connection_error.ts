/** From the many ways a connection fails to the few a caller can tell apart. */
import { TlsConnectionError, type TlsConnectionErrorCode } from "./errors.ts";

const BY_CODE: Readonly<Record<string, TlsConnectionErrorCode | undefined>> = {
  ECONNREFUSED: "unreachable",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ETIMEDOUT: "timeout",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "untrusted_certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "untrusted_certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "untrusted_certificate",
  UNABLE_TO_GET_ISSUER_CERT: "untrusted_certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "untrusted_certificate",
  CERT_HAS_EXPIRED: "untrusted_certificate",
  CERT_NOT_YET_VALID: "untrusted_certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "wrong_name",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "protocol_version",
  ERR_SSL_WRONG_VERSION_NUMBER: "not_tls",
};

/** By what the message says, where the code says nothing. */
const BY_TEXT: readonly (readonly [RegExp, TlsConnectionErrorCode])[] = [
  [/alert:? *protocol ?version|peer is incompatible|unsupported protocol/i, "protocol_version"],
  [/alert:? *(certificate|bad ?certificate|unknown ?ca|access ?denied|handshake ?failure)/i, "refused_by_peer"],
  [
    /invalid ?(peer )?certificate|unable to verify|self.signed|unknown ?issuer|certificate.*(expired|not valid)/i,
    "untrusted_certificate",
  ],
  [/corrupt message|invalid ?content ?type|InvalidMessage|wrong version number/i, "not_tls"],
];

/** Wraps what the platform failed with; errors of ours pass as they are. */
export function connectionErrorOf(cause: unknown, target: string): TlsConnectionError {
  if (cause instanceof TlsConnectionError) return cause;
  const { code, message = "" } = cause as { code?: unknown; message?: string };
  const kind = (typeof code === "string" ? BY_CODE[code] : undefined) ??
    BY_TEXT.find(([pattern]) => pattern.test(message))?.[1] ?? "closed";
  return new TlsConnectionError(
    kind,
    `${SAYS[kind] ?? "Lost the connection to"} ${target}: ${message || String(code)}`,
    {
      cause,
    },
  );
}

const SAYS: Partial<Record<TlsConnectionErrorCode, string>> = {
  unreachable: "Cannot reach",
  timeout: "No answer from",
  untrusted_certificate: "Cannot trust",
  wrong_name: "Cannot trust",
  refused_by_peer: "Refused by",
  protocol_version: "No common TLS version with",
  not_tls: "No TLS at",
};
