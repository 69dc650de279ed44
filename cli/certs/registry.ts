/**
 * The registry: which services there are, what they are called and on which hosts they run. Read from YAML, judged at the door.
 *
 * @module
 */
import { isMap, isScalar, parseDocument } from "yaml";
import { CliError } from "../failure.ts";
import { readText } from "./files.ts";
import { checkServiceName } from "./home.ts";

/** What a deployed file's owner and permissions should be. */
export interface FileOwnership {
  /** The user that owns it. */
  readonly owner?: string;
  /** The group that owns it. */
  readonly group?: string;
  /** Permissions of the key, as in `0640`. */
  readonly keyMode?: string;
  /** Permissions of the certificates. */
  readonly certMode?: string;
}

/** What `certs:` says of a service. */
export interface CertsSection extends FileOwnership {
  /** The program, with its arguments, that makes the service take a new certificate; run on its host. */
  readonly reload?: readonly string[];
  /** `host:port` that shows what is served. */
  readonly probe?: string;
}

/** A service of the registry. */
export interface Service {
  /** Its key in the registry. */
  readonly name: string;
  /** Its host name; the common name of its certificates. */
  readonly hostname: string;
  /** Other names of it. */
  readonly aliases: readonly string[];
  /** The host it runs on. */
  readonly currentHost?: string;
  /** `docker`, `local` or `native`. */
  readonly deploymentType?: string;
  /** The folder of the service, below the host's `path`, with a slash in front. */
  readonly directory?: string;
  /** Where the registry says its certificate is, below the host's `path`. */
  readonly tlsCert?: string;
  /** Where the registry says its key is. */
  readonly tlsKey?: string;
  /** Where the registry says the CA is. */
  readonly caCert?: string;
  /** The port it serves on. */
  readonly port?: number;
  /** What `certs:` says. */
  readonly certs: CertsSection;
  /** All fields, as they stand there. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A host of the registry. */
export interface Host {
  /** Its key in the registry. */
  readonly name: string;
  /** Its address. */
  readonly ip?: string;
  /** The name `ssh` should call; else the address. */
  readonly sshHostname?: string;
  /** Whom to log in as. */
  readonly sshUser?: string;
  /** The port of its `sshd`. */
  readonly sshPort?: number;
  /** The folder that paths of services are relative to. */
  readonly path?: string;
  /** As in `arm64-apple` or `x86_64-linux`. */
  readonly arch?: string;
  /** All fields, as they stand there. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A registry that was read. Services and hosts are judged when they are asked for, so that one bad one harms no other. */
export interface Registry {
  /** The file. */
  readonly path: string;
  /** Its text. */
  readonly text: string;
  /** The names of the services, in the order of the file, good and bad. */
  readonly serviceNames: readonly string[];
  /** The names of the hosts, in the order of the file. */
  readonly hostNames: readonly string[];
  /** Everything, as it stands there. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The service of this name; throws a {@linkcode CliError} if there is none or it makes no sense. */
  service(name: string): Service;
  /** The host of this name; throws a {@linkcode CliError} if there is none or it makes no sense. */
  host(name: string): Host;
}

/**
 * Reads the registry.
 *
 * @param path The file, as `registryPath` finds it.
 * @returns The registry.
 * @throws {CliError} If it is not there, cannot be read, or is no registry.
 */
export async function openRegistry(path: string): Promise<Registry> {
  const text = await readText(path);
  if (text !== undefined) return parseRegistry(text, path);
  throw new CliError(`there is no registry at ${path}`, {
    code: "no_registry",
    hint: "Run this in the folder of registry.yml, or set HELYOS_REGISTRY",
  });
}

/**
 * Reads a registry's text.
 *
 * @param text The YAML.
 * @param path Where it comes from, for messages.
 * @returns The registry.
 * @throws {CliError} If it is no registry.
 */
export function parseRegistry(text: string, path: string): Registry {
  const document = parseDocument(text, { merge: true });
  const [error] = document.errors;
  if (error !== undefined) throw broken(path, error.message.split("\n")[0]!.replace(/:$/, ""));
  let fields: unknown;
  try {
    fields = document.toJS() ?? {};
  } catch (cause) {
    throw broken(path, cause instanceof Error ? cause.message : String(cause));
  }
  if (!isObject(fields)) throw broken(path, "it is not a map");
  const services = section(fields, "services", path);
  const hosts = section(fields, "hosts", path);
  return {
    path,
    text,
    fields,
    serviceNames: keysOf(document.get("services"), services),
    hostNames: keysOf(document.get("hosts"), hosts),
    service(name) {
      checkServiceName(name);
      if (!Object.hasOwn(services, name)) throw unknown("service", name, { path, known: Object.keys(services) });
      return readService(name, services[name]);
    },
    host(name) {
      if (!Object.hasOwn(hosts, name)) throw unknown("host", name, { path, known: Object.keys(hosts) });
      return readHost(name, hosts[name]);
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

function readService(name: string, value: unknown): Service {
  const fields = value ?? {};
  if (!isObject(fields)) throw new CliError(`service '${name}' is not a map in the registry`, { code: "bad_registry" });
  const of = `service '${name}'`;
  const text = (key: string) => textField(fields, key, of);
  const directory = text("working_dir") ?? text("service_directory") ??
    folderOf(text("docker_compose") ?? text("service_file"));
  return {
    name,
    hostname: text("hostname") ?? defaultHostName(name),
    aliases: listField(fields, "aliases", of) ?? [],
    ...given("currentHost", text("current_host")),
    ...given("deploymentType", text("deployment_type")),
    ...given("directory", directory),
    ...given("tlsCert", text("tls_cert")),
    ...given("tlsKey", text("tls_key")),
    ...given("caCert", text("ca_cert")),
    ...given("port", portField(fields, "port", of)),
    certs: readCertsSection(fields.certs, of),
    fields,
  };
}

/**
 * Reads a `certs:` block, of the registry or of a `service.yml`.
 *
 * @param value What stands there; nothing counts as empty.
 * @param of Whose it is, for messages.
 * @returns What it says.
 * @throws {CliError} If it makes no sense.
 */
export function readCertsSection(value: unknown, of: string): CertsSection {
  const fields = value ?? {};
  if (!isObject(fields)) throw new CliError(`'certs' of ${of} is not a map`, { code: "bad_registry" });
  const within = `certs of ${of}`;
  return {
    ...given("owner", accountField(fields, "owner", within)),
    ...given("group", accountField(fields, "group", within)),
    ...given("keyMode", modeField(fields, "key_mode", within)),
    ...given("certMode", modeField(fields, "cert_mode", within)),
    ...given("reload", listField(fields, "reload", within)),
    ...given("probe", textField(fields, "probe", within)),
  };
}

function readHost(name: string, value: unknown): Host {
  const fields = value ?? {};
  if (!isObject(fields)) throw new CliError(`host '${name}' is not a map in the registry`, { code: "bad_registry" });
  const of = `host '${name}'`;
  const text = (key: string) => textField(fields, key, of);
  return {
    name,
    ...given("ip", text("ip")),
    ...given("sshHostname", text("ssh_hostname")),
    ...given("sshUser", text("ssh_user")),
    ...given("sshPort", portField(fields, "ssh_port", of)),
    ...given("path", text("path")),
    ...given("arch", text("arch")),
    fields,
  };
}

/**
 * The host name of a service that names none, and the name every service has besides.
 *
 * @param service The service; what no host name may hold becomes a dash.
 * @returns `NAME.internal`
 */
export function defaultHostName(service: string): string {
  return `${service.replaceAll("_", "-").replace(/-+$/, "").toLowerCase()}.internal`;
}

function section(fields: Fields, key: string, path: string): Fields {
  const value = fields[key] ?? {};
  if (!isObject(value)) throw broken(path, `'${key}' is not a map`);
  return value;
}

/** JavaScript would put keys that look like numbers first. */
function keysOf(node: unknown, object: Fields): string[] {
  if (!isMap(node)) return Object.keys(object);
  const keys = node.items.map(({ key }) => String(isScalar(key) ? key.value : key));
  return keys.filter((key) => Object.hasOwn(object, key)).concat(
    Object.keys(object).filter((key) => !keys.includes(key)),
  );
}

function folderOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "/";
}

function textField(fields: Fields, key: string, of: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw wrong(key, of, "a text");
}

function listField(fields: Fields, key: string, of: string): readonly string[] | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "")) return value;
  throw wrong(key, of, "a list of texts");
}

function portField(fields: Fields, key: string, of: string): number | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  const port = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw wrong(key, of, "a port");
}

/** A number would mean something else to YAML 1.1 and 1.2 (`0640` is 416 or 640), so its digits must be what they look like. */
function modeField(fields: Fields, key: string, of: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  const text = String(value);
  if ((typeof value === "string" || typeof value === "number") && /^0?[0-7]{3}$/.test(text)) {
    return text.padStart(4, "0");
  }
  throw wrong(key, of, 'permissions like "0640"');
}

function accountField(fields: Fields, key: string, of: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  const text = String(value);
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(text)) return text;
  throw wrong(key, of, "the name or number of an account");
}

function given<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : { [key]: value } as Partial<Record<K, V>>;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function broken(path: string, why: string): CliError {
  return new CliError(`cannot read the registry ${path}: ${why}`, { code: "bad_registry" });
}

function wrong(key: string, of: string, what: string): CliError {
  return new CliError(`'${key}' of ${of} must be ${what}`, { code: "bad_registry" });
}

function unknown(what: string, name: string, where: { path: string; known: readonly string[] }): CliError {
  const hint = where.known.length === 0
    ? `The registry has no ${what}s`
    : `Known ${what}s: ${where.known.slice(0, 20).join(", ")}${where.known.length > 20 ? ", …" : ""}`;
  return new CliError(`there is no ${what} '${name}' in ${where.path}`, { code: `unknown_${what}`, hint });
}
