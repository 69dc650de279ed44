/**
 * X.509 certificates, read strictly (RFC 5280 §4.1).
 *
 * @module
 */
import {
  type BitString,
  bitStringOf,
  DerReader,
  integerOctets,
  integerOf,
  oidOf,
  readWhole,
  sameBytes,
  Tag,
  timeOf,
} from "./der.ts";
import { type Name, nameOf } from "./distinguished_name.ts";
import { PkiError } from "./errors.ts";
import {
  type AccessDescription,
  accessDescriptionsOf,
  alternativeNamesOf,
  type AuthorityKeyIdentifier,
  authorityKeyIdentifierOf,
  type BasicConstraints,
  basicConstraintsOf,
  certificatePoliciesOf,
  type DistributionPoint,
  distributionPointsOf,
  extendedKeyUsageOf,
  type Extension,
  extensionsOf,
  inhibitAnyPolicyOf,
  type KeyUsage,
  keyUsageOf,
  type NameConstraints,
  nameConstraintsOf,
  type PolicyConstraints,
  policyConstraintsOf,
  type PolicyMapping,
  policyMappingsOf,
  serialText,
  subjectKeyIdentifierOf,
} from "./extension.ts";
import type { GeneralName } from "./general_name.ts";
import { ExtensionId } from "./oid.ts";
import { pemDecode } from "./pem.ts";

/** An algorithm and its parameters (RFC 5280 §4.1.1.2). */
export interface AlgorithmIdentifier {
  /** The object identifier of the algorithm. */
  readonly id: string;
  /** Its parameters in DER; absent is not the same as NULL. */
  readonly parameters?: Uint8Array;
  /** The whole identifier in DER. */
  readonly der: Uint8Array;
}

/** A public key as it stands in a certificate or request (RFC 5280 §4.1.2.7). */
export interface PublicKeyInfo {
  /** What kind of key it is. */
  readonly algorithm: AlgorithmIdentifier;
  /** The key. */
  readonly key: BitString;
  /** The whole SubjectPublicKeyInfo in DER. */
  readonly der: Uint8Array;
}

/** A certificate, read. Names in it may hold anything: escape them before you show them. */
export interface Certificate {
  /** The whole certificate. */
  readonly der: Uint8Array;
  /** The part that is signed. */
  readonly tbs: Uint8Array;
  /** 1, 2 or 3. */
  readonly version: number;
  /** Its number in lower-case hex; with a minus sign when it is negative. */
  readonly serial: string;
  /** Whom it is for. */
  readonly subject: Name;
  /** Who signed it. */
  readonly issuer: Name;
  /** Its first second. */
  readonly notBefore: Date;
  /** Its last second, which belongs to it. */
  readonly notAfter: Date;
  /** The SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  /** The public key, taken apart. */
  readonly publicKey: PublicKeyInfo;
  /** The algorithm of the signature. */
  readonly signatureAlgorithm: AlgorithmIdentifier;
  /** The signature. */
  readonly signature: BitString;
  /** Every extension, in order. */
  readonly extensions: readonly Extension[];
  /** Whether its basicConstraints say it is a CA's. */
  readonly isCa: boolean;
  /** Whether subject and issuer are the same name. */
  readonly isSelfIssued: boolean;
  /** Whether its key may sign certificates, and how far (RFC 5280 §4.2.1.9). */
  readonly basicConstraints?: BasicConstraints;
  /** What its key may be used for (RFC 5280 §4.2.1.3). */
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** What purposes it serves, as object identifiers (RFC 5280 §4.2.1.12). */
  readonly extendedKeyUsage?: readonly string[];
  /** The names in its subject alternative name; none, when it has none (RFC 5280 §4.2.1.6). */
  readonly names: readonly GeneralName[];
  /** Alternative names of its issuer (RFC 5280 §4.2.1.7). */
  readonly issuerNames?: readonly GeneralName[];
  /** The name of its key, in hex (RFC 5280 §4.2.1.2). */
  readonly subjectKeyIdentifier?: string;
  /** The name of its issuer's key (RFC 5280 §4.2.1.1). */
  readonly authorityKeyIdentifier?: AuthorityKeyIdentifier;
  /** Where the names of what it issues must lie (RFC 5280 §4.2.1.10). */
  readonly nameConstraints?: NameConstraints;
  /** The policies it was issued under, as object identifiers (RFC 5280 §4.2.1.4). */
  readonly policies?: readonly string[];
  /** The kinds of qualifiers those policies have, as object identifiers. */
  readonly policyQualifiers?: ReadonlySet<string>;
  /** Policies its CA holds to be equal (RFC 5280 §4.2.1.5). */
  readonly policyMappings?: readonly PolicyMapping[];
  /** When policies must be explicit (RFC 5280 §4.2.1.11). */
  readonly policyConstraints?: PolicyConstraints;
  /** After how many more certificates anyPolicy counts no longer (RFC 5280 §4.2.1.14). */
  readonly inhibitAnyPolicy?: number;
  /** Where its CRLs are (RFC 5280 §4.2.1.13). */
  readonly crlDistributionPoints?: readonly DistributionPoint[];
  /** Where its delta CRLs are (RFC 5280 §4.2.1.15). */
  readonly freshestCrl?: readonly DistributionPoint[];
  /** Where to learn more about its issuer (RFC 5280 §4.2.2.1). */
  readonly authorityInfoAccess?: readonly AccessDescription[];
}

/**
 * Reads one certificate, and everything in it that RFC 5280 defines.
 *
 * Reading is not trusting: nothing is verified here, not even the signature. That is what `verifyChain` does.
 *
 * @example Names are data, not text to be taken apart
 * ```ts
 * import { createRootCa, generateKeyPair, parseCertificate } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const { pem } = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 * const ca = parseCertificate(pem);
 *
 * equal(ca.subject.commonName, "Example CA");
 * equal(ca.isCa, true);
 * ```
 * @param input DER, or PEM text with exactly one certificate.
 * @returns The certificate.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate`.
 * @throws {TypeError} If `input` is neither text nor octets.
 */
export function parseCertificate(input: string | Uint8Array): Certificate {
  if (typeof input !== "string") return parseDer(input);
  const [certificate, ...more] = parseCertificates(input);
  if (certificate === undefined || more.length > 0) {
    throw new PkiError("invalid_pem", `Cannot read one certificate: the text holds ${more.length + 1}`);
  }
  return certificate;
}

/**
 * Reads a bundle: PEM text with one certificate after the other.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, parseCertificates } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const { pem } = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * equal(parseCertificates(pem + pem).length, 2);
 * ```
 * @param pem The text.
 * @returns The certificates, in order, at least one.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate`.
 */
export function parseCertificates(pem: string): Certificate[] {
  const blocks = pemDecode(pem, "CERTIFICATE");
  if (blocks.length === 0) throw new PkiError("invalid_pem", "Cannot read certificates: the text holds none");
  return blocks.map((block) => parseDer(block.der));
}

function parseDer(der: Uint8Array): Certificate {
  if (!(der instanceof Uint8Array)) throw new TypeError("A certificate is DER in a Uint8Array, or PEM in a string");
  const certificate = new ParsedCertificate(der);
  certificate.decodeExtensions();
  return certificate;
}

/** @internal Reads an `AlgorithmIdentifier`. */
export function algorithmOf(reader: DerReader, what: string): AlgorithmIdentifier {
  const value = reader.read(Tag.SEQUENCE, what);
  const inside = DerReader.inside(value);
  const id = oidOf(inside.read(Tag.OID, what), what);
  const parameters = inside.done ? undefined : inside.next(what).encoding;
  inside.end(what);
  return { id, der: value.encoding, ...(parameters === undefined ? {} : { parameters }) };
}

/** @internal Reads a `SubjectPublicKeyInfo`. */
export function publicKeyOf(reader: DerReader): PublicKeyInfo {
  const value = reader.read(Tag.SEQUENCE, "subjectPublicKeyInfo");
  const inside = DerReader.inside(value);
  const algorithm = algorithmOf(inside, "public key algorithm");
  const key = bitStringOf(inside.read(Tag.BIT_STRING, "public key"), "public key");
  inside.end("subjectPublicKeyInfo");
  return { algorithm, key, der: value.encoding };
}

/**
 * A certificate whose structure has been read, and whose extensions are read when they are asked for.
 *
 * @internal
 */
export class ParsedCertificate implements Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly version: number;
  readonly serial: string;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signature: BitString;
  readonly issuer: Name;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: Name;
  readonly publicKey: PublicKeyInfo;
  readonly extensions: readonly Extension[];
  #decoded = false;
  isCa = false;
  names: readonly GeneralName[] = [];
  declare basicConstraints?: BasicConstraints;
  declare keyUsage?: ReadonlySet<KeyUsage>;
  declare extendedKeyUsage?: readonly string[];
  declare issuerNames?: readonly GeneralName[];
  declare subjectKeyIdentifier?: string;
  declare authorityKeyIdentifier?: AuthorityKeyIdentifier;
  declare nameConstraints?: NameConstraints;
  declare policies?: readonly string[];
  declare policyQualifiers?: ReadonlySet<string>;
  declare policyMappings?: readonly PolicyMapping[];
  declare policyConstraints?: PolicyConstraints;
  declare inhibitAnyPolicy?: number;
  declare crlDistributionPoints?: readonly DistributionPoint[];
  declare freshestCrl?: readonly DistributionPoint[];
  declare authorityInfoAccess?: readonly AccessDescription[];

  /** Reads the structure; {@linkcode decodeExtensions} then reads what the extensions say. */
  constructor(der: Uint8Array) {
    this.der = der;
    const outer = readWhole(der, Tag.SEQUENCE, "certificate");
    const signed = outer.read(Tag.SEQUENCE, "tbsCertificate");
    this.tbs = signed.encoding;
    this.signatureAlgorithm = algorithmOf(outer, "signatureAlgorithm");
    this.signature = bitStringOf(outer.read(Tag.BIT_STRING, "signature"), "signature");
    outer.end("certificate");

    const tbs = DerReader.inside(signed);
    this.version = versionOf(tbs);
    this.serial = serialText(integerOctets(tbs.read(Tag.INTEGER, "serialNumber"), "serialNumber"));
    // §4.1.1.2: the two identifiers must be the same, or the signed one says nothing.
    if (!sameBytes(algorithmOf(tbs, "signature").der, this.signatureAlgorithm.der)) {
      refuse("the signed and the outer signature algorithm differ");
    }
    this.issuer = nameOf(tbs.read(Tag.SEQUENCE, "issuer"), "issuer");
    const validity = tbs.enter(Tag.SEQUENCE, "validity");
    this.notBefore = timeOf(validity.next("notBefore"), "notBefore");
    this.notAfter = timeOf(validity.next("notAfter"), "notAfter");
    validity.end("validity");
    this.subject = nameOf(tbs.read(Tag.SEQUENCE, "subject"), "subject");
    this.publicKey = publicKeyOf(tbs);
    this.#skipUniqueIds(tbs);
    const extensions = tbs.optional(0xa3, "extensions");
    tbs.end("tbsCertificate");
    if (extensions === undefined) {
      this.extensions = [];
    } else {
      // §4.1.2.9: extensions come with version 3.
      if (this.version !== 3) refuse(`version ${this.version} has extensions`);
      const holder = new DerReader(extensions.content);
      this.extensions = extensionsOf(holder.read(Tag.SEQUENCE, "extensions").content, "extensions");
      holder.end("extensions");
    }
  }

  get spki(): Uint8Array {
    return this.publicKey.der;
  }

  get isSelfIssued(): boolean {
    return this.subject.equals(this.issuer);
  }

  #skipUniqueIds(tbs: DerReader): void {
    // §4.1.2.8: unique identifiers come with versions 2 and 3; they are read and not used.
    for (const tag of [0x81, 0x82]) {
      const value = tbs.optional(tag, "unique identifier");
      if (value === undefined) continue;
      if (this.version === 1) refuse("version 1 has unique identifiers");
      bitStringOf(value, "unique identifier");
    }
  }

  /** Reads what every extension says that RFC 5280 defines. */
  decodeExtensions(): void {
    if (this.#decoded) return;
    const seen = new Set<string>();
    for (const { id, value } of this.extensions) {
      // §4.2: "A certificate MUST NOT include more than one instance of a particular extension."
      if (seen.has(id)) refuse(`extension ${id} occurs twice`);
      seen.add(id);
      this.#decode(id, value);
    }
    this.#decoded = true;
  }

  #decode(id: string, value: Uint8Array): void {
    switch (id) {
      case ExtensionId.basicConstraints:
        this.basicConstraints = basicConstraintsOf(value);
        this.isCa = this.basicConstraints.ca;
        break;
      case ExtensionId.keyUsage:
        this.keyUsage = keyUsageOf(value);
        break;
      case ExtensionId.extendedKeyUsage:
        this.extendedKeyUsage = extendedKeyUsageOf(value);
        break;
      case ExtensionId.subjectAltName:
        this.names = alternativeNamesOf(value, "subjectAltName");
        break;
      case ExtensionId.issuerAltName:
        this.issuerNames = alternativeNamesOf(value, "issuerAltName");
        break;
      case ExtensionId.subjectKeyIdentifier:
        this.subjectKeyIdentifier = subjectKeyIdentifierOf(value);
        break;
      case ExtensionId.authorityKeyIdentifier:
        this.authorityKeyIdentifier = authorityKeyIdentifierOf(value);
        break;
      case ExtensionId.nameConstraints:
        this.nameConstraints = nameConstraintsOf(value);
        break;
      case ExtensionId.certificatePolicies: {
        const policies = certificatePoliciesOf(value);
        this.policies = policies.map(({ id }) => id);
        this.policyQualifiers = new Set(policies.flatMap(({ qualifiers }) => qualifiers.map(({ kind }) => kind)));
        break;
      }
      case ExtensionId.policyMappings:
        this.policyMappings = policyMappingsOf(value);
        break;
      case ExtensionId.policyConstraints:
        this.policyConstraints = policyConstraintsOf(value);
        break;
      case ExtensionId.inhibitAnyPolicy:
        this.inhibitAnyPolicy = inhibitAnyPolicyOf(value);
        break;
      case ExtensionId.crlDistributionPoints:
        this.crlDistributionPoints = distributionPointsOf(value, "cRLDistributionPoints");
        break;
      case ExtensionId.freshestCrl:
        this.freshestCrl = distributionPointsOf(value, "freshestCRL");
        break;
      case ExtensionId.authorityInfoAccess:
        this.authorityInfoAccess = accessDescriptionsOf(value, "authorityInfoAccess");
        break;
    }
  }
}

function versionOf(tbs: DerReader): number {
  const holder = tbs.optional(0xa0, "version");
  if (holder === undefined) return 1;
  const inside = DerReader.inside(holder);
  const version = integerOf(inside.read(Tag.INTEGER, "version"), "version");
  inside.end("version");
  if (version < 0n || version > 2n) refuse(`version ${version + 1n} does not exist`);
  return Number(version) + 1;
}

function refuse(what: string): never {
  throw new PkiError("invalid_certificate", `Cannot read the certificate: ${what}`);
}
