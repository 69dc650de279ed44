/**
 * Turns command line and environment into a configuration, refusing every bad value before anything is touched.
 *
 * @module
 */
import { isIP } from "node:net";
import { isAbsolute, join, resolve } from "node:path";
import type { KeyAlgorithm } from "@helyos/pki";
import { LETS_ENCRYPT } from "./certificates/settings.ts";
import type { HostPort } from "./domain.ts";
import type { Values } from "./flags.ts";
import type { LogFormat, LogLevel } from "./log.ts";
import type { BackendName } from "./proxy/names.ts";
import { parseName } from "./trust/names.ts";

/** The environment variables the daemon reads. */
export const VARIABLES = [
  "HOME",
  "HELYOS_DATA_DIR",
  "HELYOS_CONFIG",
  "HELYOS_API_TOKEN",
  "RUST_LOG",
  "NOTIFY_SOCKET",
  "HELYOS_OPEN_FILES",
] as const;

/** Their values; an empty one counts as not set. */
export type Environment = Readonly<Partial<Record<typeof VARIABLES[number], string>>>;

/** What the daemon is to do. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  /** Whether the API is served over TLS: `--tls` decided. */
  readonly tls: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsSans: readonly string[];
  readonly advertiseAddr?: string;
  readonly apiToken?: string;
  /** The token was on the command line, where others can see it. */
  readonly apiTokenVisible: boolean;
  /** Where the first start writes the local CLI context; undefined when no home is known. */
  readonly contextFile?: string;
  readonly notifySocket?: string;
  /** What faces the internet. */
  readonly edge: EdgeConfig;
}

/** What the command line says about public routes and their certificates. */
export interface EdgeConfig {
  readonly backend?: BackendName;
  /** The proxy's program: a name, an absolute path, or the `http://` address of a running Caddy's admin API. */
  readonly proxyProgram?: string;
  readonly httpListen: HostPort;
  readonly httpsListen: HostPort;
  /** How many files the process may have open, as the launcher found; unknown without it. */
  readonly openFiles?: number;
  readonly acmeEmail?: string;
  readonly acmeDirectory: string;
  readonly acmeStagingDirectory?: string;
  readonly acmeFallbackDirectory?: string;
  readonly acmeProfile?: string;
  readonly acmeKeyType?: KeyAlgorithm;
  readonly acmePreferredChain?: string;
  /** Absolute, as the following. */
  readonly acmeCaFile?: string;
  readonly acmeDnsHook?: string;
  readonly acmeEab?: { readonly keyId: string; readonly hmacFile: string };
}

/** A value that cannot be: exit code 1. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Contract §4.3: loopback is what is spelled so. */
const LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "::1"];

/** Whether a host is one that nobody outside this machine can reach. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host);
}

/** Whether a host means every address of this machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/**
 * Reads everything that needs no file.
 *
 * @param values The command line.
 * @param environment The variables of {@linkcode VARIABLES} that are set.
 * @param cwd What relative paths are relative to.
 * @throws {ConfigError} With the contract's texts for the guardrails.
 */
export function readConfig(values: Values, environment: Environment, cwd: string): Config {
  const host = hostOf(values.one("host") ?? "127.0.0.1");
  const tls = tlsOf(values.one("tls") ?? "auto", host);
  const supplied = values.one("api-token") ?? environment.HELYOS_API_TOKEN;
  if (!tls && !isLoopback(host) && !values.has("insecure-http")) {
    throw new ConfigError(
      `refusing to serve a non-loopback address (${host}) over plain HTTP; ` +
        "use --tls on, or pass BOTH --tls off and --insecure-http",
    );
  }
  if (supplied !== undefined) refuseToken(supplied);
  const one = (name: string): string | undefined => values.one(name);
  for (const name of ["tls-cert", "tls-key"]) {
    if (one(name) === "") throw new ConfigError(`--${name} needs the path of a file`);
  }
  if (!tls && one("tls-cert") !== undefined) {
    throw new ConfigError(
      `--tls-cert has no effect: ${host} is served over plain HTTP; add --tls on, or leave --tls-cert and --tls-key out`,
    );
  }
  const contextFile = environment.HELYOS_CONFIG ??
    (environment.HOME === undefined ? undefined : join(environment.HOME, ".helyos/config.toml"));
  return {
    host,
    port: Number(one("port") ?? "6443"),
    dataDir: dataDirOf(values, environment, cwd),
    tls,
    ...optional("tlsCert", one("tls-cert") && resolve(cwd, one("tls-cert")!)),
    ...optional("tlsKey", one("tls-key") && resolve(cwd, one("tls-key")!)),
    tlsSans: values.all("tls-san").map((name) => nameOf("--tls-san", name)),
    ...optional("advertiseAddr", one("advertise-addr") && nameOf("--advertise-addr", one("advertise-addr")!)),
    ...optional("apiToken", supplied),
    apiTokenVisible: one("api-token") !== undefined,
    ...optional("contextFile", contextFile && resolve(cwd, contextFile)),
    ...optional("notifySocket", environment.NOTIFY_SOCKET),
    edge: { ...edgeOf(values, cwd), ...openFilesOf(environment.HELYOS_OPEN_FILES) },
  };
}

function openFilesOf(text: string | undefined): Pick<EdgeConfig, "openFiles"> {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? { openFiles: Number(text) } : {};
}

function edgeOf(values: Values, cwd: string): EdgeConfig {
  const one = (name: string): string | undefined => {
    const value = values.one(name);
    if (value === "") throw new ConfigError(`--${name} needs a value`);
    return value;
  };
  const file = (name: string): string | undefined => {
    const path = one(name);
    return path === undefined ? undefined : resolve(cwd, path);
  };
  const httpListen = listenOf("http-listen", one("http-listen") ?? "0.0.0.0:80");
  const httpsListen = listenOf("https-listen", one("https-listen") ?? "0.0.0.0:443");
  if (httpListen.port !== 0 && httpListen.port === httpsListen.port && httpListen.host === httpsListen.host) {
    throw new ConfigError("--http-listen and --https-listen cannot be the same address");
  }
  const keyId = one("acme-eab-kid");
  const hmacFile = file("acme-eab-hmac-file");
  if ((keyId === undefined) !== (hmacFile === undefined)) {
    throw new ConfigError("--acme-eab-kid and --acme-eab-hmac-file need each other");
  }
  const directory = (name: string): string | undefined => {
    const url = one(name);
    return url === undefined ? undefined : directoryOf(name, url);
  };
  const email = one("acme-email");
  if (email !== undefined && !isEmail(email)) {
    throw new ConfigError(`invalid --acme-email '${email}': expected an address such as ops@example.com`);
  }
  const acmeDirectory = directory("acme-directory") ?? LETS_ENCRYPT;
  const [acmeStagingDirectory, acmeFallbackDirectory] = ["acme-staging-directory", "acme-fallback-directory"].map(
    (name) => {
      const other = directory(name);
      if (other === acmeDirectory) throw new ConfigError(`--${name} must be another one than --acme-directory`);
      return other;
    },
  );
  const acmeProfile = one("acme-profile");
  if (acmeProfile !== undefined && !/^[\w.-]{1,64}$/.test(acmeProfile)) {
    throw new ConfigError(`invalid --acme-profile '${acmeProfile}': expected a name such as shortlived`);
  }
  const backend = one("proxy-backend") as BackendName | undefined;
  const program = one("proxy-program");
  if (program !== undefined && (backend === undefined || backend === "embedded")) {
    throw new ConfigError("--proxy-program needs --proxy-backend traefik, caddy or nginx");
  }
  const isFile = program?.includes("/") && !/^https?:\/\//.test(program);
  return {
    ...optional("backend", backend),
    ...optional("proxyProgram", isFile ? resolve(cwd, program!) : program),
    httpListen,
    httpsListen,
    ...optional("acmeEmail", email),
    acmeDirectory,
    ...optional("acmeStagingDirectory", acmeStagingDirectory),
    ...optional("acmeFallbackDirectory", acmeFallbackDirectory),
    ...optional("acmeProfile", acmeProfile),
    ...optional("acmeKeyType", one("acme-key-type") as KeyAlgorithm | undefined),
    ...optional("acmePreferredChain", one("acme-preferred-chain")?.trim()),
    ...optional("acmeCaFile", file("acme-ca-file")),
    ...optional("acmeDnsHook", file("acme-dns-hook")),
    ...(keyId === undefined || hmacFile === undefined ? {} : { acmeEab: { keyId, hmacFile } }),
  };
}

/** Contract §4.1 words it so for `--dns-listen`. Port 0 lets the system choose. */
function listenOf(flag: string, text: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  if (digits !== undefined && Number(digits) <= 65535 && isIP(host) === (bracketed === undefined ? 4 : 6)) {
    return { host, port: Number(digits) };
  }
  throw new ConfigError(
    `invalid --${flag} address: ${text}; expected an IP address and a port, for example 0.0.0.0:80`,
  );
}

function directoryOf(flag: string, text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.username === "" && url.password === "" && url.hash === "") return url.href;
  throw new ConfigError(`invalid --${flag} '${text}': expected the https:// address of an ACME directory`);
}

/** What a CA can write to; RFC 5321 allows more that no CA takes. */
export function isEmail(text: string): boolean {
  const [, domain] = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([a-z0-9.-]{1,253})$/i.exec(text) ?? [];
  return domain !== undefined && parseName(domain)?.kind === "dns" && domain.includes(".") && !domain.startsWith("*");
}

/** The data directory, absolute. */
export function dataDirOf(values: Values, environment: Environment, cwd: string): string {
  const given = values.one("data-dir") ?? environment.HELYOS_DATA_DIR;
  if (given === "") throw new ConfigError("--data-dir needs the path of a directory");
  if (given !== undefined) return isAbsolute(given) ? given : resolve(cwd, given);
  return environment.HOME === undefined ? "/var/lib/helyos" : join(environment.HOME, ".helyos/data");
}

/** How to log: known before anything else, so that everything else can be logged. */
export function readLogging(values: Values, environment: Environment): { format: LogFormat; level: LogLevel } {
  const format = values.one("log-format") === "json" ? "json" : "human";
  const level = values.one("log-level") as LogLevel | undefined;
  return { format, level: level ?? levelOf(environment.RUST_LOG) };
}

/** `RUST_LOG` is a list of `target=level`, a bare level is for all targets; what is not understood means `info`. */
function levelOf(filter: string | undefined): LogLevel {
  let level: LogLevel = "info";
  for (const directive of (filter ?? "").toLowerCase().split(",")) {
    const [target, value] = directive.includes("=") ? directive.split("=", 2) : ["helyosd", directive];
    if (target!.trim() !== "helyosd") continue;
    const found = (["trace", "debug", "info", "warn", "error"] as const).find((known) => known === value!.trim());
    if (found !== undefined) level = found;
  }
  return level;
}

function tlsOf(mode: string, host: string): boolean {
  switch (mode) {
    case "auto":
      return !isLoopback(host);
    case "on":
      return true;
    case "off":
      return false;
    default:
      throw new ConfigError(`invalid --tls value '${mode}' (expected auto|on|off)`);
  }
}

function hostOf(text: string): string {
  const name = parseName(text);
  if (name !== undefined && !name.value.startsWith("*.")) return name.value;
  throw new ConfigError(
    `invalid --host '${text}': expected an IP address or a host name, without scheme or port, for example 0.0.0.0`,
  );
}

function nameOf(flag: string, text: string): string {
  const name = parseName(text);
  if (name !== undefined && (flag === "--tls-san" || !name.value.startsWith("*."))) return name.value;
  throw new ConfigError(`invalid ${flag} '${text}': expected a DNS name or an IP address, without scheme or port`);
}

/** A token travels in a header: RFC 6750 §2.1 allows less than this, the original anything. */
function refuseToken(token: string): void {
  if (/^[\x21-\x7e]{1,1024}$/.test(token)) return;
  throw new ConfigError(
    "invalid API token in --api-token or HELYOS_API_TOKEN: expected 1 to 1024 printable ASCII characters without spaces",
  );
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined || value === "" ? {} : { [key]: value } as { [P in K]?: V };
}
