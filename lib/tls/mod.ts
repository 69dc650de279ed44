/**
 * TLS and mutual TLS: serve and call with certificates of your own CAs, and know who is at the other end.
 *
 * One checked configuration value serves both ends. Everything that can be wrong with it is found before a socket opens, and
 * a server that was given a CA cannot serve anyone without a certificate of it.
 *
 * @example A configuration, and what is wrong with it
 * ```ts
 * import { fetchTls, TlsConfig } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * const config = new TlsConfig({ caCertificatesPath: "no-such-ca.pem" });
 * await rejects(fetchTls(config), { code: "file_not_found" });
 * ```
 *
 * @module
 */
export { TlsConfig, type TlsConfigInit, type TlsVersion } from "./config.ts";
export { TlsConfigError, TlsConnectionError, type TlsConnectionErrorCode, type TlsErrorCode } from "./errors.ts";
export { buildClientTlsOptions, type ClientTlsOptions } from "./client_options.ts";
export { buildServerTlsOptions, type ServerTlsOptions, type ServerTlsOptionsInit } from "./server_options.ts";
export {
  type Peer,
  type PeerCertificateInput,
  type PeerCertificateSummary,
  peerCommonName,
  type PeerIdentity,
  peerIdentity,
  peerSubjectAltNames,
  peerSubjectAltNameValues,
  type SanKind,
  type SubjectAltName,
} from "./peer.ts";
export { type CertAuthenticator, certAuthenticator, sanAuthenticator } from "./authenticator.ts";
export type { Handler, ServeInfo } from "./handler.ts";
export { type CertAuthOptions, withCertAuth } from "./cert_auth.ts";
export { serveTls } from "./serve.ts";
export type { ServeLimits, ServerAddress, ServeTlsOptions, TlsServer } from "./serve_options.ts";
export { type CheckableServer, selfCheck, type SelfCheckOptions } from "./self_check.ts";
export { fetchTls, type FetchTlsOptions, type TlsFetch } from "./fetch.ts";
export { connectWebSocket, type ConnectWebSocketOptions } from "./connect_websocket.ts";
export { type UpgradedWebSocket, type UpgradeOptions, upgradeWebSocket } from "./upgrade.ts";
export { type WsClosed, WsConnection } from "./websocket.ts";
export { generateTestCertificates, type TestCertificates, type TestCertificatesOptions } from "./test_certificates.ts";
