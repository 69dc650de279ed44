import { createHash } from "node:crypto";
import { type Certificate, parseCertificate } from "@helyos/pki";

/** What a subject alternative name names. */
export type SanKind = "dns" | "ip" | "uri" | "email" | "other";

/** One subject alternative name. Its kind keeps an e-mail address or URI from passing for a host name. */
export interface SubjectAltName {
  /** What it names; `other` is an otherName or a registered identifier. */
  readonly kind: SanKind;
  /** The name, exactly as the certificate has it; addresses in their shortest spelling, as in `::1`. */
  readonly value: string;
}

/** A certificate as DER, or anything that holds it as `raw`: node's `getPeerCertificate()`, a {@linkcode Peer}. */
export type PeerCertificateInput = Uint8Array | { readonly raw?: Uint8Array } | null | undefined;

/** Who a certificate says its holder is. */
export interface PeerIdentity {
  /** The SPIFFE ID, when the certificate is an X.509-SVID: exactly one URI, and it is a `spiffe:` URI. */
  readonly spiffeId: string | null;
  /** The first common name of the subject, exact. */
  readonly commonName: string | null;
  /** All subject alternative names, in order. */
  readonly subjectAltNames: readonly SubjectAltName[];
  /** The SPIFFE ID if there is one, else the common name. For logs; compare the typed fields to authorise. */
  readonly name: string | null;
}

/** What a certificate says besides names. */
export interface PeerCertificateSummary {
  /** Its number, in lower-case hex. */
  readonly serial: string;
  /** Its subject, as RFC 4514 spells names. */
  readonly subject: string;
  /** Who signed it, spelled the same way. */
  readonly issuer: string;
  /** Its first second. */
  readonly notBefore: Date;
  /** Its last second, which belongs to it. */
  readonly notAfter: Date;
  /** SHA-256 of the certificate, in lower-case hex with colons. */
  readonly fingerprint256: string;
}

/** The other end of a connection, by its verified certificate. */
export interface Peer {
  /** The certificate as DER. */
  readonly raw: Uint8Array;
  /** What it says besides names; for everything in it, give `raw` to `parseCertificate` of `@helyos/pki`. */
  readonly certificate: PeerCertificateSummary;
  /** Who it says its holder is. */
  readonly identity: PeerIdentity;
}

const COMMON_NAME = "2.5.4.3";

const KINDS: Readonly<Record<string, SanKind | undefined>> = {
  dns: "dns",
  ip: "ip",
  uri: "uri",
  email: "email",
  other: "other",
  registered: "other",
};

/** SPIFFE-ID §2: trust domain of lower-case letters, digits, dots, dashes and underscores; no query, fragment or port. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;

/** Only certificates this library verified: other bytes may change under our feet. */
const parsed = new WeakMap<Uint8Array, Certificate>();

function read(input: PeerCertificateInput): Certificate | null {
  const raw = input instanceof Uint8Array ? input : input?.raw;
  if (!(raw instanceof Uint8Array) || raw.byteLength === 0) return null;
  const known = parsed.get(raw);
  if (known !== undefined) return known;
  try {
    return parseCertificate(raw);
  } catch {
    return null;
  }
}

/**
 * Reads the first common name of a certificate's subject. It verifies nothing: only ask it about a certificate the
 * connection has verified.
 *
 * @example No certificate, no name
 * ```ts
 * import { peerCommonName } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * equal(peerCommonName(null), null);
 * equal(peerCommonName(new Uint8Array([1, 2, 3])), null);
 * ```
 * @param certificate The certificate, if there is one.
 * @returns The name, untrimmed and in its own case; `null` without a certificate, without a name, or if it is no certificate.
 */
export function peerCommonName(certificate: PeerCertificateInput): string | null {
  return read(certificate)?.subject.values(COMMON_NAME)[0] ?? null;
}

/**
 * Reads the subject alternative names of a certificate from its DER. It verifies nothing.
 *
 * The text node gives as `subjectaltname` is not escaped on Deno, so one name with a comma in it could pass for two.
 *
 * @example No certificate, no names
 * ```ts
 * import { peerSubjectAltNames } from "@helyos/tls";
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(peerSubjectAltNames(undefined), []);
 * ```
 * @param certificate The certificate, if there is one.
 * @returns The names in order, duplicates kept; directory names are left out. Empty if it is no certificate.
 */
export function peerSubjectAltNames(certificate: PeerCertificateInput): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  for (const { kind, value } of read(certificate)?.names ?? []) {
    const own = KINDS[kind];
    if (own !== undefined) names.push({ kind: own, value });
  }
  return names;
}

/**
 * Reads the subject alternative names of a certificate, without their kinds. For display: a URI may look like a host.
 *
 * @example No certificate, no names
 * ```ts
 * import { peerSubjectAltNameValues } from "@helyos/tls";
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(peerSubjectAltNameValues(undefined), []);
 * ```
 * @param certificate The certificate, if there is one.
 * @returns The names in order, duplicates kept.
 */
export function peerSubjectAltNameValues(certificate: PeerCertificateInput): string[] {
  return peerSubjectAltNames(certificate).map((name) => name.value);
}

/**
 * Tells who a certificate says its holder is. It verifies nothing.
 *
 * @example No certificate, nobody
 * ```ts
 * import { peerIdentity } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * equal(peerIdentity(null), null);
 * ```
 * @param certificate The certificate, if there is one.
 * @returns Its SPIFFE ID, common name and alternative names; `null` if it is no certificate.
 */
export function peerIdentity(certificate: PeerCertificateInput): PeerIdentity | null {
  if (read(certificate) === null) return null;
  const subjectAltNames = peerSubjectAltNames(certificate);
  const commonName = peerCommonName(certificate);
  const uris = subjectAltNames.filter((name) => name.kind === "uri");
  // X509-SVID §2: a certificate with more than one URI is no SVID, and must not be taken for either.
  const spiffeId = uris.length === 1 && uris[0]!.value.length <= 2048 && SPIFFE_ID.test(uris[0]!.value)
    ? uris[0]!.value
    : null;
  return Object.freeze({ spiffeId, commonName, subjectAltNames, name: spiffeId ?? commonName });
}

/** Makes the {@linkcode Peer} of a verified certificate; parsing and identity come when they are asked for. */
export function peerOf(certificate: Certificate): Peer {
  const raw = certificate.der;
  parsed.set(raw, certificate);
  let identity: PeerIdentity | undefined;
  let summary: PeerCertificateSummary | undefined;
  return Object.freeze({
    raw,
    get certificate() {
      return summary ??= summaryOf(certificate);
    },
    get identity() {
      return identity ??= peerIdentity(raw)!;
    },
  });
}

function summaryOf(certificate: Certificate): PeerCertificateSummary {
  const { serial, subject, issuer, notBefore, notAfter, der } = certificate;
  return Object.freeze({
    serial,
    subject: subject.toString(),
    issuer: issuer.toString(),
    notBefore,
    notAfter,
    fingerprint256: createHash("sha256").update(der).digest("hex").match(/../g)!.join(":"),
  });
}
