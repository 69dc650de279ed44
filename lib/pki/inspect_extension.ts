/**
 * What extensions say that nobody needs to verify a certificate, and people ask about all the same.
 *
 * @module
 */
import type { Certificate } from "./certificate.ts";
import { countOf, DerReader, type DerValue, hexOf, readWhole, stringOf, Tag } from "./der.ts";
import { PkiError } from "./errors.ts";
import { certificatePoliciesOf } from "./extension.ts";
import { ExtensionId, QualifierId } from "./oid.ts";

/** A promise of a log of Certificate Transparency to hold a certificate (RFC 6962 §3.2). It is not verified. */
export interface LogPromise {
  /** Which log: the SHA-256 of its key, in hex. */
  readonly logId: string;
  /** When it saw the certificate. */
  readonly timestamp: Date;
}

/** What policies say to people (RFC 5280 §4.2.1.4). */
export interface PolicyTexts {
  /** Where statements of practice are. */
  readonly statements: readonly string[];
  /** What is to be shown to whoever relies on it. */
  readonly notices: readonly string[];
}

/**
 * Reads the promises in a certificate (RFC 6962 §3.3).
 * @param certificate The certificate.
 * @returns The promises; none, when it has none.
 * @throws {PkiError} `invalid_der` if they cannot be read.
 */
export function logPromisesOf(certificate: Certificate): LogPromise[] {
  const value = valueOf(certificate, ExtensionId.signedCertificateTimestamps);
  if (value === undefined) return [];
  const what = "signed certificate timestamps";
  const reader = new DerReader(value);
  const list = reader.read(Tag.OCTET_STRING, what).content;
  reader.end(what);
  const rest = new Opaque(list, what);
  const all = rest.take();
  rest.end();
  const promises: LogPromise[] = [];
  const entries = new Opaque(all, what);
  while (!entries.done) promises.push(promiseOf(entries.take(), what));
  return promises;
}

/** `SignedCertificateTimestamp`: version 0, 32 octets of the log, 8 of the time, extensions, a signature. */
function promiseOf(octets: Uint8Array, what: string): LogPromise {
  if (octets.length < 47 || octets[0] !== 0) refuse(what);
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const milliseconds = Number(view.getBigUint64(33));
  const timestamp = new Date(milliseconds);
  if (Number.isNaN(timestamp.valueOf())) refuse(what);
  return { logId: hexOf(octets.subarray(1, 33)), timestamp };
}

/** Vectors of TLS, each behind two octets of length (RFC 8446 §3.4). */
class Opaque {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(): Uint8Array {
    const start = this.#at + 2;
    if (start > this.#bytes.length) refuse(this.#what);
    const end = start + this.#bytes[this.#at]! * 256 + this.#bytes[this.#at + 1]!;
    if (end > this.#bytes.length) refuse(this.#what);
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }

  end(): void {
    if (!this.done) refuse(this.#what);
  }
}

/**
 * Reads what the policies of a certificate say to people.
 * @param certificate The certificate.
 * @returns Their texts; those alone that can be read.
 */
export function policyTextsOf(certificate: Certificate): PolicyTexts {
  const statements: string[] = [];
  const notices: string[] = [];
  const value = valueOf(certificate, ExtensionId.certificatePolicies);
  if (value === undefined) return { statements, notices };
  for (const { qualifiers } of certificatePoliciesOf(value)) {
    for (const { kind, value } of qualifiers) {
      const text = readable(value, kind);
      if (text !== undefined) (kind === QualifierId.statement ? statements : notices).push(text);
    }
  }
  return { statements, notices };
}

function readable(value: DerValue, kind: string): string | undefined {
  try {
    if (kind === QualifierId.statement) return stringOf(value, "a statement of practice");
    if (kind !== QualifierId.notice || value.tag !== Tag.SEQUENCE) return undefined;
    const notice = DerReader.inside(value);
    notice.optional(Tag.SEQUENCE, "a reference to a notice");
    return notice.done ? undefined : stringOf(notice.next("a notice"), "a notice");
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}

/**
 * Reads which extensions of TLS a server must speak (RFC 7633), as `5` for a stapled status.
 * @param certificate The certificate.
 * @returns Their numbers; none, when it says nothing.
 * @throws {PkiError} `invalid_der` if they cannot be read.
 */
export function tlsFeaturesOf(certificate: Certificate): number[] {
  const value = valueOf(certificate, ExtensionId.tlsFeature);
  if (value === undefined) return [];
  const reader = readWhole(value, Tag.SEQUENCE, "tlsFeature");
  const features: number[] = [];
  while (!reader.done) features.push(countOf(reader.read(Tag.INTEGER, "tlsFeature"), "tlsFeature"));
  return features;
}

function valueOf({ extensions }: Certificate, id: string): Uint8Array | undefined {
  return extensions.find((extension) => extension.id === id)?.value;
}

function refuse(what: string): never {
  throw new PkiError("invalid_der", `Cannot read DER: ${what} are malformed`);
}
