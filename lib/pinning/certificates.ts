/**
 * The door to `@helyos/pki`: certificates that came from outside, read and judged with this library's errors.
 *
 * @module
 */
import { type Certificate, parseCertificate, parseCertificates } from "@helyos/pki/verify";
import { PinningError } from "./errors.ts";

/** Longest PEM text of CAs read, in characters: a hundred times what one needs. */
const MAX_CA_TEXT = 1024 * 1024;

/**
 * Reads the certificates of a CA's PEM text.
 *
 * @param pem The text.
 * @param options `exactly`: how many there must be; any number but none, when left out.
 * @returns The certificates.
 * @throws {PinningError} `invalid_ca` if the text holds something else.
 */
export function readCertificates(pem: string, options: { readonly exactly?: number } = {}): Certificate[] {
  if (pem.length > MAX_CA_TEXT) {
    throw new PinningError("invalid_ca", `Cannot read the CA: its text has ${pem.length} characters`);
  }
  let certificates: Certificate[];
  try {
    certificates = parseCertificates(pem);
  } catch (cause) {
    throw new PinningError("invalid_ca", `Cannot read the CA: ${reasonOf(cause)}`, { cause });
  }
  if (options.exactly !== undefined && certificates.length !== options.exactly) {
    const found = `${certificates.length} certificates instead of ${options.exactly}`;
    throw new PinningError("invalid_ca", `Cannot read the CA: its text holds ${found}`);
  }
  return certificates;
}

/**
 * Reads the certificates a server presented.
 *
 * @param chain Each in DER, the server's own first.
 * @returns The certificates.
 * @throws {PinningError} `invalid_certificate` if one is none.
 */
export function readPresented(chain: readonly Uint8Array[]): [Certificate, ...Certificate[]] {
  try {
    const [leaf, ...rest] = chain.map((der) => parseCertificate(der));
    if (leaf !== undefined) return [leaf, ...rest];
  } catch (cause) {
    const message = `Cannot trust the server: its certificate cannot be read: ${reasonOf(cause)}`;
    throw new PinningError("invalid_certificate", message, { cause });
  }
  throw new PinningError("invalid_certificate", "Cannot trust the server: it presented no certificate");
}

/**
 * Refuses what could not be anybody's CA, and gives back the certificates that may sign others.
 *
 * Node's TLS takes whatever stands in `ca` for a trust anchor, a server's certificate and a dead CA included, so this
 * library looks first. RFC 5280 §4.2.1.9: only a certificate whose basicConstraints say so is a CA's; §4.2.1.3: if it has
 * a keyUsage, keyCertSign must be in it. Whether it is valid today is asked at each connection.
 *
 * @param pem The CA, or a bundle of several, in PEM.
 * @returns Those that may sign.
 * @throws {PinningError} `invalid_ca` if the text cannot be read or no certificate in it is a CA's.
 */
export function readAnchors(pem: string): Certificate[] {
  const certificates = readCertificates(pem);
  const anchors = certificates.filter((certificate) => whyNoCa(certificate) === undefined);
  if (anchors.length === 0) {
    throw new PinningError("invalid_ca", `Cannot trust this CA: its certificate ${whyNoCa(certificates[0]!)}`);
  }
  return anchors;
}

/**
 * Says why a certificate is not a CA's.
 *
 * @param certificate The certificate.
 * @returns The reason, to follow "its certificate"; undefined if it may sign others.
 */
export function whyNoCa(certificate: Certificate): string | undefined {
  if (!certificate.isCa) return "is not that of a CA";
  if (certificate.keyUsage && !certificate.keyUsage.has("keyCertSign")) return "may not sign certificates";
  return undefined;
}

/** What an error says, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
