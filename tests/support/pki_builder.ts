/**
 * Certificates and CRLs of any shape, sound or not: what no CA would issue, tests must see refused.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  ascii,
  bitString,
  boolean,
  constructed,
  enumerated,
  extension,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  sequenceOf,
  setOf,
  time,
  tlv,
  utf8String,
} from "../../lib/pki/encode.ts";
import { Tag } from "../../lib/pki/der.ts";
import { addressOctets } from "../../lib/pki/general_name.ts";
import { ExtensionId } from "../../lib/pki/oid.ts";

/** A key and how it signs. */
export interface TestKey {
  readonly spki: Uint8Array;
  /** The AlgorithmIdentifier of its signatures. */
  readonly algorithm: Uint8Array;
  readonly id: Uint8Array;
  sign(data: Uint8Array): Uint8Array;
}

export type TestKeyKind = "ed25519" | "ed448" | "p256" | "p384" | "p521" | "rsa";

const ALGORITHMS = {
  ed25519: ["1.3.101.112", null],
  ed448: ["1.3.101.113", null],
  p256: ["1.2.840.10045.4.3.2", "sha256"],
  p384: ["1.2.840.10045.4.3.3", "sha384"],
  p521: ["1.2.840.10045.4.3.4", "sha512"],
  rsa: ["1.2.840.113549.1.1.11", "sha256"],
} as const;

/** Makes a key; Ed25519 is the fastest. */
export function testKey(kind: TestKeyKind = "ed25519", options: { readonly modulusLength?: number } = {}): TestKey {
  const { privateKey, publicKey } = keyPair(kind, options.modulusLength ?? 2048);
  const [id, hash] = ALGORITHMS[kind];
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  const parameters = kind === "rsa" ? [tlv(Tag.NULL)] : [];
  return {
    spki,
    algorithm: sequence(objectIdentifier(id), ...parameters),
    id: new Uint8Array(createHash("sha1").update(spki).digest()),
    sign: (data) => new Uint8Array(sign(hash, data, privateKey)),
  };
}

function keyPair(kind: TestKeyKind, modulusLength: number): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (kind) {
    case "ed25519":
      return generateKeyPairSync("ed25519");
    case "ed448":
      return generateKeyPairSync("ed448");
    case "rsa":
      return generateKeyPairSync("rsa", { modulusLength });
    default:
      return generateKeyPairSync("ec", { namedCurve: { p256: "P-256", p384: "P-384", p521: "P-521" }[kind] });
  }
}

/** A name: `"CN text"`, or attributes by type, as in `[["2.5.4.10", "Helyos"], ["2.5.4.3", "text"]]`. */
export type TestName = string | readonly (readonly [type: string, value: string | Uint8Array])[];

/** Encodes a name, each attribute a part of its own. */
export function name(of: TestName): Uint8Array {
  const attributes = typeof of === "string" ? (of === "" ? [] : [["2.5.4.3", of] as const]) : of;
  return sequence(
    ...attributes.map(([type, value]) =>
      setOf(sequence(objectIdentifier(type), typeof value === "string" ? utf8String(value) : value))
    ),
  );
}

/** A general name: `dns:`, `email:`, `uri:`, `ip:` (with a prefix length for a subtree), `dir:` and a common name. */
export type TestGeneralName = string | Uint8Array;

/** Encodes a general name. */
export function generalName(of: TestGeneralName): Uint8Array {
  if (typeof of !== "string") return of;
  const colon = of.indexOf(":");
  const text = of.slice(colon + 1);
  const latin1 = new Uint8Array(Buffer.from(text, "latin1"));
  switch (of.slice(0, colon)) {
    case "dns":
      return primitive(2, latin1);
    case "email":
      return primitive(1, latin1);
    case "uri":
      return primitive(6, latin1);
    case "ip":
      return primitive(7, address(text));
    case "dir":
      return constructed(4, name(text));
    case "other":
      return constructed(0, objectIdentifier(text), constructed(0, utf8String("x")));
    default:
      throw new TypeError(`Unknown general name "${of}"`);
  }
}

function address(text: string): Uint8Array {
  const [base = "", prefix] = text.split("/");
  const octets = addressOctets(base);
  if (octets === undefined) throw new TypeError(`No address: "${text}"`);
  if (prefix === undefined) return octets;
  const mask = octets.map((_, i) => 256 - 2 ** (8 - Math.min(8, Math.max(0, Number(prefix) - 8 * i))));
  return Uint8Array.from([...octets, ...mask]);
}

const USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
];

/** What a certificate is to hold. */
export interface TestCertificate {
  readonly subject?: TestName;
  readonly issuer?: TestName;
  /** The key of the subject. */
  readonly key: TestKey;
  /** The key that signs; the subject's own when left out. */
  readonly signer?: TestKey;
  readonly serial?: bigint | number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Whether it has basicConstraints, and what they say. */
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly usage?: readonly string[];
  /** Purposes as object identifiers. */
  readonly purposes?: readonly string[];
  readonly names?: readonly TestGeneralName[];
  readonly permitted?: readonly TestGeneralName[];
  readonly excluded?: readonly TestGeneralName[];
  readonly policies?: readonly string[];
  readonly mappings?: readonly (readonly [issuer: string, subject: string])[];
  readonly requireExplicitPolicy?: number;
  readonly inhibitPolicyMapping?: number;
  readonly inhibitAnyPolicy?: number;
  /** URIs of its distribution point. */
  readonly crlUris?: readonly string[];
  /** Whether it names the keys of subject and issuer; yes when left out. */
  readonly keyIds?: boolean;
  readonly criticalNames?: boolean;
  /** More extensions, whole. */
  readonly extensions?: readonly Uint8Array[];
  /** The version as it is encoded: 2 is version 3. */
  readonly version?: number;
}

/** The instant at which test certificates are valid. */
export const AT = new Date("2026-06-01T12:00:00Z");
const FROM = new Date("2026-01-01T00:00:00Z");
const UNTIL = new Date("2027-01-01T00:00:00Z");
let serials = 1000;

/** Encodes and signs a certificate. */
export function certificate(of: TestCertificate): Uint8Array {
  const signer = of.signer ?? of.key;
  const extensions = extensionsOf(of, signer);
  const version = of.version ?? (extensions.length > 0 ? 2 : 0);
  return signed(
    signer,
    sequence(
      ...(version === 0 ? [] : [constructed(0, integer(version))]),
      integer(of.serial ?? serials++),
      signer.algorithm,
      name(of.issuer ?? of.subject ?? "CA"),
      sequence(time(of.notBefore ?? FROM), time(of.notAfter ?? UNTIL)),
      name(of.subject ?? "CA"),
      of.key.spki,
      ...(extensions.length === 0 ? [] : [constructed(3, sequence(...extensions))]),
    ),
  );
}

/** Wraps what is to be signed, and its signature. */
export function signed(signer: TestKey, tbs: Uint8Array): Uint8Array {
  return sequence(tbs, signer.algorithm, bitString(signer.sign(tbs)));
}

function extensionsOf(of: TestCertificate, signer: TestKey): Uint8Array[] {
  const list: Uint8Array[] = [];
  const oids = (ids: readonly string[]): Uint8Array => sequence(...ids.map((id) => objectIdentifier(id)));
  if (of.ca !== undefined) {
    const length = of.pathLength === undefined ? [] : [integer(of.pathLength)];
    list.push(extension(ExtensionId.basicConstraints, sequence(...(of.ca ? [boolean(true)] : []), ...length), true));
  }
  if (of.usage) {
    list.push(extension(ExtensionId.keyUsage, namedBits(of.usage.map((usage) => USAGES.indexOf(usage))), true));
  }
  if (of.purposes) list.push(extension(ExtensionId.extendedKeyUsage, oids(of.purposes)));
  if (of.names) {
    const value = sequence(...of.names.map(generalName));
    list.push(extension(ExtensionId.subjectAltName, value, of.criticalNames ?? of.subject === ""));
  }
  if (of.permitted || of.excluded) {
    const trees = (bases: readonly TestGeneralName[]): Uint8Array[] => bases.map((base) => sequence(generalName(base)));
    const value = sequence(
      ...(of.permitted ? [constructed(0, ...trees(of.permitted))] : []),
      ...(of.excluded ? [constructed(1, ...trees(of.excluded))] : []),
    );
    list.push(extension(ExtensionId.nameConstraints, value, true));
  }
  if (of.policies) {
    const value = sequence(...of.policies.map((id) => sequence(objectIdentifier(id))));
    list.push(extension(ExtensionId.certificatePolicies, value));
  }
  if (of.mappings) list.push(extension(ExtensionId.policyMappings, sequence(...of.mappings.map(oids)), true));
  if (of.requireExplicitPolicy !== undefined || of.inhibitPolicyMapping !== undefined) {
    const skip = (number: number, count: number | undefined): Uint8Array[] =>
      count === undefined ? [] : [tlv(0x80 | number, integer(count).subarray(2))];
    const value = sequence(...skip(0, of.requireExplicitPolicy), ...skip(1, of.inhibitPolicyMapping));
    list.push(extension(ExtensionId.policyConstraints, value, true));
  }
  if (of.inhibitAnyPolicy !== undefined) {
    list.push(extension(ExtensionId.inhibitAnyPolicy, integer(of.inhibitAnyPolicy), true));
  }
  if (of.crlUris) {
    const full = constructed(0, constructed(0, ...of.crlUris.map((uri) => generalName(`uri:${uri}`))));
    list.push(extension(ExtensionId.crlDistributionPoints, sequence(sequence(full))));
  }
  if (of.keyIds ?? of.version === undefined) {
    list.push(extension(ExtensionId.subjectKeyIdentifier, octetString(of.key.id)));
    list.push(extension(ExtensionId.authorityKeyIdentifier, sequence(primitive(0, signer.id))));
  }
  return [...list, ...of.extensions ?? []];
}

/** A CA that may do everything, as most tests need one. */
export function ca(of: Omit<TestCertificate, "ca">): Uint8Array {
  return certificate({ ca: true, usage: ["keyCertSign", "cRLSign"], ...of });
}

/** What a CRL is to hold. */
export interface TestCrl {
  readonly issuer?: TestName;
  readonly signer: TestKey;
  readonly thisUpdate?: Date;
  /** Left out when `null`. */
  readonly nextUpdate?: Date | null;
  readonly number?: number;
  /** The number a delta starts from. */
  readonly base?: number;
  readonly revoked?: readonly {
    readonly serial: bigint | number;
    readonly reason?: number;
    readonly issuer?: TestName;
    readonly extensions?: readonly Uint8Array[];
  }[];
  /** The content of an issuingDistributionPoint. */
  readonly scope?: readonly Uint8Array[];
  /** Whether it has no extensions but those that are given. */
  readonly plain?: boolean;
  readonly extensions?: readonly Uint8Array[];
  /** The version as it is encoded: 1, which is version 2, when left out; version 1 when `null`. */
  readonly version?: number | null;
}

/** Encodes and signs a CRL. */
export function crl(of: TestCrl): Uint8Array {
  const revoked = (of.revoked ?? []).map((entry) => {
    const extensions = [
      ...(entry.reason === undefined ? [] : [extension(ExtensionId.reasonCode, enumerated(entry.reason))]),
      ...(entry.issuer === undefined
        ? []
        : [extension(ExtensionId.certificateIssuer, sequence(constructed(4, name(entry.issuer))), true)]),
      ...entry.extensions ?? [],
    ];
    return sequence(
      integer(entry.serial),
      time(FROM),
      ...(extensions.length === 0 ? [] : [sequence(...extensions)]),
    );
  });
  const standard = [
    extension(ExtensionId.authorityKeyIdentifier, sequence(primitive(0, of.signer.id))),
    extension(ExtensionId.crlNumber, integer(of.number ?? 1)),
  ];
  const extensions = [
    ...(of.plain ? [] : standard),
    ...(of.base === undefined ? [] : [extension(ExtensionId.deltaCrlIndicator, integer(of.base), true)]),
    ...(of.scope === undefined ? [] : [extension(ExtensionId.issuingDistributionPoint, sequence(...of.scope), true)]),
    ...of.extensions ?? [],
  ];
  return signed(
    of.signer,
    sequence(
      ...(of.version === null ? [] : [integer(of.version ?? 1)]),
      of.signer.algorithm,
      name(of.issuer ?? "CA"),
      time(of.thisUpdate ?? new Date("2026-05-31T00:00:00Z")),
      ...(of.nextUpdate === null ? [] : [time(of.nextUpdate ?? new Date("2026-06-07T00:00:00Z"))]),
      ...(revoked.length === 0 ? [] : [sequenceOf(revoked)]),
      ...(extensions.length === 0 ? [] : [constructed(0, sequence(...extensions))]),
    ),
  );
}

/** ASCII octets. */
export const text = ascii;
