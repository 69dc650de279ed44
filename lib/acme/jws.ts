/**
 * Signed requests: JSON Web Signatures with an EC P-256 account key (RFC 7515, RFC 7518 §3.4, RFC 8555 §6.2).
 *
 * @module
 */
import type { KeyPair } from "@helyos/pki";

/** Base64url without padding (RFC 7515 §2). */
export function base64url(data: Uint8Array | string): string {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The public key as a JWK, its members in the order of RFC 7638 §3.3. */
export async function publicJwk(key: KeyPair): Promise<Readonly<Record<"crv" | "kty" | "x" | "y", string>>> {
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", key.publicKey);
  return { crv: crv!, kty: kty!, x: x!, y: y! };
}

/** The key's thumbprint (RFC 7638), which answers to challenges are made of (RFC 8555 §8.1). */
export async function thumbprint(key: KeyPair): Promise<string> {
  const text = JSON.stringify(await publicJwk(key));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** Signs a request body; a payload of undefined is a POST-as-GET (RFC 8555 §6.3). */
export async function signJws(
  key: KeyPair,
  header: Readonly<Record<string, unknown>>,
  payload: unknown,
): Promise<string> {
  const encodedHeader = base64url(JSON.stringify({ alg: "ES256", ...header }));
  const encodedPayload = payload === undefined ? "" : base64url(JSON.stringify(payload));
  const input = new TextEncoder().encode(`${encodedHeader}.${encodedPayload}`);
  // Web Crypto's raw r‖s is what JWS wants (RFC 7518 §3.4).
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, input);
  return JSON.stringify({
    protected: encodedHeader,
    payload: encodedPayload,
    signature: base64url(new Uint8Array(signature)),
  });
}

/** Binds the account key to an account made elsewhere (RFC 8555 §7.3.4). */
export async function bindExternalAccount(
  key: KeyPair,
  account: { readonly keyId: string; readonly hmacKey: string },
  url: string,
): Promise<unknown> {
  // CAs hand the key out in base64url; some pages show it in plain base64.
  const text = account.hmacKey.trim().replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  const secret = Uint8Array.fromBase64(text, { alphabet: "base64url" });
  const hmac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const header = base64url(JSON.stringify({ alg: "HS256", kid: account.keyId, url }));
  const payload = base64url(JSON.stringify(await publicJwk(key)));
  const signature = await crypto.subtle.sign("HMAC", hmac, new TextEncoder().encode(`${header}.${payload}`));
  return { protected: header, payload, signature: base64url(new Uint8Array(signature)) };
}
