/**
 * Certificates from an ACME server such as Let's Encrypt: accounts, orders, challenges, renewal.
 *
 * RFC 8555 (ACME), RFC 9773 (renewal information), certificate profiles. Nothing is stored here: what must survive a crash is handed to
 * you first, and every step can be repeated.
 *
 * @module
 */
export {
  AcmeClient,
  type AcmeClientOptions,
  type CallOptions,
  certificateId,
  type NewAccount,
  type NewOrder,
} from "./client.ts";
export type { Authorization, Challenge, Directory, Identifier, Order, RenewalInfo } from "./resources.ts";
export { AcmeError, type AcmeErrorCode, type AcmeErrorDetails } from "./errors.ts";
export { obtainCertificate, type ObtainedCertificate, type ObtainOptions } from "./obtain.ts";
export { explainProblem, type Problem, readProblem } from "./problem.ts";
export { nextAttempt, type RenewalInput, renewalTime } from "./renewal.ts";
export {
  type ChallengeAnswer,
  type ChallengeType,
  type DnsHookOptions,
  dnsHookSolver,
  type HookRunner,
  type HttpSolver,
  httpSolver,
  type Solver,
} from "./solver.ts";
export { type TlsAlpnCertificate, type TlsAlpnSolver, tlsAlpnSolver } from "./tls_alpn.ts";
