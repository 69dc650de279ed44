/**
 * Certificates: made, from names and keys that were judged first.
 *
 * @module
 */
import type { AnyKeyAlgorithm } from "./algorithm.ts";
import { hexOf, sameBytes } from "./der.ts";
import { constructed, integer, sequence, time, unsigned } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { type Issuer, type PreparedIssuer, prepareIssuer, requireKeyUsage } from "./issuer.ts";
import { type KeyPair, provePair } from "./key.ts";
import { pemEncode } from "./pem.ts";
import { refuseOutside, withCommonName } from "./permitted.ts";
import { type Profile, type ProfileName, PROFILES, ROOT } from "./profile.ts";
import { type PublicKey, toPublicKey } from "./public_key.ts";
import { signed, type Signer, signerOf } from "./sign.ts";
import { canonicalCommonName, type JudgedName, judgeNames, nameWithCommonName, type SubjectNames } from "./subject.ts";
import {
  basicConstraints,
  crlDistributionPoints,
  extendedKeyUsage,
  keyUsage,
  nameConstraints,
  type PathLength,
  type PermittedNames,
  subjectAltName,
  subjectKeyIdentifier,
} from "./write_extension.ts";

/** A certificate that has just been made. */
export interface IssuedCertificate {
  /** As PEM. */
  readonly pem: string;
  /** As DER. */
  readonly der: Uint8Array;
  /** Its number in lower-case hex, 40 digits. */
  readonly serial: string;
  /** Its first second. */
  readonly notBefore: Date;
  /** Its last second, which belongs to it. */
  readonly notAfter: Date;
}

/** Options of {@linkcode createRootCa}. */
export interface RootCaOptions {
  /** What it is called, as in `Helyos Service CA`; at most 64 characters. */
  readonly commonName: string;
  /** Its key; it signs itself. */
  readonly key: KeyPair;
  /**
   * How long it lives.
   * @default {3650}
   */
  readonly lifetimeDays?: number;
  /**
   * How many CAs may follow below it.
   * @default {0}
   */
  readonly pathLength?: PathLength;
  /** The names it may speak for; all, when left out. */
  readonly permit?: PermittedNames;
  /** The time; the clock's, when left out. */
  readonly now?: Date;
}

/** Options of {@linkcode issueCertificate}. */
export interface IssueOptions {
  /** Who signs. */
  readonly issuer: Issuer;
  /** What kind of certificate. */
  readonly profile: ProfileName;
  /** The key it speaks of, or its `SubjectPublicKeyInfo` in DER. */
  readonly publicKey: CryptoKey | Uint8Array;
  /** What the subject is called; for `server` and `peer` a host name or address; at most 64 characters. */
  readonly commonName: string;
  /**
   * Whether the common name of a `server` or `peer` must be a host name or address, or is a mere label: verifiers look at
   * `names` alone (RFC 9525 §2).
   * @default {"host"}
   */
  readonly commonNameKind?: "host" | "label";
  /** The names that verifiers look at; `server` and `peer` need one at least. */
  readonly names?: SubjectNames;
  /** Where the issuer's revocation list is found; nothing is said of it, when left out. */
  readonly crlUris?: readonly string[];
  /** How long it lives, in seconds: a year for a leaf, five for a CA, when left out. Cut where the issuer's life ends. */
  readonly lifetimeSeconds?: number;
  /**
   * For `intermediate`: how many CAs may follow below it.
   * @default {0}
   */
  readonly pathLength?: PathLength;
  /** For `intermediate`: the names it may speak for; those of its issuer, when left out. */
  readonly permit?: PermittedNames;
  /** The time; the clock's, when left out. */
  readonly now?: Date;
}

/** Clocks differ: a certificate must not be refused by the one that is a little behind. */
const BACKDATE_SECONDS = 300;
const SERIAL_OCTETS = 20;

/**
 * Makes the self-signed certificate of a root CA (RFC 5280 §3.2, §4.2): CA:TRUE, keyCertSign and cRLSign.
 *
 * @example A CA that can only speak for one domain
 * ```ts
 * import { createRootCa, generateKeyPair, parseCertificate } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem } = await createRootCa({ commonName: "Example CA", key, permit: { dns: ["internal"] } });
 *
 * equal(parseCertificate(pem).nameConstraints?.permitted[0]?.base.value, "internal");
 * ```
 * @param options What it is called, its key, its limits.
 * @returns The certificate.
 * @throws {PkiError} `invalid_name`; `key_mismatch` if the key pair is none; `invalid_key` or `unsupported_key` for a key that must not
 *   be certified.
 * @throws {RangeError} For a lifetime or path length that makes no sense.
 */
export async function createRootCa(options: RootCaOptions): Promise<IssuedCertificate> {
  const { key, lifetimeDays, pathLength = 0, permit, now = new Date() } = options;
  const commonName = canonicalCommonName(options.commonName, { host: ROOT.hostCommonName });
  const name = nameWithCommonName(commonName);
  const lifetime = lifetimeDays === undefined ? ROOT.lifetimeSeconds : Math.round(lifetimeDays * 86_400);
  const dates = datesOf(now, lifetime);
  requirePathLength(pathLength);
  const publicKey = await provePair(key);
  const extensions = [
    basicConstraints(true, pathLength),
    usageExtension(ROOT, publicKey.algorithm),
    ...(permit === undefined ? [] : [nameConstraints(permit)]),
    subjectKeyIdentifier(publicKey.identifier),
  ];
  return await issue(signerOf(key), { issuer: name, subject: name, publicKey, extensions, ...dates });
}

/**
 * Makes a certificate that an issuer signs (RFC 5280 §4.1, §4.2): v3, a random number of 20 octets, dated back five
 * minutes, never outliving its issuer.
 *
 * Who asks, and whether the names are theirs, is for the caller to know: nothing of that can be seen here.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, issueCertificate, matchesName, parseCertificate } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const ca = await createRootCa({ commonName: "Example CA", key });
 * const service = await generateKeyPair();
 * const { pem } = await issueCertificate({
 *   issuer: { certificate: ca.pem, key },
 *   profile: "server",
 *   publicKey: service.publicKey,
 *   commonName: "db.internal",
 *   names: { dns: ["db.internal"], ip: ["192.0.2.7"] },
 * });
 *
 * equal(matchesName(parseCertificate(pem), { dns: "db.internal" }), true);
 * ```
 * @param options Who signs what for whom.
 * @returns The certificate.
 * @throws {PkiError} `invalid_name`, `invalid_key`, `unsupported_key`, `invalid_lifetime` when the issuer is not valid
 *   now, `issuer_not_ca` when it may not sign this, `key_mismatch`, `name_not_permitted`, and what reading the issuer's
 *   certificate throws.
 * @throws {TypeError} For a profile that does not exist, or options that do not go with it.
 * @throws {RangeError} For a lifetime or path length that makes no sense.
 */
export async function issueCertificate(options: IssueOptions): Promise<IssuedCertificate> {
  const { permit, now = new Date() } = options;
  if (!Object.hasOwn(PROFILES, options.profile)) {
    throw new TypeError(`There is no profile ${JSON.stringify(options.profile)}`);
  }
  const profile = PROFILES[options.profile];
  if (!profile.ca && (options.pathLength !== undefined || permit !== undefined)) {
    throw new TypeError(`A path length and permitted names go with a CA, not with the profile ${options.profile}`);
  }
  const commonName = canonicalCommonName(options.commonName, {
    host: profile.hostCommonName && options.commonNameKind !== "label",
  });
  const names = judgeNames(options.names ?? {}, profile);
  requireNames(options.profile, names);
  const crlUris = judgeNames({ uri: options.crlUris ?? [] }, { wildcard: false });
  const wanted = datesOf(now, options.lifetimeSeconds ?? profile.lifetimeSeconds);

  const issuer = await prepareIssuer(options.issuer);
  requireKeyUsage(issuer, "keyCertSign");
  refuseOutside(profile.ca ? names : withCommonName(names, commonName), issuer.certificate.nameConstraints);
  const dates = withinIssuer(wanted, now, issuer);
  const subject = nameWithCommonName(commonName);
  const pathLength = profile.ca ? pathLengthBelow(issuer, subject, options.pathLength ?? 0) : undefined;
  const publicKey = await toPublicKey(options.publicKey);
  if (!profile.ca && sameBytes(publicKey.spki, issuer.certificate.spki)) {
    throw new PkiError("invalid_key", "Cannot sign: the key of a CA must not be that of a service");
  }

  const extensions = [
    ...fixedExtensions(profile, publicKey.algorithm, pathLength),
    ...(permit === undefined ? [] : [nameConstraints(permit)]),
    subjectKeyIdentifier(publicKey.identifier),
    issuer.authorityKeyIdentifier,
    ...(names.length === 0 ? [] : [subjectAltName(names)]),
    ...(crlUris.length === 0 ? [] : [crlDistributionPoints(crlUris)]),
  ];
  return await issue(issuer, { issuer: issuer.certificate.subject.der, subject, publicKey, extensions, ...dates });
}

interface Dates {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

interface Contents extends Dates {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: PublicKey;
  readonly extensions: readonly Uint8Array[];
}

/** RFC 5280 §4.1.2.1: 2 means version 3. */
const VERSION_3 = constructed(0, integer(2));

async function issue(signer: Signer, contents: Contents): Promise<IssuedCertificate> {
  const serial = randomSerial();
  const { notBefore, notAfter } = contents;
  const tbs = sequence(
    VERSION_3,
    unsigned(serial),
    signer.signatureIdentifier,
    contents.issuer,
    sequence(time(notBefore), time(notAfter)),
    contents.subject,
    contents.publicKey.spki,
    constructed(3, sequence(...contents.extensions)),
  );
  const der = await signed(signer, tbs);
  return { pem: pemEncode("CERTIFICATE", der), der, serial: hexOf(serial), notBefore, notAfter };
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; the two bits that are set make it always 20. */
function randomSerial(): Uint8Array {
  const serial = crypto.getRandomValues(new Uint8Array(SERIAL_OCTETS));
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

function datesOf(now: Date, lifetimeSeconds: number): Dates {
  if (Number.isNaN(now.valueOf())) throw new RangeError("Cannot sign at a time that does not exist");
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1) {
    throw new RangeError(`Cannot sign for a lifetime of ${lifetimeSeconds} seconds`);
  }
  const second = Math.floor(now.valueOf() / 1000);
  const notAfter = new Date((second + lifetimeSeconds) * 1000);
  if (!(notAfter.getUTCFullYear() <= 9999)) {
    throw new RangeError("Cannot sign beyond the year 9999 (RFC 5280 §4.1.2.5)");
  }
  return { notBefore: new Date((second - BACKDATE_SECONDS) * 1000), notAfter };
}

/** No verifier would accept what lies outside the issuer's own dates (RFC 5280 §6.1.3 a.2 asks it of every certificate). */
function withinIssuer({ notBefore, notAfter }: Dates, now: Date, { certificate }: PreparedIssuer): Dates {
  if (certificate.notAfter <= now) {
    throw new PkiError("invalid_lifetime", `Cannot sign: the CA expired at ${certificate.notAfter.toISOString()}`);
  }
  if (certificate.notBefore > now) {
    throw new PkiError("invalid_lifetime", `Cannot sign: the CA is valid from ${certificate.notBefore.toISOString()}`);
  }
  return {
    notBefore: notBefore < certificate.notBefore ? certificate.notBefore : notBefore,
    notAfter: notAfter > certificate.notAfter ? certificate.notAfter : notAfter,
  };
}

function requireNames(profile: ProfileName, names: readonly JudgedName[]): void {
  if (PROFILES[profile].namesRequired && names.every(({ kind }) => kind === "email")) {
    throw new PkiError(
      "invalid_name",
      `Cannot sign a ${profile} certificate without a DNS name, address or URI: clients look at nothing else`,
    );
  }
}

function requirePathLength(pathLength: PathLength): void {
  if (pathLength !== "unlimited" && !(Number.isInteger(pathLength) && pathLength >= 0 && pathLength < 100)) {
    throw new RangeError(`Cannot sign with a path length of ${pathLength}`);
  }
}

/** RFC 5280 §4.2.1.9, §6.1.4 l: a CA counts in its issuer's path length, unless it bears the issuer's own name. */
function pathLengthBelow(issuer: PreparedIssuer, subject: Uint8Array, wanted: PathLength): PathLength {
  requirePathLength(wanted);
  const limit = issuer.certificate.basicConstraints?.pathLength;
  if (limit === undefined) return wanted;
  const most = sameBytes(subject, issuer.certificate.subject.der) ? limit : limit - 1;
  if (wanted === "unlimited" || wanted > most) {
    throw new PkiError(
      "issuer_not_ca",
      `Cannot sign a CA with path length ${wanted}: the path length of "${issuer.certificate.subject}" is ${limit}`,
    );
  }
  return wanted;
}

const fixed = new Map<string, readonly Uint8Array[]>();

/** What every certificate of a kind has in common is written once. */
function fixedExtensions(profile: Profile, algorithm: AnyKeyAlgorithm, pathLength?: PathLength): readonly Uint8Array[] {
  const key = `${profile.purposes} ${algorithm.startsWith("rsa-")} ${pathLength}`;
  let extensions = fixed.get(key);
  if (extensions === undefined) {
    extensions = [
      basicConstraints(profile.ca, pathLength),
      usageExtension(profile, algorithm),
      ...(profile.purposes.length === 0 ? [] : [extendedKeyUsage(profile.purposes)]),
    ];
    fixed.set(key, extensions);
  }
  return extensions;
}

function usageExtension(profile: Profile, algorithm: AnyKeyAlgorithm): Uint8Array {
  return keyUsage(algorithm.startsWith("rsa-") ? [...profile.keyUsage, ...profile.rsaKeyUsage] : profile.keyUsage);
}
