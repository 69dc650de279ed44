/**
 * Certificates, keys, requests and revocation lists for an internal certificate authority.
 *
 * Nothing here is fetched, stored or logged: bytes and text go in, bytes and text come out.
 *
 * @module
 */

// Writing: keys, requests, certificates, revocation lists.
export * from "./errors.ts";
export * from "./pem.ts";
export {
  type AnyKeyAlgorithm,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  type KeyAlgorithm,
  type KeyPair,
  type PassphraseOptions,
} from "./key.ts";
export type { Issuer } from "./issuer.ts";
export {
  createRootCa,
  issueCertificate,
  type IssuedCertificate,
  type IssueOptions,
  type RootCaOptions,
} from "./issue.ts";
export { exportPkcs12, type Pkcs12Options } from "./pkcs12.ts";
export type { ProfileName } from "./profile.ts";
export { type CertificateRequest, createRequest, parseRequest, type RequestOptions, verifyRequest } from "./request.ts";
export {
  createCrl,
  type CrlOptions,
  type CrlScope,
  type Revocation,
  revoke,
  type RevokeOptions,
} from "./crl_create.ts";
export type { SubjectNames } from "./subject.ts";
export type { PathLength, PermittedNames } from "./write_extension.ts";

// Reading: parse, verify, inspect, lint.
export {
  type AlgorithmIdentifier,
  type Certificate,
  parseCertificate,
  parseCertificates,
  type PublicKeyInfo,
} from "./certificate.ts";
export type { BitString } from "./der.ts";
export type { Name, NameAttribute } from "./distinguished_name.ts";
export type {
  AccessDescription,
  AuthorityKeyIdentifier,
  BasicConstraints,
  DistributionPoint,
  DistributionPointName,
  Extension,
  KeyUsage,
  NameConstraints,
  PolicyConstraints,
  PolicyMapping,
  RevocationReason,
  Subtree,
} from "./extension.ts";
export type { GeneralName, GeneralNameKind } from "./general_name.ts";
export { matchesName, type ReferenceName } from "./matching.ts";
export { oidName } from "./oid.ts";
export { type Crl, type IssuingDistributionPoint, parseCrl, type RevokedEntry } from "./crl.ts";
export type { CertificateInput, CrlInput } from "./verify/input.ts";
export type { Purpose } from "./verify/judge.ts";
export type { PolicyInputs } from "./verify/policy.ts";
export type { Refusal, Rule, VerifyResult } from "./verify/result.ts";
export { verifyChain, type VerifyOptions } from "./verify/verify_chain.ts";
export { type CrlResult, verifyCrl } from "./verify/verify_crl.ts";
export {
  type CertificateDetails,
  holdsKey,
  inspect,
  type InspectOptions,
  type LogPromise,
  type ShownName,
} from "./inspect.ts";
export { lint, type LintFinding, type LintOptions } from "./lint.ts";
