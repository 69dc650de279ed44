/**
 * What is wrong with a certificate, found before a proxy meets it: none of them fails well.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { ServedCertificate } from "./backend.ts";

/** What is said of a key that no proxy here signs with. */
export const UNUSABLE_KEY = "its key is of a kind or size that cannot be served";

/** Why a certificate cannot be served, in a sentence without full stop; undefined when it can. */
export function flawOf({ certPem, keyPem }: Pick<ServedCertificate, "certPem" | "keyPem">): string | undefined {
  const chain = certPem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (chain === null) return "its certificate is no PEM";
  let leaf: X509Certificate;
  try {
    [leaf] = chain.map((one) => new X509Certificate(one)) as [X509Certificate];
  } catch {
    return "its certificate cannot be read";
  }
  try {
    const key = createPrivateKey(keyPem);
    if (!leaf.checkPrivateKey(key)) return "its key does not belong to its certificate";
    return isUsable(key) ? undefined : UNUSABLE_KEY;
  } catch {
    return "its private key cannot be read";
  }
}

/**
 * Whether every proxy here can sign with a key. Others make Caddy refuse its whole configuration without saying whose key it is, and end a
 * handshake of Deno's by an exception.
 */
function isUsable({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === "rsa") return (details?.modulusLength ?? 0) >= 2048;
  if (type === "ec") return ["prime256v1", "secp384r1", "secp521r1"].includes(details?.namedCurve ?? "");
  return type === "ed25519";
}
