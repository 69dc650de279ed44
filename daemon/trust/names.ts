/**
 * The names in the self-signed server certificate.
 *
 * @module
 */
import { isIP } from "node:net";
import { TrustError } from "./errors.ts";

/** Where the names come from. */
export interface NameOptions {
  /** The bind address: `--host`. */
  readonly host: string;
  /** `--advertise-addr`. */
  readonly advertiseAddr?: string | undefined;
  /** Every `--tls-san`. */
  readonly sans?: readonly string[];
  /** The operating system's name of this machine. */
  readonly hostname?: string | undefined;
}

/** DNS names in lower case and IP addresses in their shortest spelling, each once. */
export interface ServerNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

const WILDCARD_HOSTS = ["0.0.0.0", "::"];

/**
 * All names clients may reach the daemon by, in the order the original has them, and `::1`.
 *
 * @throws {TrustError} `invalid_name` if the operator gave something that is neither a DNS name nor an IP address.
 */
export function serverNames(options: NameOptions): ServerNames {
  const dns = new Set<string>();
  const ip = new Set<string>();
  const add = (text: string, source: string): void => {
    const name = parseName(text);
    if (name === undefined) {
      throw new TrustError(
        "invalid_name",
        `Cannot put ${source} "${text}" into the certificate: it is neither a DNS name nor an IP address`,
      );
    }
    (name.kind === "ip" ? ip : dns).add(name.value);
  };
  add("localhost", "the name");
  add("helyos", "the name");
  if (!WILDCARD_HOSTS.includes(options.host)) add(options.host, "--host");
  if (options.advertiseAddr !== undefined) add(options.advertiseAddr, "--advertise-addr");
  for (const san of options.sans ?? []) add(san, "--tls-san");
  // What the operating system calls itself is nobody's mistake on the command line: left out when it cannot be a name
  const hostname = options.hostname === undefined ? undefined : parseName(options.hostname);
  if (hostname?.kind === "dns") dns.add(hostname.value);
  ip.add("127.0.0.1");
  ip.add("::1");
  return { dns: [...dns], ip: [...ip] };
}

/** An IP address or DNS name in the one spelling certificates hold; undefined when it is neither. */
export function parseName(text: string): { kind: "ip" | "dns"; value: string } | undefined {
  const bare = /^\[[0-9a-fA-F.]*:[0-9a-fA-F:.]*\]$/.test(text) ? text.slice(1, -1) : text;
  if (isIP(bare) === 4) return { kind: "ip", value: bare };
  if (isIP(bare) === 6 && !bare.includes("%")) return { kind: "ip", value: canonicalIpv6(bare) };
  const wildcard = bare.startsWith("*.");
  const name = wildcard ? bare.slice(2) : bare;
  // The URL parser would take these for other parts of a URL, or drop them
  if (name === "" || /[\s/\\?#@:%\[\]*]/.test(name)) return undefined;
  let ascii: string;
  try {
    ascii = new URL(`http://${name}`).hostname.replace(/\.$/, "");
  } catch {
    return undefined;
  }
  if (isIP(ascii) !== 0 || ascii.length > 253) return undefined; // "1.2" or "0x7f000001", which a URL takes for an address
  const isDns = ascii.split(".").every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  return isDns ? { kind: "dns", value: (wildcard ? "*." : "") + ascii } : undefined;
}

/** Whether a certificate's names are exactly the wanted ones, in any order. */
export function sameNames(has: readonly { kind: string; value: string }[], wanted: ServerNames): boolean {
  const wantedNames = new Set([
    ...wanted.dns.map((name) => `dns ${name}`),
    ...wanted.ip.map((address) => `ip ${address}`),
  ]);
  const hasNames = new Set(has.map(({ kind, value }) => `${kind} ${spelling(kind, value)}`));
  return wantedNames.size === hasNames.size && [...wantedNames].every((name) => hasNames.has(name));
}

/** The wanted names that a certificate lacks. */
export function missingNames(has: readonly { kind: string; value: string }[], wanted: ServerNames): string[] {
  const hasNames = new Set(has.map(({ kind, value }) => spelling(kind, value)));
  return [...wanted.dns, ...wanted.ip].filter((name) => !hasNames.has(name));
}

function spelling(kind: string, value: string): string {
  return kind === "ip" && value.includes(":") ? canonicalIpv6(value) : value.toLowerCase();
}

/** RFC 5952, as the URL parser writes it. */
function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
