/**
 * How certificates are ordered here.
 *
 * @module
 */

import type { KeyAlgorithm } from "@helyos/pki";

/** Let's Encrypt's directories: production, and the one for trying things out. */
export const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";
export const LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory";

/** What the command line says about ACME. */
export interface AcmeSettings {
  /** Where certificates are ordered. */
  readonly directory: string;
  /** Where an order is tried first after one has failed, so that mistakes do not use up the rate limits that count. */
  readonly staging?: string;
  /** Where certificates are ordered while the first CA does not give any. */
  readonly fallback?: string;
  /** PEM of the CAs that these servers themselves are trusted by; the platform's roots when absent. */
  readonly ca?: string;
  readonly profile?: string;
  /** The kind of the certificates' keys; EC P-256 when absent. */
  readonly keyType?: KeyAlgorithm;
  /** Common name of the issuer at the top of the chain to choose, where the CA offers several. */
  readonly preferredChain?: string;
  /** An account made elsewhere (RFC 8555 §7.3.4), for servers that want one. */
  readonly externalAccount?: { readonly keyId: string; readonly hmacKey: string };
}

/** Kinds of keys that CAs sign and browsers take. */
export const KEY_TYPES = [
  "ec-p256",
  "ec-p384",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
] as const satisfies readonly KeyAlgorithm[];

/** The CAs certificates come from, the preferred one first. */
export function directoriesOf(settings: AcmeSettings): string[] {
  return settings.fallback === undefined ? [settings.directory] : [settings.directory, settings.fallback];
}
