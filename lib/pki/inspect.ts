/**
 * Everything a person asks of a certificate, as data.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "./certificate.ts";
import { DerReader, hexOf, oidOf, sameBytes, Tag } from "./der.ts";
import { PkiError } from "./errors.ts";
import type { DistributionPoint, PolicyConstraints, PolicyMapping } from "./extension.ts";
import type { GeneralNameKind } from "./general_name.ts";
import { type LogPromise, logPromisesOf, policyTextsOf, tlsFeaturesOf } from "./inspect_extension.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { oidName } from "./oid.ts";
import { judgeKey, verifySignature } from "./verify/signature.ts";

export type { LogPromise } from "./inspect_extension.ts";

/** A name, ready to be shown or written as JSON. */
export interface ShownName {
  /** What it names. */
  readonly kind: GeneralNameKind;
  /** Its characters; escape them before you show them on a terminal. */
  readonly value: string;
}

/** What {@linkcode inspect} tells. Everything in it can be written as JSON. */
export interface CertificateDetails {
  /** Whom it is for, as RFC 4514 writes it. */
  readonly subject: string;
  /** Who signed it. */
  readonly issuer: string;
  /** The last common name of the subject. */
  readonly commonName: string | null;
  /** 1, 2 or 3. */
  readonly version: number;
  /** Its number in hex. */
  readonly serial: string;
  /** Its first second. */
  readonly notBefore: Date;
  /** Its last second. */
  readonly notAfter: Date;
  /** How many seconds it lives, first and last included. */
  readonly lifetimeSeconds: number;
  /** How many whole days are left of it; negative when it has ended. */
  readonly daysLeft: number;
  /** Its key. */
  readonly key: {
    /** As in `EC P-256`, `RSA 2048`, `Ed25519`. */
    readonly algorithm: string;
    /** Its size; `null` for a kind nobody here knows. */
    readonly bits: number | null;
    /** Why this library refuses it; `null` when it does not. */
    readonly weakness: string | null;
  };
  /** The algorithm of its signature, as in `ecdsaWithSha256`. */
  readonly signatureAlgorithm: string;
  /** Whether its basicConstraints say it is a CA's. */
  readonly isCa: boolean;
  /** How many CAs may follow; `null` when that is not limited. */
  readonly pathLength: number | null;
  /** Whether subject and issuer are the same name. */
  readonly isSelfIssued: boolean;
  /** Whether its own key signed it. That makes it a root for those alone who trust it. */
  readonly isSelfSigned: boolean;
  /** What its key may be used for; `null` when it does not say. */
  readonly keyUsage: readonly string[] | null;
  /** The purposes it serves; `null` when it does not say. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** The names in its subject alternative name. */
  readonly names: readonly ShownName[];
  /** The alternative names of its issuer. */
  readonly issuerNames: readonly ShownName[];
  /** Where the names of what it issues must lie; `null` when that is not limited. */
  readonly nameConstraints:
    | { readonly permitted: readonly ShownName[]; readonly excluded: readonly ShownName[] }
    | null;
  /** The policies it was issued under. */
  readonly policies: readonly string[];
  /** Where statements of practice of those policies are. */
  readonly policyUrls: readonly string[];
  /** What those policies want shown to whoever relies on it. */
  readonly policyNotices: readonly string[];
  /** Policies its CA holds to be equal. */
  readonly policyMappings: readonly PolicyMapping[];
  /** After how many more certificates policies are asked for; `null` when that is not said. */
  readonly policyConstraints: PolicyConstraints | null;
  /** After how many more certificates anyPolicy counts no longer; `null` when that is not said. */
  readonly inhibitAnyPolicy: number | null;
  /** The name of its key, in hex. */
  readonly subjectKeyIdentifier: string | null;
  /** The name of its issuer's key, in hex. */
  readonly authorityKeyIdentifier: string | null;
  /** Which certificate of its issuer it says it was signed under; `null` when it does not say. */
  readonly authorityCertificate: { readonly issuer: readonly ShownName[]; readonly serial: string | null } | null;
  /** Where its CRLs are. */
  readonly crlUrls: readonly string[];
  /** Where deltas of its CRLs are. */
  readonly deltaCrlUrls: readonly string[];
  /** Where its issuer answers about it. */
  readonly ocspUrls: readonly string[];
  /** Where the certificate of its issuer is. */
  readonly issuerUrls: readonly string[];
  /** Promises of logs of Certificate Transparency, not verified; `null` when they cannot be read. */
  readonly logPromises: readonly LogPromise[] | null;
  /** The numbers of extensions a TLS server must speak, `5` is a stapled status; `null` when they cannot be read. */
  readonly tlsFeatures: readonly number[] | null;
  /** Every extension, in order. */
  readonly extensions: readonly {
    /** Its object identifier. */
    readonly id: string;
    /** The name people know it under; the identifier where there is none. */
    readonly name: string;
    /** Whether whoever does not understand it must refuse. */
    readonly critical: boolean;
    /** What it says, in DER, in hex. */
    readonly value: string;
  }[];
  /** Hashes to know it by: 32 octets in hex, with colons. */
  readonly fingerprints: {
    /** SHA-256 of the DER, as `openssl x509 -fingerprint -sha256` prints it. */
    readonly sha256: string;
    /** SHA-1 of the DER, for old lists; it protects nothing. */
    readonly sha1: string;
    /** SHA-256 of the public key, which survives renewal. */
    readonly spkiSha256: string;
  };
}

/** Options of {@linkcode inspect}. */
export interface InspectOptions {
  /** The time, for `daysLeft`; the clock's, when left out. */
  readonly now?: Date;
}

/**
 * Tells everything a person asks of a certificate. Whether it can be trusted it does not tell: `verifyChain` does.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, inspect } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const ca = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 * const details = inspect(ca.pem);
 *
 * equal(details.subject, "CN=Example CA");
 * equal(details.key.algorithm, "EC P-256");
 * equal(details.isSelfSigned, true);
 * ```
 * @param input DER, PEM text with exactly one certificate, or one that was read before.
 * @param options The time.
 * @returns The details.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate`.
 */
export function inspect(
  input: string | Uint8Array | Certificate,
  { now = new Date() }: InspectOptions = {},
): CertificateDetails {
  const certificate = typeof input === "string" || input instanceof Uint8Array ? parseCertificate(input) : input;
  const { notBefore, notAfter, nameConstraints, authorityInfoAccess = [] } = certificate;
  const { keyIdentifier, issuer, serial } = certificate.authorityKeyIdentifier ?? {};
  const judgement = judgeKey(certificate.publicKey);
  const policyTexts = policyTextsOf(certificate);
  const access = (method: string): string[] =>
    authorityInfoAccess
      .filter((description) => description.method === method && description.location.kind === "uri")
      .map((description) => description.location.value);
  const shown = ({ kind, value }: ShownName): ShownName => ({ kind, value });
  return {
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    commonName: certificate.subject.commonName ?? null,
    version: certificate.version,
    serial: certificate.serial,
    notBefore,
    notAfter,
    lifetimeSeconds: (notAfter.getTime() - notBefore.getTime()) / 1000 + 1,
    daysLeft: Math.floor((notAfter.getTime() - now.getTime()) / 86_400_000),
    key: {
      ...keyOf(certificate),
      weakness: judgement.kind === "refused" ? judgement.reason : null,
    },
    signatureAlgorithm: oidName(certificate.signatureAlgorithm.id),
    isCa: certificate.isCa,
    pathLength: certificate.basicConstraints?.pathLength ?? null,
    isSelfIssued: certificate.isSelfIssued,
    isSelfSigned: certificate.isSelfIssued && signedItself(certificate),
    keyUsage: certificate.keyUsage === undefined ? null : [...certificate.keyUsage],
    extendedKeyUsage: certificate.extendedKeyUsage?.map(oidName) ?? null,
    names: certificate.names.map(shown),
    issuerNames: (certificate.issuerNames ?? []).map(shown),
    nameConstraints: nameConstraints === undefined ? null : {
      permitted: nameConstraints.permitted.map((subtree) => shown(subtree.base)),
      excluded: nameConstraints.excluded.map((subtree) => shown(subtree.base)),
    },
    policies: (certificate.policies ?? []).map(oidName),
    policyUrls: policyTexts.statements,
    policyNotices: policyTexts.notices,
    policyMappings: certificate.policyMappings ?? [],
    policyConstraints: certificate.policyConstraints ?? null,
    inhibitAnyPolicy: certificate.inhibitAnyPolicy ?? null,
    subjectKeyIdentifier: certificate.subjectKeyIdentifier ?? null,
    authorityKeyIdentifier: keyIdentifier ?? null,
    authorityCertificate: issuer === undefined && serial === undefined
      ? null
      : { issuer: (issuer ?? []).map(shown), serial: serial ?? null },
    crlUrls: urlsOf(certificate.crlDistributionPoints ?? []),
    deltaCrlUrls: urlsOf(certificate.freshestCrl ?? []),
    ocspUrls: access("1.3.6.1.5.5.7.48.1"),
    issuerUrls: access("1.3.6.1.5.5.7.48.2"),
    logPromises: ifReadable(() => logPromisesOf(certificate)),
    tlsFeatures: ifReadable(() => tlsFeaturesOf(certificate)),
    extensions: certificate.extensions.map(({ id, critical, value }) => ({
      id,
      name: oidName(id),
      critical,
      value: hexOf(value),
    })),
    fingerprints: {
      sha256: fingerprint("sha256", certificate.der),
      sha1: fingerprint("sha1", certificate.der),
      spkiSha256: fingerprint("sha256", certificate.spki),
    },
  };
}

function urlsOf(points: readonly DistributionPoint[]): string[] {
  return points.flatMap((point) => point.name?.full ?? []).filter((name) => name.kind === "uri").map((name) =>
    name.value
  );
}

function fingerprint(hash: string, bytes: Uint8Array): string {
  return nodeCrypto().createHash(hash).update(bytes).digest("hex").replace(/..(?!$)/g, "$&:");
}

function ifReadable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

const CURVE_BITS: Readonly<Record<string, number>> = { "P-256": 256, "P-384": 384, "P-521": 521, "secp256k1": 256 };
const EDWARDS_BITS: Readonly<Record<string, number>> = { "Ed25519": 256, "Ed448": 456 };

/** What kind of key it is, also when it is too weak to be accepted: people ask which. */
function keyOf({ publicKey: { algorithm, key } }: Certificate): { algorithm: string; bits: number | null } {
  const name = oidName(algorithm.id);
  switch (name) {
    case "rsaEncryption":
    case "rsassaPss": {
      const bits = ifReadable(() => modulusBits(key.bytes));
      return { algorithm: bits === null ? "RSA" : `RSA ${bits}`, bits };
    }
    case "ecPublicKey": {
      const curve = ifReadable(() => oidOf(new DerReader(algorithm.parameters ?? key.bytes).next("curve"), "curve"));
      const known = curve === null ? "of a curve without a name" : oidName(curve);
      return { algorithm: `EC ${known}`, bits: CURVE_BITS[known] ?? null };
    }
    default:
      return { algorithm: name, bits: EDWARDS_BITS[name] ?? null };
  }
}

function modulusBits(key: Uint8Array): number {
  const modulus = new DerReader(key).enter(Tag.SEQUENCE, "RSA key").read(Tag.INTEGER, "RSA modulus").content;
  const first = modulus.findIndex((octet) => octet !== 0);
  return first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first]!) + 24;
}

/** The hash of a signature by its name; Edwards curves have their own. */
function hashOf(signature: string): string | null | undefined {
  if (/^Ed(25519|448)$/.test(signature)) return null;
  return /^(md5|sha\d+)WithRSAEncryption$|^ecdsaWith(Sha\d+)$/.exec(signature)?.slice(1).find(Boolean)?.toLowerCase();
}

/** Unlike in `verifyChain`, weak hashes and keys count: this is about what it is, not what it is worth. */
function signedItself({ tbs, spki, publicKey, signatureAlgorithm: algorithm, signature }: Certificate): boolean {
  const hash = hashOf(oidName(algorithm.id));
  if (hash === undefined) return verifySignature(publicKey, { data: tbs, algorithm, signature }) === "good";
  try {
    const { createPublicKey, verify } = nodeCrypto();
    const key = createPublicKey({ key: spki as never, format: "der", type: "spki" });
    return verify(hash, tbs, key, signature.bytes);
  } catch {
    return false;
  }
}

/**
 * Tells whether a certificate holds the public key of a pair.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, holdsKey } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem } = await createRootCa({ commonName: "Example CA", key });
 *
 * equal(await holdsKey(pem, key.publicKey), true);
 * equal(await holdsKey(pem, (await generateKeyPair()).publicKey), false);
 * ```
 * @param input DER, PEM text with exactly one certificate, or one that was read before.
 * @param publicKey The public key; it must be extractable, as public keys are.
 * @returns Whether it is the one in the certificate.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate`.
 */
export async function holdsKey(input: string | Uint8Array | Certificate, publicKey: CryptoKey): Promise<boolean> {
  const certificate = typeof input === "string" || input instanceof Uint8Array ? parseCertificate(input) : input;
  return sameBytes(certificate.spki, new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)));
}
