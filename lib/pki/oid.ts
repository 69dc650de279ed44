/**
 * Object identifiers that certificates use, by the names people know them under.
 *
 * @module
 */

/** Identifiers of certificate and CRL extensions (RFC 5280 §4.2, §5.2, §5.3). */
export const ExtensionId = {
  subjectDirectoryAttributes: "2.5.29.9",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  issuerAltName: "2.5.29.18",
  basicConstraints: "2.5.29.19",
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  holdInstruction: "2.5.29.23",
  invalidityDate: "2.5.29.24",
  deltaCrlIndicator: "2.5.29.27",
  issuingDistributionPoint: "2.5.29.28",
  certificateIssuer: "2.5.29.29",
  nameConstraints: "2.5.29.30",
  crlDistributionPoints: "2.5.29.31",
  certificatePolicies: "2.5.29.32",
  policyMappings: "2.5.29.33",
  authorityKeyIdentifier: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extendedKeyUsage: "2.5.29.37",
  freshestCrl: "2.5.29.46",
  inhibitAnyPolicy: "2.5.29.54",
  authorityInfoAccess: "1.3.6.1.5.5.7.1.1",
  subjectInfoAccess: "1.3.6.1.5.5.7.1.11",
  tlsFeature: "1.3.6.1.5.5.7.1.24",
  signedCertificateTimestamps: "1.3.6.1.4.1.11129.2.4.2",
} as const;

/** Identifiers of purposes in an extended key usage (RFC 5280 §4.2.1.12). */
export const PurposeId = {
  any: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  emailProtection: "1.3.6.1.5.5.7.3.4",
  timeStamping: "1.3.6.1.5.5.7.3.8",
  ocspSigning: "1.3.6.1.5.5.7.3.9",
} as const;

/** Identifiers of what qualifies a policy (RFC 5280 §4.2.1.4): neither changes a verdict. */
export const QualifierId = {
  statement: "1.3.6.1.5.5.7.2.1",
  notice: "1.3.6.1.5.5.7.2.2",
} as const;

/** anyPolicy (RFC 5280 §4.2.1.4). */
export const ANY_POLICY = "2.5.29.32.0";

const NAMES: Readonly<Record<string, string>> = {
  // Attributes of names, as RFC 4514 §3 abbreviates them.
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.17": "postalCode",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.44": "generationQualifier",
  "2.5.4.46": "dnQualifier",
  "2.5.4.65": "pseudonym",
  "2.5.4.97": "organizationIdentifier",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
  // Keys and signatures.
  "1.2.840.113549.1.1.1": "rsaEncryption",
  "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
  "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
  "1.2.840.113549.1.1.10": "rsassaPss",
  "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
  "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
  "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
  "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
  "1.2.840.10040.4.1": "dsa",
  "1.2.840.10040.4.3": "dsaWithSha1",
  "1.2.840.10045.2.1": "ecPublicKey",
  "1.2.840.10045.4.1": "ecdsaWithSha1",
  "1.2.840.10045.4.3.1": "ecdsaWithSha224",
  "1.2.840.10045.4.3.2": "ecdsaWithSha256",
  "1.2.840.10045.4.3.3": "ecdsaWithSha384",
  "1.2.840.10045.4.3.4": "ecdsaWithSha512",
  "1.2.840.10045.3.1.7": "P-256",
  "1.3.132.0.34": "P-384",
  "1.3.132.0.35": "P-521",
  "1.3.132.0.10": "secp256k1",
  "1.3.132.0.33": "P-224",
  "1.2.840.10045.3.1.1": "P-192",
  "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
  "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
  "1.3.101.111": "X448",
  "1.3.101.110": "X25519",
  "1.3.101.112": "Ed25519",
  "1.3.101.113": "Ed448",
  // Purposes and policies of others, and extensions that programs write.
  "1.3.6.1.5.5.7.3.17": "ipsecIke",
  "1.3.6.1.5.5.7.3.36": "documentSigning",
  "1.3.6.1.4.1.311.20.2.2": "smartcardLogon",
  "1.3.6.1.5.2.3.5": "kerberosKdc",
  "2.23.140.1.2.1": "domainValidated",
  "2.23.140.1.2.2": "organizationValidated",
  "2.23.140.1.2.3": "individualValidated",
  "2.23.140.1.1": "extendedValidation",
  "2.16.840.1.113730.1.1": "netscapeCertType",
  "2.16.840.1.113730.1.13": "netscapeComment",
  "1.3.6.1.4.1.37476.9000.64.1": "stepProvisioner",
  "1.3.6.1.4.1.11129.2.4.3": "ctPoison",
  // Where to ask for more (RFC 5280 §4.2.2).
  "1.3.6.1.5.5.7.48.1": "ocsp",
  "1.3.6.1.5.5.7.48.2": "caIssuers",
  [ANY_POLICY]: "anyPolicy",
  ...Object.fromEntries(Object.entries(PurposeId).map(([name, id]) => [id, name])),
  ...Object.fromEntries(Object.entries(ExtensionId).map(([name, id]) => [id, name])),
};

/**
 * Names an object identifier.
 * @example
 * ```ts
 * import { oidName } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * equal(oidName("2.5.4.3"), "CN");
 * equal(oidName("1.2.3.4"), "1.2.3.4");
 * ```
 * @param oid In dotted decimal.
 * @returns The name people know it under, or the identifier itself.
 */
export function oidName(oid: string): string {
  return Object.hasOwn(NAMES, oid) ? NAMES[oid]! : oid;
}
