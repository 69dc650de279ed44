/**
 * Names of subjects: judged before anything is signed, then written.
 *
 * @module
 */
import { ascii, objectIdentifier, primitive, sequence, setOf, utf8String } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { addressText } from "./general_name.ts";
import { addressBytes, canonicalHostName } from "./host_name.ts";

/** Names that a certificate is asked to hold in its subject alternative name (RFC 5280 §4.2.1.6). */
export interface SubjectNames {
  /** Host names; Unicode becomes A-labels. */
  readonly dns?: readonly string[];
  /** IPv4 and IPv6 addresses. */
  readonly ip?: readonly string[];
  /** Absolute URIs, such as `spiffe://cluster.internal/service`. */
  readonly uri?: readonly string[];
  /** Mail addresses. */
  readonly email?: readonly string[];
}

/** One name, judged. */
export interface JudgedName {
  /** What it names. */
  readonly kind: "dns" | "ip" | "uri" | "email";
  /** Its one spelling. */
  readonly value: string;
  /** The octets of the `GeneralName`. */
  readonly bytes: Uint8Array;
}

/** ub-common-name (RFC 5280 §A.1), in characters. */
const MOST_COMMON_NAME = 64;

/** Context tags of `GeneralName` (RFC 5280 §4.2.1.6). */
const TAGS = { email: 1, dns: 2, uri: 6, ip: 7 } as const;

function refuse(what: string, text: string, why: string): never {
  throw new PkiError("invalid_name", `Cannot use ${JSON.stringify(text)} as a ${what}: ${why}`);
}

/**
 * Judges a common name and brings it to its one spelling.
 *
 * @param text The name.
 * @param options Whether it must be that of a host.
 * @returns The name as it is written.
 * @throws {PkiError} `invalid_name` if it is empty, too long, or could be taken for more than it is when shown.
 */
export function canonicalCommonName(text: string, options: { readonly host: boolean }): string {
  if (text === "") refuse("common name", text, "it is empty");
  // Tools show names as one line of text: what separates parts there must not stand in one.
  if (/[/,+="\\<>;#]/.test(text)) refuse("common name", text, 'it holds one of / , + = " \\ < > ; #');
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) refuse("common name", text, "it holds a control or invisible character");
  if (text !== text.trim() || /\s\s/.test(text)) refuse("common name", text, "it has spaces at an end or in a run");
  const name = options.host ? hostOrAddress(text) : text.normalize("NFC");
  const length = [...name].length;
  if (length > MOST_COMMON_NAME) refuse("common name", text, `it has ${length} characters, 64 are the most`);
  return name;
}

function hostOrAddress(text: string): string {
  if (text.includes(":") || /^[\d.]+$/.test(text)) return addressText(addressBytes(text));
  return canonicalHostName(text, { wildcard: true });
}

/**
 * Judges names for a subject alternative name; what is there twice stays once.
 *
 * @param names The names.
 * @param options Whether host names may begin with a wildcard.
 * @returns The names in order: hosts, addresses, URIs, mail addresses.
 * @throws {PkiError} `invalid_name` for the first that must not stand in a certificate.
 */
export function judgeNames(names: SubjectNames, options: { readonly wildcard: boolean }): JudgedName[] {
  const judged = [
    ...(names.dns ?? []).map((text) => textName("dns", canonicalHostName(text, options))),
    ...(names.ip ?? []).map((text): JudgedName => {
      const bytes = addressBytes(text);
      return { kind: "ip", value: addressText(bytes), bytes };
    }),
    ...(names.uri ?? []).map((text) => textName("uri", canonicalUri(text))),
    ...(names.email ?? []).map((text) => textName("email", canonicalEmail(text))),
  ];
  const seen = new Set<string>();
  return judged.filter(({ kind, value }) => !seen.has(`${kind}:${value}`) && seen.add(`${kind}:${value}`));
}

function textName(kind: "dns" | "uri" | "email", value: string): JudgedName {
  return { kind, value, bytes: ascii(value) };
}

/** RFC 5280 §4.2.1.6: absolute, with a scheme and something of it; a host in it is a host or an address (RFC 3986). */
function canonicalUri(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/.test(text)) refuse("URI", text, "it is not an absolute URI in ASCII");
  if (/["<>\\^`{|}]|%(?![0-9A-Fa-f]{2})/.test(text)) refuse("URI", text, "it holds a character no URI has");
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(text)?.[1];
  if (authority === undefined) return text;
  const host = authority.replace(/^.*@/, "").replace(/:\d*$/, "");
  if (host.startsWith("[") && host.endsWith("]")) addressBytes(host.slice(1, -1));
  else if (/^[\d.]+$/.test(host)) addressBytes(host);
  else canonicalHostName(host);
  return text;
}

/** RFC 5280 §4.2.1.6: `Mailbox` of RFC 5321 §4.1.2 with an unquoted local part, and nothing around it. */
function canonicalEmail(text: string): string {
  const [, local = "", domain = ""] = /^([^@]*)@([^@]*)$/.exec(text) ?? [];
  if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(local) || local.length > 64) {
    refuse("mail address", text, "what stands before the @ is not a local part");
  }
  return `${local}@${canonicalHostName(domain)}`;
}

/**
 * Writes a name of one common name (RFC 5280 §4.1.2.4, §4.1.2.6).
 *
 * @param commonName The common name, judged.
 * @returns The DER of a `Name`.
 */
export function nameWithCommonName(commonName: string): Uint8Array {
  return sequence(setOf(sequence(COMMON_NAME, utf8String(commonName))));
}

const COMMON_NAME = objectIdentifier("2.5.4.3");

/**
 * Writes the value of a subject alternative name.
 *
 * @param names The names, judged; at least one.
 * @returns The DER of `GeneralNames`.
 */
export function generalNames(names: readonly JudgedName[]): Uint8Array {
  return sequence(...names.map(({ kind, bytes }) => primitive(TAGS[kind], bytes)));
}
