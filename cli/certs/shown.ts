/**
 * Certificates as `inspect` shows them: out of a file, of a service, or as a server presents them.
 *
 * @module
 */
import {
  type Certificate,
  type CertificateDetails,
  inspect,
  lint,
  type LintFinding,
  parseCertificate,
} from "@helyos/pki";
import { parseCertificates } from "@helyos/pki";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { CliError } from "../failure.ts";

/** A certificate with where it was found. */
export interface Shown {
  /** The file, or the address. */
  readonly source: string;
  /** What it says. */
  readonly details: CertificateDetails;
  /** What is wrong with how it is built. */
  readonly findings: readonly LintFinding[];
}

/**
 * Reads the certificates of a file.
 *
 * @param bytes The file: PEM, with anything beside them, or DER.
 * @param source Its name.
 * @returns The certificates, in order.
 * @throws {CliError} If there is none, or one cannot be read.
 */
export function certificatesOf(bytes: Uint8Array, source: string): Certificate[] {
  try {
    if (bytes[0] === 0x30) return [parseCertificate(bytes)];
    const text = new TextDecoder().decode(bytes);
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    const certificates = parseCertificates(blocks.length > 0 ? `${blocks.join("\n")}\n` : text);
    if (certificates.length > 0) return certificates;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`cannot read ${source}: ${why}`, { code: "unreadable", cause });
  }
  throw new CliError(`cannot read ${source}: there is no certificate in it`, { code: "unreadable" });
}

/**
 * Everything a certificate says.
 *
 * @param certificate The certificate.
 * @param source Where it was found.
 * @returns What it says.
 */
export function shown(certificate: Certificate, source: string): Shown {
  return { source, details: inspect(certificate), findings: lint(certificate) };
}

/** An address as it was typed. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `HOST:PORT`.
 *
 * @param text What was typed; an IPv6 address stands in brackets.
 * @returns The address; undefined when it is none.
 */
export function readAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host !== undefined && port > 0 && port < 65_536 ? { host, port } : undefined;
}

const TIMEOUT_MS = 10_000;

/**
 * The certificates a server presents. Nothing is trusted and nothing is sent: they are looked at, not believed.
 *
 * @param address Where it serves.
 * @returns What it presents, its own first.
 * @throws {CliError} If nothing answers there, or not in TLS.
 */
export function presentedBy({ host, port }: Address): Promise<Certificate[]> {
  const where = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const { promise, resolve, reject } = Promise.withResolvers<Certificate[]>();
  const fail = (why: string, cause?: unknown) =>
    reject(new CliError(`cannot see what ${where} presents: ${why}`, { code: "unreachable", cause }));
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  }, () => {
    try {
      resolve(chainOf(socket.getPeerCertificate(true)).map((der) => parseCertificate(der)));
    } catch (cause) {
      fail(cause instanceof Error ? cause.message : String(cause), cause);
    }
    socket.destroy();
  });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} seconds`)));
  socket.once("error", (cause) => fail(cause.message, cause));
  socket.once("close", () => fail("it closed the connection"));
  return promise.finally(() => socket.destroy());
}

/** The last one of a chain names itself as its issuer. */
function chainOf(leaf: DetailedPeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw && !seen.has(at.fingerprint256);) {
    seen.add(at.fingerprint256);
    chain.push(new Uint8Array(at.raw));
    at = at.issuerCertificate;
  }
  return chain;
}
