/**
 * Public host names: read once at the door, so that whatever is generated from them later is safe.
 *
 * @module
 */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";

/** A host and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Longest name, without the dot at its end (RFC 1035 §2.3.4). */
const MAX_NAME = 253;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads a domain in any script and letter case.
 *
 * @param text What somebody typed, for example `Bücher.example` or `*.example.com`.
 * @returns Lower-case ASCII without a dot at the end.
 * @throws {RangeError} With what is wrong, as the end of a sentence that starts with the domain.
 */
export function parseDomain(text: string): string {
  const wildcard = text.startsWith("*.");
  const name = (wildcard ? text.slice(2) : text).replace(/\.$/, "");
  if (name === "") throw new RangeError("is empty");
  if (name.includes("*")) {
    throw new RangeError("may have a wildcard as its whole first label alone, as in *.example.com");
  }
  // What a URL parser would take for another part of a URL, or drop; and white space, quotes and control characters anywhere
  // deno-lint-ignore no-control-regex -- exactly those are refused
  if (/[\x00-\x2c\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]/.test(name)) {
    throw new RangeError("has characters that no host name has; give the name alone, such as api.example.com");
  }
  // RFC 5891 by way of UTS 46, as browsers do it; empty when there is no such name
  const ascii = domainToASCII(name).toLowerCase();
  if (ascii === "") throw new RangeError("is no host name");
  if (isIP(ascii) !== 0) throw new RangeError("is an IP address; a route needs a name");
  if (ascii.length + (wildcard ? 2 : 0) > MAX_NAME) throw new RangeError(`is longer than ${MAX_NAME} characters`);
  const labels = ascii.split(".");
  for (const label of labels) {
    if (label === "") throw new RangeError("has an empty label");
    if (label.length > 63) throw new RangeError("has a label longer than 63 characters");
    if (!LABEL.test(label)) throw new RangeError(`has the label "${label}", which no host name may have`);
  }
  // WHATWG URL: a name whose last label is a number is taken for an IPv4 address by clients
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) {
    throw new RangeError("ends in a number, so clients take it for an address");
  }
  if (wildcard && labels.length < 2) throw new RangeError("is a wildcard for a whole top-level domain");
  return wildcard ? `*.${ascii}` : ascii;
}

/** The wildcard that covers a name: `*.` and what follows its first label (RFC 9525 §6.3); undefined for a wildcard itself. */
export function wildcardAbove(domain: string): string | undefined {
  const dot = domain.indexOf(".");
  return domain.startsWith("*.") || dot < 0 ? undefined : `*${domain.slice(dot)}`;
}

/**
 * Reads `HOST:PORT`.
 *
 * @param text For example `10.0.0.7:8080`, `app.internal:80` or `[::1]:3000`.
 * @returns Host without brackets, lower-case, and port.
 * @throws {RangeError} With what is wrong, as the end of a sentence that starts with the text.
 */
export function parseHostPort(text: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  if (digits === undefined) throw new RangeError("is not HOST:PORT, for example 10.0.0.7:8080 or [::1]:3000");
  const port = Number(digits);
  if (port < 1 || port > 65535) throw new RangeError("has a port that is not from 1 to 65535");
  if (bracketed !== undefined) {
    if (isIP(bracketed) !== 6 || bracketed.includes("%")) throw new RangeError("has no IPv6 address in its brackets");
    return { host: new URL(`http://[${bracketed}]`).hostname.slice(1, -1), port };
  }
  const host = plain!.toLowerCase();
  if (isIP(host) === 4) return { host, port };
  // Names of services, as container runtimes give them, may have underscores
  const isName = host.length <= MAX_NAME &&
    host.split(".").every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (!isName || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(host)) {
    throw new RangeError("has a host that is neither a name nor an address");
  }
  return { host, port };
}

/** The text that {@linkcode parseHostPort} reads. */
export function hostPortText({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
