/**
 * The control plane's CA in every form a person may compare it by.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { parseCertificate } from "@helyos/pki";
import { readFileIfAny } from "../store/private_files.ts";
import { FILES } from "./material.ts";

/** What `helyosd ca` prints. Each fingerprint is lower-case hex in pairs joined by colons. */
export interface CaDescription {
  /** The certificate, byte for byte as `/api/v1/ca` offers it. */
  readonly pem: string;
  /** SHA-256 of the bytes of {@linkcode CaDescription.pem}: the value that contexts pin. */
  readonly sha256: string;
  /** SHA-256 of the certificate's DER, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly derSha256: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo). */
  readonly spkiSha256: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Describes a CA certificate.
 *
 * @throws {PkiError} If `pem` is not one certificate.
 */
export function describeCa(pem: string): CaDescription {
  const { der, spki, notBefore, notAfter } = parseCertificate(pem);
  return { pem, sha256: sha256(pem), derSha256: sha256(der), spkiSha256: sha256(spki), notBefore, notAfter };
}

/** The CA of a data directory, while a daemon runs there or not; undefined when there is none. */
export async function readCa(dataDir: string): Promise<CaDescription | undefined> {
  const bytes = await readFileIfAny(`${dataDir}/${FILES.ca}`);
  return bytes && describeCa(new TextDecoder().decode(bytes));
}

/** SHA-256 as the contract writes it: lower-case pairs joined by colons. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").replace(/(..)(?=.)/g, "$1:");
}
