/**
 * What is wrong with the names in a certificate: distinguished names, and general names wherever they stand.
 *
 * @module
 */
import { Tag } from "./der.ts";
import type { NameAttribute } from "./distinguished_name.ts";
import { PkiError } from "./errors.ts";
import type { GeneralName } from "./general_name.ts";
import { addressOctets } from "./general_name.ts";
import { canonicalHostName } from "./host_name.ts";
import type { Linting } from "./lint.ts";
import { isHostName, mailboxOf, uriOf } from "./matching.ts";
import { ExtensionId } from "./oid.ts";

const COMMON_NAME = "2.5.4.3";
const COUNTRY = "2.5.4.6";
const EMAIL = "1.2.840.113549.1.9.1";

/** How many characters an attribute has at most (RFC 5280 §A.1). */
const MOST: Readonly<Record<string, number>> = {
  [COMMON_NAME]: 64,
  "2.5.4.4": 32_768,
  "2.5.4.5": 64,
  "2.5.4.7": 128,
  "2.5.4.8": 128,
  "2.5.4.10": 64,
  "2.5.4.11": 64,
  "2.5.4.12": 64,
  "2.5.4.42": 32_768,
  "2.5.4.43": 32_768,
  "2.5.4.44": 32_768,
  "2.5.4.65": 128,
  [EMAIL]: 255,
};

/** Attributes that are of one kind of string (RFC 5280 §A.1). */
const KIND: Readonly<Record<string, readonly [tag: number, name: string]>> = {
  "2.5.4.5": [Tag.PRINTABLE_STRING, "PrintableString"],
  [COUNTRY]: [Tag.PRINTABLE_STRING, "PrintableString"],
  "2.5.4.46": [Tag.PRINTABLE_STRING, "PrintableString"],
  "0.9.2342.19200300.100.1.25": [Tag.IA5_STRING, "IA5String"],
  [EMAIL]: [Tag.IA5_STRING, "IA5String"],
};

/** The characters of the kinds of strings that are not free (X.680 §41). */
const ALPHABET: Readonly<Record<number, RegExp>> = {
  [Tag.PRINTABLE_STRING]: /^[A-Za-z0-9 '()+,./:=?-]*$/,
  [Tag.NUMERIC_STRING]: /^[0-9 ]*$/,
};

/** @internal Rules about names. */
export function lintNames(linting: Linting): void {
  const { certificate, error, warn, has } = linting;
  const { subject, issuer, names, issuerNames = [] } = certificate;
  if (subject.isEmpty && !certificate.isCa && !has(ExtensionId.subjectAltName)?.critical) {
    error("no_subject", "RFC 5280 §4.1.2.6", "without a subject, its subject alternative name must be critical");
  }
  const mailboxes = subject.values(EMAIL);
  const held = new Set(names.filter(({ kind }) => kind === "email").map(({ value }) => value));
  if (mailboxes.some((mailbox) => !held.has(mailbox))) {
    error("email_in_subject", "RFC 5280 §4.1.2.6", "mail addresses must stand in the subject alternative name");
  } else if (mailboxes.length > 0) {
    warn("email_in_subject", "RFC 5280 §4.1.2.6", "mail addresses should no longer stand in the subject");
  }
  for (const attribute of [...subject.parts, ...issuer.parts].flat()) lintAttribute(attribute, linting);
  for (const name of [...names, ...issuerNames]) lintGeneralName(name, linting);
  const spelled = names.map(({ kind, value }) => `${kind} ${value.toLowerCase()}`);
  if (new Set(spelled).size < spelled.length) warn("name_twice", "RFC 5280 §4.2.1.6", "a name occurs twice");
}

function lintAttribute({ type, label, value, tag }: NameAttribute, { error, warn }: Linting): void {
  if (type === COUNTRY && !/^[A-Z]{2}$/.test(value)) {
    error("country", "RFC 5280 §A.1", `the country ${JSON.stringify(value)} is not two letters`);
  }
  const most = Object.hasOwn(MOST, type) ? MOST[type]! : Infinity;
  if ([...value].length > most) {
    const code = type === COMMON_NAME ? "common_name_too_long" : "attribute_too_long";
    error(code, "RFC 5280 §A.1", `${label} has more than ${most} characters`);
  }
  if (value === "") error("attribute_empty", "RFC 5280 §A.1", `${label} is empty`);
  if (Object.hasOwn(KIND, type) && KIND[type]![0] !== tag) {
    error("string_type", "RFC 5280 §A.1", `${label} must be a ${KIND[type]![1]}`);
  } else if (tag === Tag.TELETEX_STRING || tag === Tag.BMP_STRING || tag === Tag.UNIVERSAL_STRING) {
    warn("string_type", "RFC 5280 §4.1.2.4", `${label} is neither UTF8String nor PrintableString`);
  }
  if (ALPHABET[tag]?.test(value) === false) {
    error("string_alphabet", "X.680 §41.4", `${label} holds characters its kind of string does not have`);
  }
  if (/\p{Cc}|\ufffd/u.test(value)) warn("string_control", "RFC 5280 §4.1.2.4", `${label} holds what cannot be shown`);
  if (value !== value.trim()) warn("string_spaces", "RFC 5280 §7.1", `${label} begins or ends with spaces`);
}

const SECTION = "RFC 5280 §4.2.1.6";

function lintGeneralName({ kind, value, directory }: GeneralName, { error, warn }: Linting): void {
  const shown = JSON.stringify(value);
  switch (kind) {
    case "dns": {
      const host = value.toLowerCase().replace(/^\*\./, "");
      if (!isHostName(host) || value.length > 253) error("dns_name", SECTION, `${shown} is no host name`);
      else if (addressOctets(host) !== undefined) {
        error("dns_name", SECTION, `${shown} is an address, and stands as a host name`);
      } else if (/(^|\.)xn--/.test(host) && !isCanonical(host)) {
        error("dns_name", "RFC 5280 §7.2", `${shown} has an A-label that stands for no name`);
      } else if (host.includes("_")) {
        warn("dns_name", "RFC 1034 §3.5", `${shown} has an underscore`);
      }
      break;
    }
    case "email":
      if (mailboxOf(value) === undefined) error("email", SECTION, `${shown} is no mailbox`);
      break;
    case "uri": {
      const parts = uriOf(value);
      if (parts === undefined || (parts.host === undefined && parts.rest === "")) {
        error("uri", SECTION, `${shown} is no absolute URI`);
      } else if (parts.host !== undefined && !isHost(parts.host)) {
        error("uri", SECTION, `the host of ${shown} is neither a host name nor an address`);
      } else if (parts.host !== undefined && /^[^.[]*$/.test(parts.host)) {
        // SPIFFE lets a trust domain be one label.
        warn("uri", SECTION, `the host of ${shown} is no fully qualified name`);
      }
      break;
    }
    case "directory":
      if (directory?.isEmpty) error("directory_empty", SECTION, "a directory name says nothing");
      break;
  }
}

/** @internal Whether text is a host of a URI: a name, or an address. */
export function isHost(text: string): boolean {
  const [, inside] = /^\[(.*)\]$/.exec(text) ?? [];
  return inside === undefined ? isHostName(text) : addressOctets(inside)?.length === 16;
}

function isCanonical(host: string): boolean {
  try {
    return canonicalHostName(host) === host;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
