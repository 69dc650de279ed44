/**
 * The roots of the system: those of the operating system and of the company, not a list that a runtime brought along.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "@helyos/pki";
import { Buffer } from "node:buffer";
import { getCACertificates } from "node:tls";
import { reasonOf } from "./certificates.ts";
import { PinningError } from "./errors.ts";

/**
 * Reads the system's roots, or the file that `SSL_CERT_FILE` names.
 *
 * @returns Each in PEM; undefined if the program may not read them (`--allow-sys`), so that the runtime's list counts.
 * @throws {PinningError} `invalid_ca` if they cannot be read, or there are none.
 */
export function systemRoots(): string[] | undefined {
  let roots: string[];
  try {
    roots = getCACertificates("system");
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NotCapable") return undefined;
    throw new PinningError("invalid_ca", `Cannot read the system's roots: ${reasonOf(cause)}`, { cause });
  }
  if (roots.length === 0) throw new PinningError("invalid_ca", "Cannot use the system's roots: there are none");
  return roots;
}

/**
 * Picks the roots a chain could end in, so that not all of them are read.
 *
 * @param roots Every root in PEM; undefined for the runtime's own list, which cannot be read.
 * @param chain What the server presented.
 * @param authorized Whether the platform's TLS found a root for it.
 * @returns The candidates.
 */
export function anchorsFor(
  roots: readonly string[] | undefined,
  chain: readonly Certificate[],
  authorized: boolean,
): Certificate[] {
  // The platform hands over the chain it built; its last certificate is the root it found, if it found one.
  if (roots === undefined) return authorized ? chain.slice(-1) : [];
  return roots.flatMap((pem) => {
    const der = Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ""), "base64");
    // A hundred roots and more: only those that hold the name of an issuer are read.
    if (!chain.some((certificate) => der.includes(certificate.issuer.der))) return [];
    try {
      return [parseCertificate(new Uint8Array(der))];
    } catch {
      // A system may hold roots that break the rules of DER; they vouch for nobody here.
      return [];
    }
  });
}
