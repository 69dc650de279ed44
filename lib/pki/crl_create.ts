/**
 * Certificate revocation lists (RFC 5280 §5): made.
 *
 * @module
 */
import type { Name } from "./distinguished_name.ts";
import {
  ascii,
  boolean,
  constructed,
  enumerated,
  extension,
  generalizedTime,
  integer,
  namedBits,
  primitive,
  sequence,
  sequenceOf,
  time,
} from "./encode.ts";
import { PkiError } from "./errors.ts";
import type { RevocationReason } from "./extension.ts";
import { type Issuer, prepareIssuer, requireKeyUsage } from "./issuer.ts";
import { ExtensionId } from "./oid.ts";
import { pemEncode } from "./pem.ts";
import { signed } from "./sign.ts";
import { judgeNames } from "./subject.ts";

/** A certificate that no longer counts, as a list is made from it; what `parseCrl` reads is one too. */
export interface Revocation {
  /** Its number in hex, as `Certificate.serial` has it. */
  readonly serial: string;
  /** Since when; not later than the list. */
  readonly date: Date;
  /** Why; `unspecified` when left out. `removeFromCRL` takes it off the list again, in a delta alone. */
  readonly reason?: RevocationReason;
  /** Since when its key is thought to be in other hands (RFC 5280 §5.3.2). */
  readonly invalidityDate?: Date;
  /** Who issued it; who signs the list, when left out. Somebody else for an indirect list alone (RFC 5280 §5.3.3). */
  readonly issuer?: Name;
}

/** What part of all certificates a list speaks of (issuingDistributionPoint, RFC 5280 §5.2.5). */
export interface CrlScope {
  /** Where the list is found; the same URIs stand in the certificates' distribution points. */
  readonly uris?: readonly string[];
  /** Certificates of CAs alone, or of others alone. */
  readonly only?: "ca" | "user";
  /** Revocations for these reasons alone. */
  readonly reasons?: readonly Exclude<RevocationReason, "unspecified" | "removeFromCRL">[];
  /** Whether certificates of other issuers may stand in it. */
  readonly indirect?: boolean;
}

/** Options of {@linkcode createCrl}. */
export interface CrlOptions {
  /** Who signs. */
  readonly issuer: Issuer;
  /** The number of the list, larger than that of the last one. */
  readonly number: bigint | number;
  /** What no longer counts. */
  readonly revoked: readonly Revocation[];
  /** When the next list is there at the latest: from then on this one counts no more. */
  readonly nextUpdate: Date;
  /** For a delta: the number of the complete list that it changes (RFC 5280 §5.2.4). */
  readonly baseNumber?: bigint | number;
  /** What part of all certificates it speaks of; all of its issuer, when left out. */
  readonly scope?: CrlScope;
  /** Where deltas of this list are found (RFC 5280 §5.2.6). */
  readonly deltaUris?: readonly string[];
  /** The time; the clock's, when left out. */
  readonly now?: Date;
}

/** Numbers of `CRLReason` (RFC 5280 §5.3.1). */
const REASON_NUMBER: Readonly<Record<RevocationReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};

/** Bits of `ReasonFlags` (RFC 5280 §4.2.1.13). */
const REASON_BIT: Readonly<Record<NonNullable<CrlScope["reasons"]>[number], number>> = {
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 7,
  aACompromise: 8,
};

/**
 * Makes a revocation list (RFC 5280 §5): v2, with its number and the identifier of the key that signed it.
 *
 * A list is of use to those alone who have it: hand it out before the last one's `nextUpdate`.
 *
 * @example
 * ```ts
 * import { createCrl, createRootCa, generateKeyPair } from "@helyos/pki";
 * import { match } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const ca = await createRootCa({ commonName: "Example CA", key });
 * const { pem } = await createCrl({
 *   issuer: { certificate: ca.pem, key },
 *   number: 1,
 *   revoked: [{ serial: "4d2a", date: new Date(), reason: "keyCompromise" }],
 *   nextUpdate: new Date(Date.now() + 7 * 86_400_000),
 * });
 * match(pem, /^-----BEGIN X509 CRL-----/);
 * ```
 * @param options Who signs, what is revoked, until when it counts.
 * @returns The list.
 * @throws {PkiError} `issuer_not_ca` if the issuer may not sign lists, `invalid_crl` for entries or a scope that
 *   contradict themselves, `invalid_lifetime` for a list that ends before it starts, `invalid_name` for a bad URI,
 *   `key_mismatch`, and what reading the issuer's certificate throws.
 * @throws {SyntaxError} For a serial that is not hex.
 * @throws {RangeError} For a number that is negative, a fraction or above 20 octets, or a date that does not exist.
 */
export async function createCrl(options: CrlOptions): Promise<{ pem: string; der: Uint8Array }> {
  const { now = new Date(), nextUpdate, baseNumber, scope, deltaUris = [] } = options;
  const number = crlNumber(options.number);
  const extensions = [extension(ExtensionId.crlNumber, integer(number))];
  if (baseNumber !== undefined) {
    const base = crlNumber(baseNumber);
    if (base >= number) refuse(`a delta of number ${number} cannot be based on number ${base}`);
    // §5.2.6: a delta names no deltas of its own.
    if (deltaUris.length > 0) refuse("a delta cannot say where its deltas are");
    extensions.push(extension(ExtensionId.deltaCrlIndicator, integer(base), true));
  }
  if (scope !== undefined) extensions.push(issuingDistributionPoint(scope));
  if (deltaUris.length > 0) {
    // One DistributionPoint (§4.2.1.13) of one full name.
    const point = sequence(constructed(0, constructed(0, ...uriNames(deltaUris))));
    extensions.push(extension(ExtensionId.freshestCrl, sequence(point)));
  }
  if (Number.isNaN(now.valueOf()) || Number.isNaN(nextUpdate.valueOf())) throw new RangeError("A date does not exist");
  if (nextUpdate <= now) {
    throw new PkiError("invalid_lifetime", `Cannot sign a CRL that ended at ${nextUpdate.toISOString()}`);
  }

  const issuer = await prepareIssuer(options.issuer);
  requireKeyUsage(issuer, "cRLSign");
  const { subject } = issuer.certificate;
  const entries = entriesOf(options.revoked, subject, { now, delta: baseNumber !== undefined, scope: scope ?? {} });
  const tbs = sequence(
    // §5.1.2.1: 1 means version 2.
    integer(1),
    issuer.signatureIdentifier,
    subject.der,
    // Not dated back as certificates are: who holds two lists takes the later one.
    time(now),
    time(nextUpdate),
    // §5.1.2.6: with nothing revoked the list is absent, not empty.
    ...(entries.length === 0 ? [] : [sequenceOf(entries)]),
    constructed(0, sequence(issuer.authorityKeyIdentifier, ...extensions)),
  );
  const der = await signed(issuer, tbs);
  return { pem: pemEncode("X509 CRL", der), der };
}

/** Options of {@linkcode revoke}. */
export interface RevokeOptions {
  /**
   * Why.
   * @default {"unspecified"}
   */
  readonly reason?: Exclude<RevocationReason, "removeFromCRL">;
  /** Since when; now, when left out. */
  readonly date?: Date;
  /** Since when its key is thought to be in other hands. */
  readonly invalidityDate?: Date;
}

/**
 * Puts a certificate on a list of what is revoked. By issuer and number: another signature over the same certificate, or the same
 * one spelled otherwise, is revoked with it.
 *
 * What is on the list stays as it is, for good, but for a certificate on hold: that can be revoked in earnest.
 *
 * @example Revoking twice changes nothing
 * ```ts
 * import { revoke } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const once = revoke([], { serial: "4d2a" }, { reason: "keyCompromise" });
 * const twice = revoke(once, { serial: "4D2A" }, { reason: "superseded" });
 *
 * equal(twice.length, 1);
 * equal(twice[0]?.reason, "keyCompromise");
 * ```
 * @param revoked The list so far.
 * @param certificate The certificate, or its number; without an issuer it is one of who signs the list.
 * @param options Why and since when.
 * @returns A new list.
 * @throws {SyntaxError} If the number is not hex.
 */
export function revoke(
  revoked: readonly Revocation[],
  certificate: { readonly serial: string; readonly issuer?: Name },
  options: RevokeOptions = {},
): Revocation[] {
  const { reason = "unspecified", date = new Date(), invalidityDate } = options;
  const serial = serialText(certificate.serial);
  const { issuer } = certificate;
  const sameIssuer = (other?: Name) => issuer === undefined || other === undefined || other.equals(issuer);
  const known = revoked.find((entry) => serialText(entry.serial) === serial && sameIssuer(entry.issuer));
  if (known !== undefined && known.reason !== "certificateHold") return [...revoked];
  const entry: Revocation = {
    serial,
    date,
    reason,
    ...(invalidityDate === undefined ? {} : { invalidityDate }),
    ...(issuer === undefined ? {} : { issuer }),
  };
  return [...revoked.filter((other) => other !== known), entry];
}

function refuse(why: string): never {
  throw new PkiError("invalid_crl", `Cannot sign a CRL: ${why}`);
}

/** RFC 5280 §5.2.3: not negative, at most 20 octets. */
function crlNumber(value: bigint | number): bigint {
  const number = BigInt(value);
  if (number < 0n || number >= 1n << 159n) throw new RangeError(`Cannot number a CRL ${value}`);
  return number;
}

/** One spelling of a number, that of `Certificate.serial`: lower case, two digits an octet, no octet too many. */
function serialText(text: string): string {
  if (!/^-?[0-9a-f]{1,42}$/i.test(text)) throw new SyntaxError(`${JSON.stringify(text)} is not a serial number in hex`);
  const [, sign, digits = ""] = /^(-?)0*(.+)$/.exec(text.toLowerCase())!;
  return `${sign}${digits.padStart(digits.length + (digits.length % 2), "0")}`;
}

function entriesOf(
  revoked: readonly Revocation[],
  signer: Name,
  { now, delta, scope }: { readonly now: Date; readonly delta: boolean; readonly scope: CrlScope },
): Uint8Array[] {
  const seen = new Set<string>();
  // §5.3.3: an entry is of the same issuer as the one before it, unless it says otherwise.
  let current = signer;
  return revoked.map((entry) => {
    const serial = serialText(entry.serial);
    const owner = entry.issuer ?? signer;
    if (!owner.equals(signer) && !scope.indirect) {
      refuse(`${serial} is of another issuer, and the list is not indirect`);
    }
    const key = `${serial} ${owner.key}`;
    if (seen.has(key)) refuse(`${serial} stands in it twice`);
    seen.add(key);
    const { reason = "unspecified" } = entry;
    if (!Object.hasOwn(REASON_NUMBER, reason)) throw new TypeError(`There is no reason ${JSON.stringify(reason)}`);
    if (reason === "removeFromCRL" && !delta) refuse(`${serial} can be taken off the list by a delta alone`);
    if (scope.reasons && reason !== "removeFromCRL" && !(scope.reasons as readonly string[]).includes(reason)) {
      refuse(`${serial} is revoked for a reason (${reason}) that the list does not speak of`);
    }
    const extensions: Uint8Array[] = [];
    // §5.3.1: "unspecified" is said by saying nothing.
    if (reason !== "unspecified") extensions.push(extension(ExtensionId.reasonCode, enumerated(REASON_NUMBER[reason])));
    if (entry.invalidityDate !== undefined) {
      extensions.push(extension(ExtensionId.invalidityDate, generalizedTime(entry.invalidityDate)));
    }
    if (!owner.equals(current)) {
      extensions.push(extension(ExtensionId.certificateIssuer, sequence(constructed(4, owner.der)), true));
      current = owner;
    }
    const value = serial.startsWith("-") ? -BigInt(`0x${serial.slice(1)}`) : BigInt(`0x${serial}`);
    // Revoked in the future is revoked now: a clock that was set back must not put a revocation off.
    const date = entry.date > now ? now : entry.date;
    return sequence(integer(value), time(date), ...(extensions.length === 0 ? [] : [sequence(...extensions)]));
  });
}

/** Critical (§5.2.5): who does not know the scope would take silence for innocence. */
function issuingDistributionPoint(scope: CrlScope): Uint8Array {
  const { uris = [], only, reasons, indirect = false } = scope;
  const parts: Uint8Array[] = [];
  if (uris.length > 0) parts.push(constructed(0, constructed(0, ...uriNames(uris))));
  if (only === "user") parts.push(boolean(true, 0x81));
  if (only === "ca") parts.push(boolean(true, 0x82));
  if (reasons !== undefined) {
    if (reasons.length === 0) refuse("a list for no reason at all says nothing");
    parts.push(namedBits(reasons.map((reason) => REASON_BIT[reason]), 0x83));
  }
  if (indirect) parts.push(boolean(true, 0x84));
  if (parts.length === 0) refuse("its scope limits nothing (RFC 5280 §5.2.5 forbids an empty one)");
  return extension(ExtensionId.issuingDistributionPoint, sequence(...parts), true);
}

function uriNames(uris: readonly string[]): Uint8Array[] {
  return judgeNames({ uri: uris }, { wildcard: false }).map(({ value }) => primitive(6, ascii(value)));
}
