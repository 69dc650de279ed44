/**
 * The control plane's certificate: own CA or supplied, kept alive.
 *
 * @module
 */
export { looseKeyWarning } from "./announce.ts";
export { TrustError, type TrustErrorCode } from "./errors.ts";
export { type CaDescription, describeCa, readCa } from "./fingerprints.ts";
export { type NameOptions, parseName, type ServerNames, serverNames } from "./names.ts";
export { checkTrust, type CheckTrustDeps, openTrust, type TrustOptions, type TrustReport } from "./open.ts";
export type { OwnTrustDeps as TrustDeps } from "./own.ts";
export type { OfferedCa, ServedCertificate, TrustLog, TrustState } from "./trust.ts";
