/**
 * Addresses of daemons as people write them.
 *
 * @module
 */
import { CliError } from "./failure.ts";

/**
 * Reads an address that is meant to be complete.
 *
 * @param text From a flag, a variable or a context.
 * @returns The address, http or https, without user, query and fragment.
 * @throws {CliError} If it is something else.
 */
export function parseServer(text: string): URL {
  const url = URL.parse(text);
  const plain = url && !url.username && !url.password && !url.search && !url.hash;
  if (plain && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw invalidServer(text);
}

function invalidServer(text: string): CliError {
  return new CliError(`Invalid server URL: ${withoutSecrets(text)}\n  Expected format: http(s)://host:port`, {
    code: "invalid_server",
  });
}

/** Passwords and tokens stand before the `@` or in the query of an address, and complaints end up in logs. */
function withoutSecrets(text: string): string {
  return text.replace(/[?#].*$/s, (rest) => `${rest[0]}…`).replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@");
}

/**
 * Reads the address of an HTTP proxy.
 *
 * @param text What `--proxy` named.
 * @returns The address; it may carry user and password.
 * @throws {CliError} If it is something else.
 */
export function parseProxy(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" && url.hostname !== "") return url;
  throw new CliError("Invalid proxy: an address like http://proxy.example:3128 is needed", { code: "invalid_proxy" });
}

/**
 * The one spelling of an address: no slash at the end.
 *
 * @param url The address.
 * @returns For example `https://cluster.example:6443`.
 */
export function serverText(url: URL): string {
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/**
 * Fills in what `helyos login` lets people leave out: `https://` and the port.
 *
 * @param text For example `cluster.example`, `[::1]` or `http://localhost:6443`.
 * @returns The complete address.
 * @throws {CliError} If no address can be made of it.
 */
export function normaliseServer(text: string): string {
  const trimmed = text.trim();
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)) throw invalidServer(trimmed);
  const match = /^(https?:\/\/)?([^/?#]+)(.*)$/i.exec(trimmed);
  const [, scheme = "https://", authority = "", rest = ""] = match ?? [];
  const hasPort = /:\d+$/.test(authority.replace(/^\[[^\]]*\]/, "[]"));
  // Two colons and no brackets: an IPv6 address as people type it.
  const bare = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(authority);
  const host = bare ? `[${authority}]` : authority;
  const url = parseServer(`${scheme}${host}${hasPort && !bare ? "" : ":6443"}${rest}`);
  // A port that is the scheme's own vanishes from a URL, and a reader would take the missing one for 6443.
  return url.port === "" ? `${url.protocol}//${url.hostname}:${defaultPort(url)}${pathOf(url)}` : serverText(url);
}

/**
 * Whether an address never leaves this machine.
 *
 * @param url The address.
 * @returns True for `localhost`, 127.0.0.0/8 and `::1`.
 */
export function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || url.hostname.endsWith(".localhost") || url.hostname === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
}

/**
 * A context's name from its server, as `helyos login` makes it.
 *
 * @param server The address.
 * @returns For example `helyos-acme-internal`; `default` when nothing is left.
 */
export function nameFromServer(server: string): string {
  const authority = server.slice(server.indexOf("://") + 3);
  const host = /^\[([^\]]*)\]/.exec(authority)?.[1] ?? /^[^/:]*/.exec(authority)?.[0] ?? "";
  return host.replace(/[^A-Za-z0-9-]/g, "-").replace(/^-+|-+$/g, "") || "default";
}

function defaultPort(url: URL): number {
  return url.protocol === "https:" ? 443 : 80;
}

function pathOf(url: URL): string {
  return url.pathname.replace(/\/+$/, "");
}
