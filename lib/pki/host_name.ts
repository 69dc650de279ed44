/**
 * Host names as certificates may hold them: judged, and brought to their one spelling.
 *
 * @module
 */
import { PkiError } from "./errors.ts";
import { addressOctets } from "./general_name.ts";

/** Options of {@linkcode canonicalHostName}. */
export interface HostNameOptions {
  /**
   * Whether the first label may be `*`.
   * @default {false}
   */
  readonly wildcard?: boolean;
}

/** Octets in a name and in a label (RFC 1034 §3.1). */
const MOST_OCTETS = 253;
const MOST_LABEL_OCTETS = 63;

/** RFC 5892 §2, near enough: letters, digits and marks, and the exceptions of §2.6 and §A that need no context. */
const IDN_LABEL = /^[\p{Ll}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\u06fd\u06fe\u0f0b\u3007\u30fb\u00b7\u0375\u05f3\u05f4-]+$/u;

/**
 * Judges a host name and spells it as a certificate holds it: lower case, A-labels (RFC 5280 §7.2, RFC 9549 §2.2).
 *
 * An underscore is let through although RFC 1034 knows none: container networks name hosts so, and every verifier in use
 * matches it.
 *
 * @param text The name, in any case, with Unicode or A-labels.
 * @param options What is allowed.
 * @returns The name, at most 253 octets of ASCII.
 * @throws {PkiError} `invalid_name` if it could not stand in a certificate, or would not be matched there.
 */
export function canonicalHostName(text: string, options: HostNameOptions = {}): string {
  const refuse = (why: string): never => {
    throw new PkiError("invalid_name", `Cannot use ${JSON.stringify(text)} as a DNS name: ${why}`);
  };
  if (text === "") return refuse("it is empty");
  // Before any mapping: what maps to a dot, a slash or a digit must not get past the rules below.
  const ascii = /^[\x21-\x7e]*$/.test(text);
  const rest = text.startsWith("*.") ? text.slice(2) : text;
  if (ascii ? !/^[A-Za-z0-9._-]*$/.test(rest) : /[\0-,/:-@[-^`{-\x7f]|\p{C}|\p{Z}/u.test(rest)) {
    return refuse(
      rest.includes("*") ? "only a whole first label may be a wildcard" : "it holds a character no host has",
    );
  }
  const name = toAscii(rest) ?? refuse("it is no valid internationalized name");
  const labels = name.split(".");
  if (labels.includes("")) return refuse("a label is empty");
  if (labels.some((label) => label.length > MOST_LABEL_OCTETS)) return refuse("a label is longer than 63 octets");
  if (labels.some((label) => !/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/.test(label))) {
    return refuse("a label begins or ends with a hyphen, or holds a character no host has");
  }
  // WHATWG URL "ends in a number": clients take such a name for an IPv4 address and look for an address instead.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return refuse("it is an IP address, or is taken for one");
  if (rest === text) return name.length > MOST_OCTETS ? refuse("it is longer than 253 octets") : name;

  // RFC 9525 §6.3: `*` alone, as the first label. Most clients ask for two labels after it.
  if (!options.wildcard) return refuse("a wildcard is not allowed here");
  if (labels.length < 2) return refuse("a wildcard needs at least two labels after it");
  return name.length + 2 > MOST_OCTETS ? refuse("it is longer than 253 octets") : `*.${name}`;
}

declare const process: { getBuiltinModule(id: "node:url"): typeof import("node:url") };

/** A-labels of a name, if all its labels are ASCII or sound IDNA 2008. */
function toAscii(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (/^[\x21-\x7e]*$/.test(text) && !/(^|\.)xn--/.test(lower)) return lower;
  // Loaded when it is first used: most names are ASCII.
  const { domainToASCII, domainToUnicode } = process.getBuiltinModule("node:url");
  const name = domainToASCII(text);
  if (name === "") return undefined;
  for (const label of name.split(".")) {
    if (!label.startsWith("xn--")) continue;
    const unicode = domainToUnicode(label);
    // RFC 5891 §4.2, §5.4: an A-label is one only if it comes back; it begins with no mark and holds what IDNA allows.
    if (unicode === label || domainToASCII(unicode) !== label) return undefined;
    if (!IDN_LABEL.test(unicode) || /^\p{M}/u.test(unicode) || unicode !== unicode.normalize("NFC")) return undefined;
  }
  return name;
}

/**
 * Judges an IP address.
 *
 * @param text The address as people write it; no port, zone, brackets or prefix length.
 * @returns Four or sixteen octets.
 * @throws {PkiError} `invalid_name` if it is no address.
 */
export function addressBytes(text: string): Uint8Array {
  const octets = addressOctets(text);
  if (octets === undefined) throw new PkiError("invalid_name", `Cannot use ${JSON.stringify(text)}: not an IP address`);
  return octets;
}

/**
 * Judges a block of IP addresses.
 *
 * @param text An address and a prefix length, as in `10.0.0.0/8`; without a length the one address.
 * @returns The address followed by its mask, as RFC 5280 §4.2.1.10 writes it.
 * @throws {PkiError} `invalid_name` if it is no block, or the address has bits that its mask does not cover.
 */
export function addressBlock(text: string): Uint8Array {
  const [, address = "", length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const octets = addressBytes(address === "" ? text : address);
  const bits = length === undefined ? octets.length * 8 : Number(length);
  if (bits > octets.length * 8) {
    throw new PkiError("invalid_name", `Cannot use ${JSON.stringify(text)}: a prefix of ${bits} bits is too long`);
  }
  const mask = octets.map((_, i) => 0xff & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))));
  if (octets.some((octet, i) => (octet & ~mask[i]!) !== 0)) {
    throw new PkiError("invalid_name", `Cannot use ${JSON.stringify(text)}: the address goes beyond its prefix`);
  }
  return Uint8Array.from([...octets, ...mask]);
}
