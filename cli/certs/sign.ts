/**
 * Signing a request: the key was made elsewhere and stays there.
 *
 * @module
 */
import {
  type CertificateRequest,
  issueCertificate,
  type IssuedCertificate,
  parseRequest,
  PkiError,
  verifyRequest,
} from "@helyos/pki";
import { CliError } from "../failure.ts";
import type { CaSigner } from "./ca.ts";
import { issuedEntry, recordIssued } from "./issue.ts";

/** What a signed request may be used for. */
export type RequestedType = "client" | "server" | "peer";

/**
 * Reads a request and has it prove that its key is at hand where it was made.
 *
 * @param bytes The file: PEM or DER.
 * @param path Its name, for messages.
 * @returns The request.
 * @throws {CliError} If it cannot be read, or its signature is wrong.
 */
export async function readRequest(bytes: Uint8Array, path: string): Promise<CertificateRequest> {
  const refuse = (why: string, cause?: unknown) =>
    new CliError(`cannot sign ${path}: ${why}`, { code: "invalid_request", cause });
  let request: CertificateRequest;
  try {
    // DER starts with a SEQUENCE; PEM is text, in which this would be the digit zero.
    request = parseRequest(bytes[0] === 0x30 ? bytes : new TextDecoder().decode(bytes));
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (!await verifyRequest(request)) {
    throw refuse("its signature is wrong: it was changed, its key is another, or a key too weak to certify");
  }
  return request;
}

/**
 * What a request is for when nothing is said: who has names that others can call is a server.
 *
 * @param request The request.
 * @returns The kind.
 */
export function requestedType({ names }: CertificateRequest): RequestedType {
  return (names.dns?.length ?? 0) + (names.ip?.length ?? 0) > 0 ? "server" : "client";
}

/**
 * Signs a request and writes it down. The names are those it asks for: that they are the asker's is for the caller to know.
 * Only for who holds the store's lock.
 *
 * @param signer The CA.
 * @param request The request.
 * @param options What it is for, how long it lives, and the time.
 * @returns The certificate.
 * @throws {CliError} If it asks for what must not be signed.
 */
export async function signRequest(
  signer: CaSigner,
  request: CertificateRequest,
  options: { readonly type: RequestedType; readonly lifetimeSeconds: number; readonly now: Date },
): Promise<IssuedCertificate> {
  const { type, lifetimeSeconds, now } = options;
  const { dns = [], ip = [], uri = [], email = [] } = request.names;
  const commonName = request.subject.commonName ?? dns[0] ?? ip[0] ?? "";
  const unknown = request.requestedNames.length - (dns.length + ip.length + uri.length + email.length);
  try {
    if (unknown > 0) throw new PkiError("invalid_name", "it asks for a name of a kind we do not sign");
    const certificate = await issueCertificate({
      issuer: signer.issuer,
      profile: type,
      publicKey: request.spki,
      commonName,
      commonNameKind: "label",
      names: request.names,
      lifetimeSeconds,
      now,
    });
    await recordIssued(signer.ca.home, [
      issuedEntry(certificate, { service: commonName, type, key: "elsewhere", at: now }),
    ]);
    return certificate;
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CliError(`cannot sign the request: ${cause.message}`, { code: cause.code, cause });
  }
}
