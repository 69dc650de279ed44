/**
 * Does a certificate speak for the name a client wanted? RFC 9525: only the subject alternative name is asked.
 *
 * @module
 */
import type { Certificate } from "./certificate.ts";
import { sameBytes } from "./der.ts";
import { addressOctets } from "./general_name.ts";

/** The name a peer must prove to hold: exactly one of these. */
export type ReferenceName =
  /** A host name; Unicode is compared in its ASCII form. */
  | { readonly dns: string }
  /** An IPv4 or IPv6 address. */
  | { readonly ip: string }
  /** A mailbox. */
  | { readonly email: string }
  /** A URI, compared as a whole (RFC 5280 §7.4). */
  | { readonly uri: string };

/**
 * Compares a wanted name with the names in a certificate as RFC 9525 says.
 *
 * The common name is never looked at (§2). A wildcard is the whole left-most label and stands for one label (§6.3);
 * an address matches an address alone, never text that looks like one (§6.4). This says nothing about whether the
 * certificate can be trusted: `verifyChain` does.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, issueCertificate, matchesName, parseCertificate } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const ca = await createRootCa({ commonName: "Example CA", key });
 * const { pem } = await issueCertificate({
 *   issuer: { certificate: ca.pem, key },
 *   profile: "server",
 *   publicKey: (await generateKeyPair()).publicKey,
 *   commonName: "db.internal",
 *   names: { dns: ["db.internal"] },
 * });
 * const certificate = parseCertificate(pem);
 *
 * equal(matchesName(certificate, { dns: "DB.internal" }), true);
 * equal(matchesName(certificate, { dns: "other.internal" }), false);
 * ```
 * @param certificate The certificate of the peer.
 * @param name The name that was wanted.
 * @returns Whether the certificate holds it.
 * @throws {TypeError} If `name` is not one of `dns`, `ip`, `email` and `uri` with a string.
 */
export function matchesName(certificate: Certificate, name: ReferenceName): boolean {
  const [kind, value] = referenceOf(name);
  const held = certificate.names.filter((held) => held.kind === kind);
  switch (kind) {
    case "dns": {
      const wanted = dnsReference(value);
      return wanted !== undefined && held.some((held) => matchesDns(held.value, wanted));
    }
    case "ip": {
      const wanted = addressOctets(value);
      return wanted !== undefined && held.some((held) => sameBytes(held.bytes, wanted));
    }
    case "email": {
      const wanted = mailboxKey(value);
      return wanted !== undefined && held.some((held) => mailboxKey(held.value) === wanted);
    }
    case "uri": {
      const wanted = uriKey(value);
      return wanted !== undefined && held.some((held) => uriKey(held.value) === wanted);
    }
  }
}

/** @internal Takes a reference name apart, or throws what misuse throws. */
export function referenceOf(name: ReferenceName): ["dns" | "ip" | "email" | "uri", string] {
  const entries = typeof name === "object" && name !== null ? Object.entries(name) : [];
  const [kind, value] = entries[0] ?? [];
  if (
    entries.length !== 1 || typeof value !== "string" ||
    (kind !== "dns" && kind !== "ip" && kind !== "email" && kind !== "uri")
  ) {
    throw new TypeError("A name to match is exactly one of { dns }, { ip }, { email } and { uri }, with a string");
  }
  return [kind, value];
}

/** Octets in a host name (RFC 1034 §3.1). */
const MOST_OCTETS = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Spells a host name for comparing: lower case, ASCII (RFC 5890), without the dot of the root.
 * @internal
 * @param text The name, in Unicode or ASCII.
 * @returns The name, or nothing if it is none: an address, an empty or over-long label.
 */
export function dnsReference(text: string): string | undefined {
  // deno-lint-ignore no-control-regex
  let name = /^[\x00-\x7f]*$/.test(text) ? text : asciiHost(text);
  if (name === undefined) return undefined;
  name = name.toLowerCase();
  if (name.endsWith(".")) name = name.slice(0, -1);
  return isHostName(name) && addressOctets(name) === undefined ? name : undefined;
}

function asciiHost(text: string): string | undefined {
  // Only what is a host and nothing more: no port, user, path, percent-encoding. None is longer than its ASCII form, but
  // that a character may be two units here; and how long normalizing takes grows with the square.
  if (text.length > 2 * MOST_OCTETS || /[\s/\\?#@:%[\]]/.test(text)) return undefined;
  try {
    return new URL(`http://${text}`).hostname;
  } catch {
    return undefined;
  }
}

/** @internal Whether text is a sequence of DNS labels in lower case. */
export function isHostName(name: string): boolean {
  return name.length <= MOST_OCTETS && name.split(".").every((label) => LABEL.test(label));
}

/** RFC 9525 §6.3, both in lower case. */
function matchesDns(presented: string, wanted: string): boolean {
  const name = presented.toLowerCase();
  if (!name.startsWith("*.")) return name === wanted;
  const dot = wanted.indexOf(".");
  const suffix = name.slice(2);
  // Any other asterisk, and a wildcard alone, fails here.
  return dot > 0 && isHostName(suffix) && wanted.slice(dot + 1) === suffix;
}

/** @internal A mailbox for comparing (RFC 5280 §7.5): the host without regard to case, the rest exactly. */
export function mailboxKey(text: string): string | undefined {
  const mailbox = mailboxOf(text);
  return mailbox === undefined ? undefined : `${mailbox.local}@${mailbox.host}`;
}

/** @internal Takes a mailbox apart (RFC 5321 §4.1.2); a quoted local part loses quotes it does not need. */
export function mailboxOf(text: string): { local: string; host: string } | undefined {
  const match = /^("(?:[^"\\\r\n]|\\[\x20-\x7e])+"|[^\s"@(),:;<>[\\\]]+)@([^@]+)$/u.exec(text);
  if (match === null) return undefined;
  const host = dnsReference(match[2]!);
  if (host === undefined || match[2]!.endsWith(".")) return undefined;
  let local = match[1]!;
  if (local.startsWith('"')) {
    const bare = local.slice(1, -1).replace(/\\(.)/g, "$1");
    local = isDotAtom(bare) ? bare : `"${bare.replace(/["\\]/g, "\\$&")}"`;
  } else if (!isDotAtom(local)) {
    return undefined;
  }
  return { local, host };
}

function isDotAtom(text: string): boolean {
  return /^[^\s"@(),:;<>[\\\].]+(?:\.[^\s"@(),:;<>[\\\].]+)*$/u.test(text);
}

/** @internal A URI for comparing (RFC 5280 §7.4): scheme and host without regard to case, the rest exactly. */
export function uriKey(text: string): string | undefined {
  const parts = uriOf(text);
  if (parts === undefined) return undefined;
  const { scheme, user, host, port, rest } = parts;
  return host === undefined ? `${scheme}:${rest}` : `${scheme}://${user}${host}${port}${rest}`;
}

/** @internal Takes a URI apart (RFC 3986 §3). */
export function uriOf(
  text: string,
): { scheme: string; user: string; host: string | undefined; port: string; rest: string } | undefined {
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?([^\s]*)$/i.exec(text);
  if (match === null) return undefined;
  const scheme = match[1]!.toLowerCase();
  const authority = match[2];
  if (authority === undefined) return { scheme, user: "", host: undefined, port: "", rest: match[3]! };
  const at = authority.lastIndexOf("@");
  const place = /^(\[[^\]]*\]|[^:[\]]*)(:\d*)?$/.exec(authority.slice(at + 1));
  if (place === null) return undefined;
  const user = authority.slice(0, at + 1);
  return { scheme, user, host: place[1]!.toLowerCase(), port: place[2] ?? "", rest: match[3]! };
}
