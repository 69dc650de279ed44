import { type PeerCertificateInput, peerCommonName, peerSubjectAltNames } from "./peer.ts";

/** Decides by a verified certificate who a client is. */
export interface CertAuthenticator {
  /**
   * Names the client, or refuses it.
   *
   * It trusts that the connection verified the certificate: it looks at names, not at issuer, dates or use.
   *
   * @param certificate The client's certificate, if it showed one.
   * @returns The name that was allowed, or `null`. Never throws.
   */
  authorize(certificate: PeerCertificateInput): string | null;
}

/**
 * Allows clients by the common name of their certificate: exact, case-sensitive, no wildcards.
 *
 * The set is copied: adding a name to yours later allows nobody. It does not protect against a CA in your configuration
 * that gives the same common name to two holders; {@linkcode sanAuthenticator} with a URI is the stricter choice.
 *
 * @example Without a certificate nobody is allowed
 * ```ts
 * import { certAuthenticator } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * const devices = certAuthenticator({ allowedCns: ["device-01", "device-02"] });
 * equal(devices.authorize(null), null);
 * ```
 * @param options The common names to allow.
 * @returns The authenticator; it names clients by their common name.
 * @throws {TypeError} If `allowedCns` is a string, which would allow each of its letters.
 */
export function certAuthenticator(options: { readonly allowedCns: Iterable<string> }): CertAuthenticator {
  const allowed = setOf(options.allowedCns, "allowedCns");
  return Object.freeze({
    authorize(certificate: PeerCertificateInput): string | null {
      const name = peerCommonName(certificate);
      return name !== null && allowed.has(name) ? name : null;
    },
  });
}

/**
 * Allows clients by a DNS name or URI among the alternative names of their certificate, each compared with its own kind.
 *
 * DNS names compare without regard to case (RFC 4343), URIs exactly. There are no patterns: a certificate for
 * `*.example.com` is allowed only by that very text.
 *
 * @example Allow one SPIFFE ID
 * ```ts
 * import { sanAuthenticator } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * const payments = sanAuthenticator({ uris: ["spiffe://example.org/payments"] });
 * equal(payments.authorize(undefined), null);
 * ```
 * @param options The names to allow.
 * @returns The authenticator; it names clients by the first of their names that is allowed.
 * @throws {TypeError} If a list is a string.
 */
export function sanAuthenticator(
  options: { readonly dns?: Iterable<string>; readonly uris?: Iterable<string> },
): CertAuthenticator {
  const dns = new Set([...setOf(options.dns ?? [], "dns")].map(lowerAscii));
  const uris = setOf(options.uris ?? [], "uris");
  return Object.freeze({
    authorize(certificate: PeerCertificateInput): string | null {
      for (const { kind, value } of peerSubjectAltNames(certificate)) {
        if (kind === "dns" && dns.has(lowerAscii(value))) return lowerAscii(value);
        if (kind === "uri" && uris.has(value)) return value;
      }
      return null;
    },
  });
}

function setOf(names: Iterable<string>, what: string): Set<string> {
  if (typeof names === "string") throw new TypeError(`Cannot allow names: ${what} is a string, not a list of strings`);
  const set = new Set(names);
  for (const name of set) {
    if (typeof name !== "string") {
      throw new TypeError(`Cannot allow names: ${what} holds something that is not a string`);
    }
  }
  return set;
}

/** Only A to Z: other letters have no case in a DNS name, and folding them could make two names one. */
function lowerAscii(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
