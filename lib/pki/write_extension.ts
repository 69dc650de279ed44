/**
 * The extensions that our certificates and revocation lists hold, each written from what it says.
 *
 * @module
 */
import {
  ascii,
  boolean,
  constructed,
  extension,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
} from "./encode.ts";
import type { KeyUsage } from "./extension.ts";
import { addressBlock, canonicalHostName } from "./host_name.ts";
import { ExtensionId } from "./oid.ts";
import { generalNames, type JudgedName } from "./subject.ts";

/** Names that a CA may speak for. A kind that is not given is not limited. */
export interface PermittedNames {
  /** Host names; each stands for itself and everything below it. */
  readonly dns?: readonly string[];
  /** Blocks of addresses, as in `10.0.0.0/8`. */
  readonly ip?: readonly string[];
}

/** How many CAs may follow below one: a number, or as many as like. */
export type PathLength = number | "unlimited";

/** Numbers of the bits of keyUsage (RFC 5280 §4.2.1.3). */
const KEY_USAGE_BIT: Readonly<Record<KeyUsage, number>> = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
};

/**
 * basicConstraints, critical (RFC 5280 §4.2.1.9).
 * @param ca Whether the subject is a CA.
 * @param pathLength How many CAs may follow below it.
 * @returns The extension.
 */
export function basicConstraints(ca: boolean, pathLength: PathLength = "unlimited"): Uint8Array {
  // X.690 §11.5: FALSE is the default and is left out.
  const parts = ca ? [boolean(true), ...(pathLength === "unlimited" ? [] : [integer(pathLength)])] : [];
  return extension(ExtensionId.basicConstraints, sequence(...parts), true);
}

/**
 * keyUsage, critical (RFC 5280 §4.2.1.3).
 * @param usages What the key may do.
 * @returns The extension.
 */
export function keyUsage(usages: readonly KeyUsage[]): Uint8Array {
  return extension(ExtensionId.keyUsage, namedBits(usages.map((usage) => KEY_USAGE_BIT[usage])), true);
}

/**
 * extKeyUsage (RFC 5280 §4.2.1.12).
 * @param purposes Object identifiers of purposes, at least one.
 * @returns The extension.
 */
export function extendedKeyUsage(purposes: readonly string[]): Uint8Array {
  return extension(ExtensionId.extendedKeyUsage, sequence(...purposes.map(objectIdentifier)));
}

/**
 * subjectKeyIdentifier (RFC 5280 §4.2.1.2).
 * @param identifier The identifier of the key.
 * @returns The extension.
 */
export function subjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return extension(ExtensionId.subjectKeyIdentifier, octetString(identifier));
}

/**
 * authorityKeyIdentifier: the key identifier alone (RFC 5280 §4.2.1.1).
 * @param identifier The identifier of the issuer's key.
 * @returns The extension.
 */
export function authorityKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return extension(ExtensionId.authorityKeyIdentifier, sequence(primitive(0, identifier)));
}

/**
 * subjectAltName, not critical beside a subject that is not empty (RFC 5280 §4.2.1.6).
 * @param names The names, judged; at least one.
 * @returns The extension.
 */
export function subjectAltName(names: readonly JudgedName[]): Uint8Array {
  return extension(ExtensionId.subjectAltName, generalNames(names));
}

/**
 * cRLDistributionPoints: one, of full names, for all reasons (RFC 5280 §4.2.1.13).
 * @param uris Where the revocation list of the issuer is found, judged; at least one.
 * @returns The extension.
 */
export function crlDistributionPoints(uris: readonly JudgedName[]): Uint8Array {
  const fullName = constructed(0, ...uris.map(({ bytes }) => primitive(6, bytes)));
  return extension(ExtensionId.crlDistributionPoints, sequence(sequence(constructed(0, fullName))));
}

/**
 * nameConstraints, critical (RFC 5280 §4.2.1.10).
 * @param permit The names that may follow.
 * @returns The extension.
 * @throws {RangeError} If `permit` holds no name: the RFC forbids constraints that constrain nothing.
 * @throws {PkiError} `invalid_name` for a name that is no host name or block of addresses.
 */
export function nameConstraints(permit: PermittedNames): Uint8Array {
  const names = [
    // §4.2.1.10: no leading dot for hosts; the name itself is within.
    ...(permit.dns ?? []).map((text) => primitive(2, ascii(canonicalHostName(text)))),
    ...(permit.ip ?? []).map((text) => primitive(7, addressBlock(text))),
  ];
  if (names.length === 0) throw new RangeError("Cannot permit no name at all: leave the constraints out or name some");
  const subtrees = names.map((name) => sequence(name));
  return extension(ExtensionId.nameConstraints, sequence(constructed(0, ...subtrees)), true);
}
