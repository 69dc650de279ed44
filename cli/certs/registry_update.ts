/**
 * Changing a field of the registry and nothing else in it: comments, order, quotes and blank lines stay as they are.
 *
 * @module
 */
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from "yaml";
import { isDeepStrictEqual } from "node:util";
import { CliError } from "../failure.ts";
import { fileInfo, PUBLIC, replaceFile } from "./files.ts";
import type { Registry, Service } from "./registry.ts";

/** The three fields, in the order they are added. */
export const PATH_FIELDS = ["tls_cert", "tls_key", "ca_cert"] as const;

/** Where a service's files are on its host, below the host's `path`. */
export type ServicePaths = Readonly<Record<(typeof PATH_FIELDS)[number], string>>;

/**
 * Where a service's certificate, key and CA belong. What the registry says stays, unless it is no path of the host's: one below
 * the host's own `path` or below this machine's folders loses that part.
 *
 * @param service The service.
 * @param place The `path` of its host, and folders of this machine that no host knows.
 * @returns The paths.
 * @throws {CliError} If nothing says where the service's folder is.
 */
export function servicePaths(
  service: Service,
  place: { readonly hostPath?: string | undefined; readonly foreign?: readonly string[] } = {},
): ServicePaths {
  const { name, directory } = service;
  const given = [service.tlsCert, service.tlsKey, service.caCert].map((path) => withinRepository(path, place));
  const names = [`${name}-cert.pem`, `${name}-key.pem`, "ca-cert.pem"];
  const [tls_cert, tls_key, ca_cert] = names.map((file, index) => {
    if (given[index] !== undefined) return given[index];
    if (directory === undefined) {
      throw new CliError(`cannot tell where '${name}' keeps its certificates`, {
        code: "no_directory",
        hint: "Give it docker_compose, service_file or service_directory in the registry",
      });
    }
    return `/${directory}/certs/${file}`.replace(/\/{2,}/g, "/");
  });
  return { tls_cert: tls_cert!, tls_key: tls_key!, ca_cert: ca_cert! };
}

/** A path that means something on the service's host, below its `path`; undefined when this one does not. */
function withinRepository(
  path: string | undefined,
  { hostPath, foreign = [] }: { readonly hostPath?: string | undefined; readonly foreign?: readonly string[] },
): string | undefined {
  if (path === undefined) return undefined;
  const base = hostPath?.replace(/\/+$/, "");
  if (base && path.startsWith(`${base}/`)) return path.slice(base.length);
  return foreign.some((folder) => path === folder || path.startsWith(`${folder}/`)) ? undefined : path;
}

/**
 * Writes paths into a registry's text.
 *
 * @param text The YAML.
 * @param changes The fields, by service.
 * @returns The YAML with these fields so.
 * @throws {CliError} If a service is not a map.
 */
export function withPaths(text: string, changes: ReadonlyMap<string, Partial<ServicePaths>>): string {
  let changed = text;
  for (const [service, fields] of changes) {
    for (const key of PATH_FIELDS) {
      const value = fields[key];
      if (value !== undefined) changed = withField(changed, service, { key, value });
    }
  }
  return changed;
}

interface Field {
  readonly key: string;
  readonly value: string;
}

function withField(text: string, service: string, field: Field): string {
  const document = parseDocument(text, { merge: true });
  const path = ["services", service, field.key];
  if (document.getIn(path) === field.value) return text;
  const map = document.getIn(["services", service]);
  if (!isMap(map)) throw new CliError(`service '${service}' is not a map in the registry`, { code: "bad_registry" });
  const spliced = splice(text, map, field);
  document.setIn(path, field.value);
  // The splice is trusted when it says the same as the model; else the model is written, which keeps comments and order, too.
  if (spliced !== undefined && saysTheSame(spliced, document.toJS())) return spliced;
  return document.toString({ lineWidth: 0 });
}

function saysTheSame(text: string, wanted: unknown): boolean {
  const document = parseDocument(text, { merge: true });
  return document.errors.length === 0 && isDeepStrictEqual(document.toJS(), wanted);
}

/** The text with the value in its place, or a line more below the map's last. */
function splice(text: string, map: YAMLMap, { key, value }: Field): string | undefined {
  const written = /^\/[A-Za-z0-9_./-]*$/.test(value) ? value : JSON.stringify(value);
  const items = map.items as Pair[];
  const present = items.find((item) => isScalar(item.key) && item.key.value === key);
  if (present !== undefined) {
    const { value: node } = present;
    if (!isScalar(node) || !node.range || node.range[0] === node.range[1]) return undefined;
    return text.slice(0, node.range[0]) + written + text.slice(node.range[1]);
  }
  const last = items.at(-1);
  if (map.flow || last === undefined || !isScalar(last.key) || !last.key.range) return undefined;
  const keyAt = last.key.range[0];
  const indent = text.slice(text.lastIndexOf("\n", keyAt - 1) + 1, keyAt);
  if (!/^ *$/.test(indent)) return undefined;
  const node = last.value as { range?: [number, number, number] | null } | null;
  const end = node?.range?.[1] ?? last.key.range[1];
  const lineEnd = text[end - 1] === "\n" ? end - 1 : text.indexOf("\n", end);
  const line = `${indent}${key}: ${written}`;
  if (lineEnd < 0) return `${text}\n${line}\n`;
  return `${text.slice(0, lineEnd)}\n${line}${text.slice(lineEnd)}`;
}

/**
 * Replaces the registry's file by a new text, unless somebody else changed it meanwhile.
 *
 * @param registry The registry as it was read.
 * @param text Its new text.
 * @throws {CliError} If it cannot be written, or is a link, which would be replaced by a file.
 */
export async function saveRegistry(registry: Registry, text: string): Promise<void> {
  const info = await fileInfo(registry.path);
  if (info?.isSymlink) {
    throw new CliError(`${registry.path} is a symbolic link`, {
      code: "unwritable",
      hint: "Nothing was changed. Set HELYOS_REGISTRY to the file it leads to",
    });
  }
  await replaceFile(registry.path, text, (info?.mode ?? PUBLIC) & 0o777);
}
