/**
 * Certificate extensions (RFC 5280 §4.2), decoded.
 *
 * @module
 */
import {
  bitStringOf,
  booleanOf,
  countOf,
  DerReader,
  type DerValue,
  hexOf,
  integerOctets,
  oidOf,
  readWhole,
  Tag,
} from "./der.ts";
import { type NameAttribute, partOf } from "./distinguished_name.ts";
import { PkiError } from "./errors.ts";
import { type GeneralName, generalNameOf, generalNamesOf } from "./general_name.ts";

/** One extension as it stands in a certificate, a CRL or a CRL entry. */
export interface Extension {
  /** Its object identifier. */
  readonly id: string;
  /** Whether whoever does not understand it must refuse. */
  readonly critical: boolean;
  /** What it says, in DER. */
  readonly value: Uint8Array;
}

/** What a key may be used for (RFC 5280 §4.2.1.3). */
export type KeyUsage =
  | "digitalSignature"
  | "nonRepudiation"
  | "keyEncipherment"
  | "dataEncipherment"
  | "keyAgreement"
  | "keyCertSign"
  | "cRLSign"
  | "encipherOnly"
  | "decipherOnly";

/** Why a certificate was revoked (RFC 5280 §5.3.1). */
export type RevocationReason =
  | "unspecified"
  | "keyCompromise"
  | "cACompromise"
  | "affiliationChanged"
  | "superseded"
  | "cessationOfOperation"
  | "certificateHold"
  | "removeFromCRL"
  | "privilegeWithdrawn"
  | "aACompromise";

/** Whether a certificate is a CA's (RFC 5280 §4.2.1.9). */
export interface BasicConstraints {
  /** Whether its key may sign certificates. */
  readonly ca: boolean;
  /** How many CAs may follow on the way to a leaf, self-issued ones not counted. */
  readonly pathLength?: number;
}

/** Which key of the issuer signed (RFC 5280 §4.2.1.1). */
export interface AuthorityKeyIdentifier {
  /** The subject key identifier of the issuer, in hex. */
  readonly keyIdentifier?: string;
  /** The issuer of the issuer's certificate. */
  readonly issuer?: readonly GeneralName[];
  /** The serial of the issuer's certificate. */
  readonly serial?: string;
}

/** A subtree of names (RFC 5280 §4.2.1.10). */
export interface Subtree {
  /** Its top. */
  readonly base: GeneralName;
  /** Whether it has a minimum or maximum, which the profile forbids and nobody processes. */
  readonly bounded: boolean;
}

/** Where the names of all certificates that follow must lie (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  /** A name must lie in one of these of its kind, if there are any of its kind. */
  readonly permitted: readonly Subtree[];
  /** A name must lie in none of these. */
  readonly excluded: readonly Subtree[];
}

/** A pair of policies that two CAs hold to be equal (RFC 5280 §4.2.1.5). */
export interface PolicyMapping {
  /** The policy in the domain of the issuer. */
  readonly issuerDomain: string;
  /** The policy in the domain of the subject. */
  readonly subjectDomain: string;
}

/** After how many more certificates policies are asked for (RFC 5280 §4.2.1.11). */
export interface PolicyConstraints {
  /** Certificates until every one must have an acceptable policy. */
  readonly requireExplicitPolicy?: number;
  /** Certificates until mappings no longer count. */
  readonly inhibitPolicyMapping?: number;
}

/** The name of a place where a CRL is found (RFC 5280 §4.2.1.13). */
export interface DistributionPointName {
  /** Its names. */
  readonly full?: readonly GeneralName[];
  /** What it adds to the name of the CRL issuer. */
  readonly relative?: readonly NameAttribute[];
}

/** A place where a CRL is found, and which one (RFC 5280 §4.2.1.13). */
export interface DistributionPoint {
  /** Where. */
  readonly name?: DistributionPointName;
  /** The reasons it covers; all, when absent. */
  readonly reasons?: ReadonlySet<RevocationReason>;
  /** Who signs the CRL; the issuer of the certificate, when absent. */
  readonly crlIssuer?: readonly GeneralName[];
}

/** Where to find more about an issuer or a subject (RFC 5280 §4.2.2). */
export interface AccessDescription {
  /** What is found there, as an object identifier. */
  readonly method: string;
  /** Where. */
  readonly location: GeneralName;
}

const KEY_USAGES: readonly KeyUsage[] = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
];

/** @internal Every reason a CRL can be about (RFC 5280 §6.3.2 (a)), in the order of their bits. */
export const CRL_REASONS: readonly RevocationReason[] = [
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  "privilegeWithdrawn",
  "aACompromise",
];

// RFC 5280 §4.2.1.13 ReasonFlags: bit 0 is unused and stands for nothing.
const REASON_FLAGS = [undefined, ...CRL_REASONS];

function refuse(what: string): never {
  throw new PkiError("invalid_der", `Cannot read DER: ${what}`);
}

/**
 * Reads `Extensions`: those inside a SEQUENCE, at least one.
 * @param content What the SEQUENCE holds.
 * @param what Where they stand, for the message of an error.
 * @returns The extensions, in order, duplicates included.
 * @throws {PkiError} `invalid_der` if there is none, or one cannot be read.
 */
export function extensionsOf(content: Uint8Array, what: string): Extension[] {
  const reader = new DerReader(content);
  const extensions: Extension[] = [];
  if (reader.done) refuse(`${what} are empty`);
  while (!reader.done) {
    const one = reader.enter(Tag.SEQUENCE, what);
    const id = oidOf(one.read(Tag.OID, what), what);
    // DEFAULT FALSE spelled out is not DER, but every implementation reads it and CAs have written it: lint() names it.
    const critical = one.optional(Tag.BOOLEAN, what);
    const value = one.read(Tag.OCTET_STRING, what).content;
    one.end(what);
    extensions.push({ id, critical: critical !== undefined && booleanOf(critical, what), value });
  }
  return extensions;
}

/** @internal Reads BasicConstraints. */
export function basicConstraintsOf(value: Uint8Array): BasicConstraints {
  const what = "basicConstraints";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const ca = reader.optional(Tag.BOOLEAN, what);
  const length = reader.optional(Tag.INTEGER, what);
  reader.end(what);
  return {
    ca: ca !== undefined && booleanOf(ca, what),
    ...(length === undefined ? {} : { pathLength: countOf(length, what) }),
  };
}

/** @internal Reads KeyUsage. */
export function keyUsageOf(value: Uint8Array): ReadonlySet<KeyUsage> {
  const reader = new DerReader(value);
  const bits = reader.read(Tag.BIT_STRING, "keyUsage");
  reader.end("keyUsage");
  return flagsOf(bits.content, KEY_USAGES, "keyUsage");
}

function flagsOf<T>(content: Uint8Array, names: readonly (T | undefined)[], what: string): ReadonlySet<T> {
  const { bytes } = bitStringOf({ tag: Tag.BIT_STRING, encoding: content, content }, what);
  const set = new Set<T>();
  names.forEach((name, i) => {
    if (name !== undefined && ((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0) set.add(name);
  });
  return set;
}

/** @internal Reads ReasonFlags inside an implicit tag. */
export function reasonsOf(content: Uint8Array, what: string): ReadonlySet<RevocationReason> {
  return flagsOf(content, REASON_FLAGS, what);
}

/** @internal Reads ExtKeyUsageSyntax. */
export function extendedKeyUsageOf(value: Uint8Array): readonly string[] {
  return oidsOf(value, "extendedKeyUsage");
}

function oidsOf(value: Uint8Array, what: string): string[] {
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const ids: string[] = [];
  do ids.push(oidOf(reader.read(Tag.OID, what), what)); while (!reader.done);
  return ids;
}

/** @internal Reads SubjectAltName and IssuerAltName. */
export function alternativeNamesOf(value: Uint8Array, what: string): readonly GeneralName[] {
  const reader = new DerReader(value);
  const names = generalNamesOf(reader.read(Tag.SEQUENCE, what).content, what);
  reader.end(what);
  return names;
}

/** @internal Reads SubjectKeyIdentifier. */
export function subjectKeyIdentifierOf(value: Uint8Array): string {
  const reader = new DerReader(value);
  const identifier = reader.read(Tag.OCTET_STRING, "subjectKeyIdentifier");
  reader.end("subjectKeyIdentifier");
  return hexOf(identifier.content);
}

/** @internal Reads AuthorityKeyIdentifier. */
export function authorityKeyIdentifierOf(value: Uint8Array): AuthorityKeyIdentifier {
  const what = "authorityKeyIdentifier";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const key = reader.optional(0x80, what);
  const issuer = reader.optional(0xa1, what);
  const serial = reader.optional(0x82, what);
  reader.end(what);
  return {
    ...(key === undefined ? {} : { keyIdentifier: hexOf(key.content) }),
    ...(issuer === undefined ? {} : { issuer: generalNamesOf(issuer.content, what) }),
    ...(serial === undefined ? {} : { serial: serialText(integerOctets(serial, what)) }),
  };
}

/**
 * Spells a serial number: lower-case hex of its magnitude, two digits an octet, with a minus sign when it is negative.
 * @internal
 * @param octets Its two's complement octets.
 * @returns For example `0f3a`.
 */
export function serialText(octets: Uint8Array): string {
  if (octets[0]! >= 0x80) {
    // RFC 5280 §4.1.2.2 asks for patience with negative serials; -1 must not be taken for 255.
    const magnitude = (1n << BigInt(octets.length * 8)) - BigInt(`0x${hexOf(octets)}`);
    const hex = magnitude.toString(16);
    return `-${hex.length % 2 === 1 ? "0" : ""}${hex}`;
  }
  return hexOf(octets.length > 1 && octets[0] === 0 ? octets.subarray(1) : octets);
}

/** @internal Reads NameConstraints. */
export function nameConstraintsOf(value: Uint8Array): NameConstraints {
  const what = "nameConstraints";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  // §4.2.1.10: "Conforming CAs MUST NOT issue certificates where name constraints is an empty sequence."
  if (reader.done) refuse(`${what} are empty`);
  const permitted = reader.optional(0xa0, what);
  const excluded = reader.optional(0xa1, what);
  reader.end(what);
  return { permitted: subtreesOf(permitted?.content, what), excluded: subtreesOf(excluded?.content, what) };
}

function subtreesOf(content: Uint8Array | undefined, what: string): Subtree[] {
  const subtrees: Subtree[] = [];
  if (content === undefined) return subtrees;
  const reader = new DerReader(content);
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const base = generalNameOf(one.next(what), what, { subtree: true });
    const minimum = one.optional(0x80, what);
    const maximum = one.optional(0x81, what);
    one.end(what);
    const bounded = maximum !== undefined || (minimum !== undefined && countOf(minimum, what) !== 0);
    subtrees.push({ base, bounded });
  } while (!reader.done);
  return subtrees;
}

/** @internal A policy, and what qualifies it. */
export interface QualifiedPolicy {
  readonly id: string;
  readonly qualifiers: readonly { readonly kind: string; readonly value: DerValue }[];
}

/** @internal Reads CertificatePolicies. */
export function certificatePoliciesOf(value: Uint8Array): QualifiedPolicy[] {
  const what = "certificatePolicies";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const policies = new Map<string, QualifiedPolicy>();
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const id = oidOf(one.read(Tag.OID, what), what);
    const qualifiers = one.optional(Tag.SEQUENCE, what);
    one.end(what);
    // §4.2.1.4: "A certificate policy OID MUST NOT appear more than once".
    if (policies.has(id)) refuse(`${what} hold ${id} twice`);
    policies.set(id, { id, qualifiers: qualifiers === undefined ? [] : qualifiersOf(qualifiers, what) });
  } while (!reader.done);
  return [...policies.values()];
}

function qualifiersOf(list: DerValue, what: string): QualifiedPolicy["qualifiers"] {
  const reader = DerReader.inside(list);
  const qualifiers = [];
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const kind = oidOf(one.read(Tag.OID, what), what);
    qualifiers.push({ kind, value: one.next(what) });
    one.end(what);
  } while (!reader.done);
  return qualifiers;
}

/** @internal Reads PolicyMappings. */
export function policyMappingsOf(value: Uint8Array): readonly PolicyMapping[] {
  const what = "policyMappings";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const mappings: PolicyMapping[] = [];
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const issuerDomain = oidOf(one.read(Tag.OID, what), what);
    const subjectDomain = oidOf(one.read(Tag.OID, what), what);
    one.end(what);
    mappings.push({ issuerDomain, subjectDomain });
  } while (!reader.done);
  return mappings;
}

/** @internal Reads PolicyConstraints. */
export function policyConstraintsOf(value: Uint8Array): PolicyConstraints {
  const what = "policyConstraints";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  // §4.2.1.11: "Conforming CAs MUST NOT issue certificates where policy constraints is an empty sequence."
  if (reader.done) refuse(`${what} are empty`);
  const explicit = reader.optional(0x80, what);
  const inhibit = reader.optional(0x81, what);
  reader.end(what);
  return {
    ...(explicit === undefined ? {} : { requireExplicitPolicy: countOf(explicit, what) }),
    ...(inhibit === undefined ? {} : { inhibitPolicyMapping: countOf(inhibit, what) }),
  };
}

/** @internal Reads InhibitAnyPolicy. */
export function inhibitAnyPolicyOf(value: Uint8Array): number {
  const reader = new DerReader(value);
  const count = countOf(reader.read(Tag.INTEGER, "inhibitAnyPolicy"), "inhibitAnyPolicy");
  reader.end("inhibitAnyPolicy");
  return count;
}

/** @internal Reads CRLDistributionPoints and FreshestCRL. */
export function distributionPointsOf(value: Uint8Array, what: string): readonly DistributionPoint[] {
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const points: DistributionPoint[] = [];
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const name = one.optional(0xa0, what);
    const reasons = one.optional(0x81, what);
    const issuer = one.optional(0xa2, what);
    one.end(what);
    points.push({
      ...(name === undefined ? {} : { name: distributionPointNameOf(name.content, what) }),
      ...(reasons === undefined ? {} : { reasons: reasonsOf(reasons.content, what) }),
      ...(issuer === undefined ? {} : { crlIssuer: generalNamesOf(issuer.content, what) }),
    });
  } while (!reader.done);
  return points;
}

/** @internal Reads a DistributionPointName inside its explicit tag. */
export function distributionPointNameOf(content: Uint8Array, what: string): DistributionPointName {
  const reader = new DerReader(content);
  const one = reader.next(what);
  reader.end(what);
  if (one.tag === 0xa0) return { full: generalNamesOf(one.content, what) };
  if (one.tag === 0xa1) return { relative: partOf(one.content, what) };
  return refuse(`${what} holds a distribution point with a name of an unknown kind`);
}

/** @internal Reads AuthorityInfoAccess and SubjectInfoAccess. */
export function accessDescriptionsOf(value: Uint8Array, what: string): readonly AccessDescription[] {
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const list: AccessDescription[] = [];
  do {
    const one = reader.enter(Tag.SEQUENCE, what);
    const method = oidOf(one.read(Tag.OID, what), what);
    const location = generalNameOf(one.next(what), what);
    one.end(what);
    list.push({ method, location });
  } while (!reader.done);
  return list;
}
