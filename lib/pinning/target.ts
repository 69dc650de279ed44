/**
 * Where to connect, and whom to believe there.
 *
 * @module
 */

/**
 * How a server is believed.
 *
 * - `{ ca }`: its certificate comes from this CA (PEM, or a bundle). Nothing else counts: not the system's roots, not the
 *   process's, no environment variable.
 * - `"system"`: its certificate comes from a CA the system trusts. Needs `--allow-sys` to read them; without it the
 *   runtime's own list counts.
 * - `"insecure"`: not at all. The connection is encrypted, but anybody may be at the other end.
 * - `"none"`: plain HTTP, for `http:` origins.
 */
export type Trust = { readonly ca: string } | "system" | "insecure" | "none";

/** One origin, taken apart. */
export interface Target {
  /** As in `https://cluster.example:6443`, without a trailing slash. */
  readonly origin: string;
  /** What `Host` says. */
  readonly authority: string;
  /** What to connect to: a name in ASCII, or an address without brackets. */
  readonly host: string;
  /** Where it listens. */
  readonly port: number;
  /** Whether TLS is spoken there. */
  readonly secure: boolean;
  /** The name its certificate must be for. */
  readonly name: { readonly dns: string } | { readonly ip: string };
}

/**
 * Takes an origin apart.
 *
 * @param origin As in `https://cluster.example:6443`.
 * @returns The parts.
 * @throws {TypeError} If it is no `http:` or `https:` origin, or more than one: with a path, a query, a user.
 */
export function targetOf(origin: string | URL): Target {
  const url = URL.canParse(String(origin)) ? new URL(origin) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new TypeError(`Not an http: or https: origin: ${JSON.stringify(withoutUser(String(origin)))}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(`An origin has no user and no password: ${JSON.stringify(url.origin)}`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new TypeError(`An origin has no path and no query: ${JSON.stringify(String(origin))}`);
  }
  const secure = url.protocol === "https:";
  const address = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
  const isAddress = address !== url.hostname || /^\d+(?:\.\d+){3}$/.test(address);
  return {
    origin: url.origin,
    authority: url.host,
    host: address,
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    secure,
    // RFC 6066 §3, RFC 9525 §6.3: the dot of the root is no part of the name that is compared.
    name: isAddress ? { ip: address } : { dns: address.replace(/\.$/, "") },
  };
}

/** Secrets may stand where a user may: none of it goes into a message. */
function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, "//…@");
}

/** As people write it, for messages. */
export function shownTarget(target: Target): string {
  return target.authority.includes(":") && !target.authority.endsWith("]")
    ? target.authority
    : `${target.authority}:${target.port}`;
}

/**
 * Refuses a trust that does not fit the origin, before anything is sent.
 *
 * @param target Where to connect.
 * @param trust Whom to believe there.
 * @throws {TypeError} If it does not fit.
 */
export function checkTrust(target: Target, trust: Trust): void {
  const known = trust === "system" || trust === "insecure" || trust === "none" ||
    (typeof trust === "object" && trust !== null && typeof trust.ca === "string");
  if (!known) throw new TypeError(`Trust is { ca }, "system", "insecure" or "none"`);
  if (target.secure && trust === "none") throw new TypeError(`Trust "none" is for http: origins: ${target.origin}`);
  if (!target.secure && trust !== "none") throw new TypeError(`An http: origin needs trust "none": ${target.origin}`);
}
