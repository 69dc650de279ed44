/**
 * Certificate revocation lists, read strictly (RFC 5280 §5).
 *
 * @module
 */
import { type AlgorithmIdentifier, algorithmOf } from "./certificate.ts";
import {
  type BitString,
  bitStringOf,
  booleanOf,
  DerReader,
  integerOctets,
  integerOf,
  readWhole,
  sameBytes,
  Tag,
  timeOf,
} from "./der.ts";
import { type Name, nameOf } from "./distinguished_name.ts";
import { PkiError } from "./errors.ts";
import {
  type AuthorityKeyIdentifier,
  authorityKeyIdentifierOf,
  type DistributionPoint,
  type DistributionPointName,
  distributionPointNameOf,
  distributionPointsOf,
  type Extension,
  extensionsOf,
  reasonsOf,
  type RevocationReason,
  serialText,
} from "./extension.ts";
import { generalNamesOf } from "./general_name.ts";
import { ExtensionId } from "./oid.ts";
import { pemDecode } from "./pem.ts";

/** One revoked certificate. */
export interface RevokedEntry {
  /** Its serial number, spelled as {@linkcode Certificate.serial} is. */
  readonly serial: string;
  /** Since when it is revoked. */
  readonly date: Date;
  /** Why (RFC 5280 §5.3.1). */
  readonly reason?: RevocationReason;
  /** Since when its key may have been in wrong hands (RFC 5280 §5.3.2). */
  readonly invalidityDate?: Date;
  /** Who issued it: in an indirect CRL possibly another than the issuer of the CRL (RFC 5280 §5.3.3). */
  readonly issuer: Name;
}

/** Which certificates a CRL is about (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint {
  /** Where it is found. */
  readonly name?: DistributionPointName;
  /** Whether it is about certificates of end entities alone. */
  readonly onlyUserCertificates: boolean;
  /** Whether it is about certificates of CAs alone. */
  readonly onlyCaCertificates: boolean;
  /** Whether it is about attribute certificates alone. */
  readonly onlyAttributeCertificates: boolean;
  /** The reasons it is about; all, when absent. */
  readonly onlyReasons?: ReadonlySet<RevocationReason>;
  /** Whether it is about certificates of other issuers too. */
  readonly indirect: boolean;
}

/** A revocation list, read. */
export interface Crl {
  /** The whole list. */
  readonly der: Uint8Array;
  /** The part that is signed. */
  readonly tbs: Uint8Array;
  /** 1 or 2. */
  readonly version: number;
  /** Who signed it. */
  readonly issuer: Name;
  /** When it was issued. */
  readonly thisUpdate: Date;
  /** When the next will have been issued, at the latest. */
  readonly nextUpdate?: Date;
  /** The algorithm of the signature. */
  readonly signatureAlgorithm: AlgorithmIdentifier;
  /** The signature. */
  readonly signature: BitString;
  /** The revoked certificates, in order. */
  readonly revoked: readonly RevokedEntry[];
  /** Every extension, in order. */
  readonly extensions: readonly Extension[];
  /** Its number (RFC 5280 §5.2.3). */
  readonly number?: bigint;
  /** For a delta CRL, the number of the CRL it starts from (RFC 5280 §5.2.4). */
  readonly baseNumber?: bigint;
  /** Which certificates it is about (RFC 5280 §5.2.5). */
  readonly issuingDistributionPoint?: IssuingDistributionPoint;
  /** The name of the key that signed it (RFC 5280 §5.2.1). */
  readonly authorityKeyIdentifier?: AuthorityKeyIdentifier;
  /** Where its delta CRLs are (RFC 5280 §5.2.6). */
  readonly freshestCrl?: readonly DistributionPoint[];
  /** The critical extensions, of the list or of an entry, that nobody here understands: they void the list. */
  readonly unknownCritical: readonly string[];
}

/**
 * Reads one revocation list. Reading is not trusting: its signature is verified by `verifyChain` or `verifyCrl`.
 *
 * @example
 * ```ts
 * import { createCrl, createRootCa, generateKeyPair, parseCrl } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem: certificate } = await createRootCa({ commonName: "Example CA", key });
 * const now = new Date();
 * const { pem } = await createCrl({
 *   issuer: { certificate, key },
 *   number: 7,
 *   revoked: [{ serial: "0f3a", date: now, reason: "superseded" }],
 *   nextUpdate: new Date(now.getTime() + 86_400_000),
 * });
 *
 * equal(parseCrl(pem).revoked[0]?.serial, "0f3a");
 * ```
 * @param input DER, or PEM text with exactly one list.
 * @returns The list.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_crl`.
 * @throws {TypeError} If `input` is neither text nor octets.
 */
export function parseCrl(input: string | Uint8Array): Crl {
  if (input instanceof Uint8Array) return readCrl(input);
  if (typeof input !== "string") throw new TypeError("A CRL is DER in a Uint8Array, or PEM in a string");
  const [block, ...more] = pemDecode(input, "X509 CRL");
  if (block === undefined || more.length > 0) {
    throw new PkiError(
      "invalid_pem",
      `Cannot read one CRL: the text holds ${block === undefined ? 0 : more.length + 1}`,
    );
  }
  return readCrl(block.der);
}

function refuse(what: string): never {
  throw new PkiError("invalid_crl", `Cannot read the CRL: ${what}`);
}

/** @internal Reads a list in DER. */
export function readCrl(der: Uint8Array): Crl {
  const outer = readWhole(der, Tag.SEQUENCE, "CRL");
  const signed = outer.read(Tag.SEQUENCE, "tbsCertList");
  const signatureAlgorithm = algorithmOf(outer, "signatureAlgorithm");
  const signature = bitStringOf(outer.read(Tag.BIT_STRING, "signature"), "signature");
  outer.end("CRL");

  const tbs = DerReader.inside(signed);
  const version = versionOf(tbs);
  if (!sameBytes(algorithmOf(tbs, "signature").der, signatureAlgorithm.der)) {
    refuse("the signed and the outer signature algorithm differ");
  }
  const issuer = nameOf(tbs.read(Tag.SEQUENCE, "issuer"), "issuer");
  const thisUpdate = timeOf(tbs.next("thisUpdate"), "thisUpdate");
  const hasNext = tbs.peek() === Tag.UTC_TIME || tbs.peek() === Tag.GENERALIZED_TIME;
  const nextUpdate = hasNext ? timeOf(tbs.next("nextUpdate"), "nextUpdate") : undefined;
  const list = tbs.optional(Tag.SEQUENCE, "revokedCertificates");
  const holder = tbs.optional(0xa0, "crlExtensions");
  tbs.end("tbsCertList");

  let extensions: Extension[] = [];
  if (holder !== undefined) {
    if (version === 1) refuse("version 1 has extensions");
    const inside = DerReader.inside(holder);
    extensions = extensionsOf(inside.read(Tag.SEQUENCE, "crlExtensions").content, "crlExtensions");
    inside.end("crlExtensions");
  }
  const unknown = new Set<string>();
  const decoded = decode(extensions, unknown);
  const revoked = list === undefined ? [] : revokedOf(list.content, { issuer, version, unknown });
  return {
    der,
    tbs: signed.encoding,
    version,
    issuer,
    thisUpdate,
    signatureAlgorithm,
    signature,
    revoked,
    extensions,
    unknownCritical: [...unknown],
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    ...decoded,
  };
}

function versionOf(tbs: DerReader): number {
  const value = tbs.optional(Tag.INTEGER, "version");
  if (value === undefined) return 1;
  // §5.1.2.1: when present, it is 2. Its spelling as the default is not DER.
  if (integerOf(value, "version") !== 1n) refuse("its version is neither 1 nor 2");
  return 2;
}

type Decoded = Pick<
  Crl,
  "number" | "baseNumber" | "issuingDistributionPoint" | "authorityKeyIdentifier" | "freshestCrl"
>;

function decode(extensions: readonly Extension[], unknown: Set<string>): Decoded {
  const decoded: { -readonly [key in keyof Decoded]: Decoded[key] } = {};
  const seen = new Set<string>();
  for (const { id, critical, value } of extensions) {
    if (seen.has(id)) refuse(`extension ${id} occurs twice`);
    seen.add(id);
    switch (id) {
      case ExtensionId.deltaCrlIndicator:
        decoded.baseNumber = numberOf(value, "deltaCRLIndicator");
        break;
      case ExtensionId.issuingDistributionPoint:
        decoded.issuingDistributionPoint = issuingDistributionPointOf(value);
        break;
      case ExtensionId.crlNumber:
        decoded.number = numberOf(value, "cRLNumber");
        // §5.2.3: it MUST NOT be critical; whoever makes it so means something by it that is not in the profile.
        if (critical) unknown.add(id);
        break;
      case ExtensionId.authorityKeyIdentifier:
        decoded.authorityKeyIdentifier = authorityKeyIdentifierOf(value);
        break;
      case ExtensionId.freshestCrl:
        decoded.freshestCrl = distributionPointsOf(value, "freshestCRL");
        if (critical) unknown.add(id);
        break;
      default:
        if (critical) unknown.add(id);
    }
  }
  return decoded;
}

function numberOf(value: Uint8Array, what: string): bigint {
  const reader = new DerReader(value);
  const number = integerOf(reader.read(Tag.INTEGER, what), what);
  reader.end(what);
  if (number < 0n) refuse(`${what} is negative`);
  return number;
}

function issuingDistributionPointOf(value: Uint8Array): IssuingDistributionPoint {
  const what = "issuingDistributionPoint";
  const reader = readWhole(value, Tag.SEQUENCE, what);
  const flag = (tag: number): boolean => {
    const value = reader.optional(tag, what);
    return value !== undefined && booleanOf(value, what);
  };
  const name = reader.optional(0xa0, what);
  const onlyUserCertificates = flag(0x81);
  const onlyCaCertificates = flag(0x82);
  const reasons = reader.optional(0x83, what);
  const indirect = flag(0x84);
  const onlyAttributeCertificates = flag(0x85);
  reader.end(what);
  return {
    onlyUserCertificates,
    onlyCaCertificates,
    onlyAttributeCertificates,
    indirect,
    ...(name === undefined ? {} : { name: distributionPointNameOf(name.content, what) }),
    ...(reasons === undefined ? {} : { onlyReasons: reasonsOf(reasons.content, what) }),
  };
}

// RFC 5280 §5.3.1: 7 is not used.
const REASONS: readonly (RevocationReason | undefined)[] = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  undefined,
  "removeFromCRL",
  "privilegeWithdrawn",
  "aACompromise",
];

interface Revoking {
  readonly issuer: Name;
  readonly version: number;
  readonly unknown: Set<string>;
}

function revokedOf(content: Uint8Array, { issuer, version, unknown }: Revoking): RevokedEntry[] {
  const reader = new DerReader(content);
  const revoked: RevokedEntry[] = [];
  // §5.1.2.6: a list without entries is absent. Empty ones occur, and say the same.
  while (!reader.done) {
    const entry = reader.enter(Tag.SEQUENCE, "revoked certificate");
    const serial = serialText(integerOctets(entry.read(Tag.INTEGER, "revoked serial"), "revoked serial"));
    const date = timeOf(entry.next("revocationDate"), "revocationDate");
    const extensions = entry.optional(Tag.SEQUENCE, "crlEntryExtensions");
    entry.end("revoked certificate");
    if (extensions === undefined) {
      revoked.push({ serial, date, issuer });
      continue;
    }
    if (version === 1) refuse("version 1 has entries with extensions");
    const decoded = decodeEntry(extensionsOf(extensions.content, "crlEntryExtensions"), unknown);
    // §5.3.3: an issuer that is named goes for the entries that follow as well.
    issuer = decoded.issuer ?? issuer;
    revoked.push({ serial, date, ...decoded, issuer });
  }
  return revoked;
}

function decodeEntry(
  extensions: readonly Extension[],
  unknown: Set<string>,
): { reason?: RevocationReason; invalidityDate?: Date; issuer?: Name } {
  const decoded: { reason?: RevocationReason; invalidityDate?: Date; issuer?: Name } = {};
  const seen = new Set<string>();
  for (const { id, critical, value } of extensions) {
    if (seen.has(id)) refuse(`extension ${id} of an entry occurs twice`);
    seen.add(id);
    const reader = new DerReader(value);
    switch (id) {
      case ExtensionId.reasonCode: {
        const octets = integerOctets(reader.read(Tag.ENUMERATED, "reasonCode"), "reasonCode");
        reader.end("reasonCode");
        const reason = octets.length === 1 ? REASONS[octets[0]!] : undefined;
        decoded.reason = reason ?? refuse("an entry has a reason that does not exist");
        break;
      }
      case ExtensionId.invalidityDate:
        decoded.invalidityDate = timeOf(reader.read(Tag.GENERALIZED_TIME, "invalidityDate"), "invalidityDate");
        reader.end("invalidityDate");
        break;
      case ExtensionId.certificateIssuer: {
        const names = generalNamesOf(reader.read(Tag.SEQUENCE, "certificateIssuer").content, "certificateIssuer");
        reader.end("certificateIssuer");
        decoded.issuer = names.find((name) => name.kind === "directory")?.directory ??
          refuse("an entry names an issuer without a distinguished name");
        break;
      }
      default:
        if (critical) unknown.add(id);
    }
  }
  return decoded;
}
