/**
 * The Caddyfile of services with certificates.
 *
 * @module
 */
import { CliError } from "../../failure.ts";
import { isRecord } from "./record.ts";
import type { Host, Registry, Service } from "../registry.ts";
import { placesOf } from "./deployment.ts";
import { judgePath } from "./place.ts";

/** Where Caddy is, as the registry's `caddy:` says. */
export interface Ingress {
  /** The machine it runs on. */
  readonly machine: string;
  /** Its own Caddyfile, which imports ours. */
  readonly caddyfile: string;
  /** Ours. */
  readonly snippets: string;
  /** What makes Caddy take a changed file. */
  readonly reload: readonly string[];
}

/**
 * Reads where Caddy is.
 *
 * @param registry The registry.
 * @returns Where it is.
 * @throws {CliError} If the registry does not say, or what it says makes no sense.
 */
export function ingressOf({ fields, path }: Registry): Ingress {
  const section = fields.caddy;
  const given = isRecord(section) ? section : {};
  const text = (key: string): string | undefined => {
    const value = given[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string" && value !== "") return value;
    throw new CliError(`'${key}' of caddy in ${path} must be a text`, { code: "bad_registry" });
  };
  const machine = text("ingress_host");
  if (machine === undefined) {
    throw new CliError(`cannot tell where Caddy runs: ${path} has no caddy.ingress_host`, {
      code: "no_ingress",
      hint: "caddy: {ingress_host: MACHINE}",
    });
  }
  const caddyfile = text("caddyfile") ?? "/etc/caddy/Caddyfile";
  const snippets = text("snippets") ?? `${caddyfile.slice(0, caddyfile.lastIndexOf("/"))}/helyos-services.caddy`;
  for (const place of [caddyfile, snippets]) judgePath(place, "the Caddyfile");
  const { reload } = given;
  if (reload !== undefined && !(Array.isArray(reload) && reload.every((word) => typeof word === "string"))) {
    throw new CliError(`'reload' of caddy in ${path} must be a list of texts`, { code: "bad_registry" });
  }
  // Without --force Caddy compares configurations, finds the same paths, and goes on with the certificates it has.
  return { machine, caddyfile, snippets, reload: reload ?? ["caddy", "reload", "--force", "--config", caddyfile] };
}

/** Written in front, so that nobody changes it by hand. */
const HEAD = "# Written by helyos certs caddy-sync: changes made here are lost.\n";

/**
 * The Caddyfile of sites.
 *
 * @param sites The sites.
 * @returns The text.
 */
export function caddyfileOf(sites: readonly string[]): string {
  return [HEAD, ...sites].join("\n");
}

/**
 * The sites of a Caddyfile that was written before: what a service keeps whose entry makes no sense any more, for a slip of the pen in
 * the registry must not take it off the net.
 *
 * @param text The file.
 * @returns The sites by service.
 */
export function sitesIn(text: string): ReadonlyMap<string, string> {
  const [, ...parts] = text.split(/^# (?=[A-Za-z0-9][A-Za-z0-9_-]*$)/m);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf("\n")), `# ${part.trimEnd()}\n`]));
}

/**
 * The site of a service.
 *
 * @param service A service that runs where Caddy does.
 * @param host That machine.
 * @returns Its part of the Caddyfile, under its name.
 * @throws {CliError} If it lacks its port, or has a name or path that would mean something to Caddy.
 */
export function siteOf(service: Service, host: Host): string {
  if (service.port === undefined) {
    throw new CliError(`cannot write a site for '${service.name}': the registry has no port of it`, {
      code: "bad_registry",
      hint: `Give services.${service.name} a port`,
    });
  }
  const { cert, key, ca } = placesOf(service, "server", host);
  const names = [...new Set([service.hostname, ...service.aliases].map((name) => name.toLowerCase()))];
  const lines = [`# ${service.name}`, `${names.map((name) => address(name, service)).join(", ")} {`];
  const clientAuth = clientAuthOf(service);
  if (clientAuth === undefined) lines.push(`\ttls ${quoted(cert)} ${quoted(key)}`);
  else {
    lines.push(
      `\ttls ${quoted(cert)} ${quoted(key)} {`,
      "\t\tclient_auth {",
      `\t\t\tmode ${clientAuth}`,
      `\t\t\ttrust_pool file ${quoted(ca)}`,
      "\t\t}",
      "\t}",
    );
  }
  if (!isHttps(service)) lines.push(`\treverse_proxy 127.0.0.1:${service.port}`);
  else {
    // Verified like any other server: a proxy that skips this is the place to attack.
    lines.push(
      `\treverse_proxy https://127.0.0.1:${service.port} {`,
      "\t\ttransport http {",
      `\t\t\ttls_trust_pool file ${quoted(ca)}`,
      `\t\t\ttls_server_name ${address(service.hostname.toLowerCase(), service)}`,
      "\t\t}",
      "\t}",
    );
  }
  return [...lines, "}", ""].join("\n");
}

const MODES: Readonly<Record<string, string | undefined>> = {
  require: "require_and_verify",
  optional: "verify_if_given",
  none: undefined,
};

/** Whoever names a `ca_cert` wants callers with certificates; a caller without one gets in only where that is said. */
function clientAuthOf(service: Service): string | undefined {
  const value = fieldOf(service, "client_auth") ?? (service.caCert === undefined ? "none" : "require");
  if (typeof value === "string" && Object.hasOwn(MODES, value)) return MODES[value];
  throw new CliError(`'client_auth' of certs of service '${service.name}' must be require, optional or none`, {
    code: "bad_registry",
  });
}

function isHttps(service: Service): boolean {
  const value = fieldOf(service, "upstream") ?? "http";
  if (value === "http" || value === "https") return value === "https";
  throw new CliError(`'upstream' of certs of service '${service.name}' must be http or https`, {
    code: "bad_registry",
  });
}

function fieldOf({ fields: { certs } }: Service, key: string): unknown {
  return isRecord(certs) ? certs[key] ?? undefined : undefined;
}

function address(name: string, service: Service): string {
  if (/^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) return name;
  throw new CliError(`cannot write a site for '${service.name}': no host name: ${JSON.stringify(name)}`, {
    code: "bad_registry",
  });
}

/** In double quotes only the quote itself and the backslash before it mean something; braces are placeholders everywhere. */
function quoted(path: string): string {
  if (/[{}`\\]/.test(path)) {
    throw new CliError(`Caddy would not take this path as it stands: ${JSON.stringify(path)}`, {
      code: "bad_registry",
    });
  }
  return `"${path.replaceAll('"', '\\"')}"`;
}

/**
 * What must succeed on Caddy's machine: its Caddyfile imports ours, and it takes the change. Arguments: its Caddyfile, ours, and the
 * words that reload it.
 */
export const ACCEPT = `found=no folder=\${1%/*}
while read -r word pattern || [ -n "$word" ]; do
  [ "$word" = import ] || continue
  case $pattern in
    '"'*) pattern=\${pattern#?} pattern=\${pattern%%'"'*} ;;
    *) pattern=\${pattern%%[[:space:]]*} ;;
  esac
  case $pattern in /*) ;; *) pattern=$folder/$pattern ;; esac
  case $2 in $pattern) found=yes ;; esac
done <"$1" || exit 1
[ "$found" = yes ] || { echo "$1 does not import $2: add a line: import \\"$2\\"" >&2; exit 1; }
shift 2
exec "$@"
`;
