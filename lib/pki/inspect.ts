/**
 * Everything a person asks of a certificate, as data.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "./certificate.ts";
import { sameBytes } from "./der.ts";
import type { DistributionPoint } from "./extension.ts";
import type { GeneralNameKind } from "./general_name.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { oidName } from "./oid.ts";
import { judgeKey } from "./verify/signature.ts";

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
  /** Its key. */
  readonly key: {
    /** As in `EC P-256`, `RSA 2048`, `Ed25519`. */
    readonly algorithm: string;
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
  /** What its key may be used for; `null` when it does not say. */
  readonly keyUsage: readonly string[] | null;
  /** The purposes it serves; `null` when it does not say. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** The names in its subject alternative name. */
  readonly names: readonly ShownName[];
  /** Where the names of what it issues must lie; `null` when that is not limited. */
  readonly nameConstraints:
    | { readonly permitted: readonly ShownName[]; readonly excluded: readonly ShownName[] }
    | null;
  /** The policies it was issued under. */
  readonly policies: readonly string[];
  /** The name of its key, in hex. */
  readonly subjectKeyIdentifier: string | null;
  /** The name of its issuer's key, in hex. */
  readonly authorityKeyIdentifier: string | null;
  /** Where its CRLs are. */
  readonly crlUrls: readonly string[];
  /** Where its issuer answers about it. */
  readonly ocspUrls: readonly string[];
  /** Where the certificate of its issuer is. */
  readonly issuerUrls: readonly string[];
  /** Every extension, in order. */
  readonly extensions: readonly {
    /** Its object identifier. */
    readonly id: string;
    /** The name people know it under; the identifier where there is none. */
    readonly name: string;
    /** Whether whoever does not understand it must refuse. */
    readonly critical: boolean;
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

/**
 * Tells everything a person asks of a certificate. It verifies nothing: `verifyChain` does.
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
 * ```
 * @param input DER, PEM text with exactly one certificate, or one that was read before.
 * @returns The details.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate`.
 */
export function inspect(input: string | Uint8Array | Certificate): CertificateDetails {
  const certificate = typeof input === "string" || input instanceof Uint8Array ? parseCertificate(input) : input;
  const { notBefore, notAfter, nameConstraints, authorityInfoAccess = [] } = certificate;
  const judgement = judgeKey(certificate.publicKey);
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
    key: {
      algorithm: keyName(certificate),
      weakness: judgement.kind === "refused" ? judgement.reason : null,
    },
    signatureAlgorithm: oidName(certificate.signatureAlgorithm.id),
    isCa: certificate.isCa,
    pathLength: certificate.basicConstraints?.pathLength ?? null,
    isSelfIssued: certificate.isSelfIssued,
    keyUsage: certificate.keyUsage === undefined ? null : [...certificate.keyUsage],
    extendedKeyUsage: certificate.extendedKeyUsage?.map(oidName) ?? null,
    names: certificate.names.map(shown),
    nameConstraints: nameConstraints === undefined ? null : {
      permitted: nameConstraints.permitted.map((subtree) => shown(subtree.base)),
      excluded: nameConstraints.excluded.map((subtree) => shown(subtree.base)),
    },
    policies: (certificate.policies ?? []).map(oidName),
    subjectKeyIdentifier: certificate.subjectKeyIdentifier ?? null,
    authorityKeyIdentifier: certificate.authorityKeyIdentifier?.keyIdentifier ?? null,
    crlUrls: urlsOf(certificate.crlDistributionPoints ?? []),
    ocspUrls: access("1.3.6.1.5.5.7.48.1"),
    issuerUrls: access("1.3.6.1.5.5.7.48.2"),
    extensions: certificate.extensions.map(({ id, critical }) => ({ id, name: oidName(id), critical })),
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

function keyName({ publicKey }: Certificate): string {
  const judgement = judgeKey(publicKey);
  switch (judgement.kind) {
    case "ec":
      return `EC ${judgement.curve}`;
    case "rsa":
      return `RSA ${judgement.bits}`;
    default:
      return oidName(publicKey.algorithm.id);
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
