/**
 * What callers hand in, read and checked.
 *
 * @module
 */
import { type Certificate, ParsedCertificate } from "../certificate.ts";
import { type Crl, readCrl } from "../crl.ts";
import { PkiError } from "../errors.ts";
import { pemDecode } from "../pem.ts";

/** Bytes or text that hold certificates: DER, PEM text, PEM text as bytes; or a certificate that was read before. */
export type CertificateInput = string | Uint8Array | Certificate;

/** A CRL: DER, PEM, or one that was read before. */
export type CrlInput = string | Uint8Array | Crl;

/** What could not be read. */
export interface Unreadable {
  /** What to tell people. */
  readonly reason: string;
}

/**
 * Reads certificates, as far as their structure; what is in extensions may still turn out to be unreadable.
 * @param input One, or a bundle in PEM.
 * @param what Which input it is, for messages.
 * @returns The certificates, or why they cannot be read.
 * @throws {TypeError} If the input is neither bytes nor text nor a certificate.
 */
export function readCertificates(input: CertificateInput, what: string): Certificate[] | Unreadable {
  if (typeof input !== "string" && !(input instanceof Uint8Array)) {
    if (isObjectWith(input, "tbs", "spki", "subject")) return [input];
    throw new TypeError(`${what} must be DER, PEM or a parsed certificate`);
  }
  return attempt(() => blocksOf(input, "CERTIFICATE").map((der) => new ParsedCertificate(der)), what);
}

/**
 * Reads CRLs.
 * @param input One, or several in PEM.
 * @returns The CRLs, or why they cannot be read.
 * @throws {TypeError} If the input is neither bytes nor text nor a CRL.
 */
export function readCrls(input: CrlInput): Crl[] | Unreadable {
  if (typeof input !== "string" && !(input instanceof Uint8Array)) {
    if (isObjectWith(input, "tbs", "revoked", "issuer")) return [input];
    throw new TypeError("A CRL must be DER, PEM or a parsed CRL");
  }
  return attempt(() => blocksOf(input, "X509 CRL").map(readCrl), "A CRL");
}

function isObjectWith(value: unknown, ...keys: string[]): boolean {
  return typeof value === "object" && value !== null && keys.every((key) => key in value);
}

function attempt<T>(read: () => T, what: string): T | Unreadable {
  try {
    return read();
  } catch (error) {
    if (error instanceof PkiError) return { reason: `${what} cannot be read: ${error.message}` };
    throw error;
  }
}

function blocksOf(input: string | Uint8Array, label: string): Uint8Array[] {
  // DER begins with the tag of a SEQUENCE, which is the digit 0 in ASCII: PEM in bytes begins with anything else.
  if (typeof input !== "string" && (input.length === 0 || input[0] === 0x30)) return [input];
  const text = typeof input === "string" ? input : new TextDecoder().decode(input);
  const blocks = pemDecode(text, label);
  if (blocks.length === 0) throw new PkiError("invalid_pem", `the text holds no ${label}`);
  return blocks.map((block) => block.der);
}
