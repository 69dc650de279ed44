/**
 * Names as ACME writes them: A-labels in lower case (RFC 8555 §7.1.4), addresses in their one spelling (RFC 8738 §3).
 *
 * @module
 */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type { Identifier } from "./resources.ts";

const DNS_NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/;

/** A common name holds no more (X.520); a longer name stands among the alternative names alone. */
const MAX_COMMON_NAME = 64;

function identifierOf(name: string): Identifier {
  const version = isIP(name);
  if (version === 4) return { type: "ip", value: name };
  // RFC 5952, which is how the URL parser writes addresses.
  if (version === 6 && URL.canParse(`https://[${name}]`)) {
    return { type: "ip", value: new URL(`https://[${name}]`).hostname.slice(1, -1) };
  }
  const value = domainToASCII(name).toLowerCase().replace(/\.$/, "");
  const isNumber = /(?:^|\.)\d+$/.test(value);
  if (value.length > 253 || isNumber || !DNS_NAME.test(value)) {
    throw new TypeError(`Cannot obtain a certificate for "${name}": it is neither a DNS name nor an IP address`);
  }
  return { type: "dns", value };
}

/** What names are called in an order, each once. */
export function identifiersOf(names: readonly string[]): Identifier[] {
  return [...new Map(names.map(identifierOf).map((one) => [one.value, one])).values()];
}

/** What the request for a certificate says about its subject. */
export function subjectOf(identifiers: readonly Identifier[]): {
  commonName?: string;
  names: { dns: string[]; ip: string[] };
} {
  const of = (type: Identifier["type"]) => identifiers.filter((one) => one.type === type).map(({ value }) => value);
  const names = { dns: of("dns"), ip: of("ip") };
  const commonName = names.dns.find((name) => name.length <= MAX_COMMON_NAME);
  return { ...(commonName === undefined ? {} : { commonName }), names };
}

/** Whether two lists hold the same names, in whatever order. */
export function sameNames(some: readonly Identifier[], others: readonly Identifier[]): boolean {
  const [a, b] = [some, others].map((list) => new Set(list.map(({ type, value }) => `${type} ${value.toLowerCase()}`)));
  return a!.symmetricDifference(b!).size === 0;
}
