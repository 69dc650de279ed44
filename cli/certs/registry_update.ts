/**
 * Changing a field of the registry and nothing else in it: comments, order, quotes and blank lines stay as they are.
 *
 * @module
 */
import { type Document, isAlias, isMap, isScalar, type Pair, parseDocument, type YAMLMap } from "yaml";
import { isDeepStrictEqual } from "node:util";
import { CliError } from "../failure.ts";
import { fileInfo, PUBLIC, readText, replaceFile } from "./files.ts";
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

/** What is to stand in the registry, by service. */
export type PathChanges = ReadonlyMap<string, Partial<ServicePaths>>;

type Change = readonly [service: string, fields: Partial<ServicePaths>];

/**
 * Writes paths into a registry's text.
 *
 * @param text The YAML.
 * @param changes The fields, by service.
 * @returns The YAML with these fields so, and the services that could not be written without changing anything else: those that share
 * their map with others through an anchor.
 */
export function withPaths(text: string, changes: PathChanges): { text: string; refused: readonly string[] } {
  let written = text;
  let left: Change[] = [...changes];
  // Who takes fields from another service through a merge must have its own before that one gets them: so once more, while it helps.
  for (let before = Infinity; left.length > 0 && left.length < before;) {
    before = left.length;
    const refused: Change[] = [];
    written = writeMany(written, left, refused);
    left = refused;
  }
  return { text: written, refused: left.map(([service]) => service) };
}

/** All at once, as large registries are slow to read; when that changes more than it should, by halves to find who is to blame. */
function writeMany(text: string, changes: readonly Change[], refused: Change[]): string {
  const written = write(text, changes);
  if (written !== undefined) return written;
  if (changes.length === 1) {
    refused.push(...changes);
    return text;
  }
  const half = Math.ceil(changes.length / 2);
  return writeMany(writeMany(text, changes.slice(0, half), refused), changes.slice(half), refused);
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** The text with these fields so; undefined if it would say anything else besides. */
function write(text: string, changes: readonly Change[]): string | undefined {
  const document = parseDocument(text, { merge: true });
  const before = document.toJS() as { readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  const services = { ...before.services };
  const edits: Edit[] = [];
  for (const [service, fields] of changes) {
    const missing = PATH_FIELDS.flatMap((key) => {
      const value = fields[key];
      return value === undefined || before.services[service]?.[key] === value ? [] : [{ key, value }];
    });
    if (missing.length === 0) continue;
    const map = serviceMap(document, service);
    const own = map && editsFor(text, map, missing);
    if (own === undefined) return undefined;
    edits.push(...own);
    services[service] = { ...before.services[service], ...fields };
  }
  if (edits.length === 0) return text;
  const written = applied(text, edits);
  const after = parseDocument(written, { merge: true });
  return after.errors.length === 0 && isDeepStrictEqual(after.toJS(), { ...before, services }) ? written : undefined;
}

function serviceMap(document: Document, name: string): YAMLMap | undefined {
  const services = document.get("services");
  const found = isMap(services)
    ? services.items.find(({ key }) => isScalar(key) && String(key.value) === name)
    : undefined;
  return isMap(found?.value) ? found.value : undefined;
}

function applied(text: string, edits: readonly Edit[]): string {
  let [written, at] = ["", 0];
  for (const edit of edits.toSorted((a, b) => a.from - b.from)) {
    written += text.slice(at, edit.from) + edit.text;
    at = edit.to;
  }
  return written + text.slice(at);
}

interface Field {
  readonly key: string;
  readonly value: string;
}

/** Values in their places, and below the map's last line those that have none yet. Whether that says what it should is judged after. */
function editsFor(text: string, map: YAMLMap, fields: readonly Field[]): Edit[] | undefined {
  const items = map.items as Pair[];
  const edits: Edit[] = [];
  const added: Field[] = [];
  for (const field of fields) {
    const present = items.find(({ key }) => isScalar(key) && key.value === field.key);
    if (present === undefined) {
      added.push(field);
      continue;
    }
    const place = placeOf(text, present);
    if (place === undefined) return undefined;
    edits.push({ from: place[0], to: place[1], text: (place[0] === place[1] ? " " : "") + written(field.value) });
  }
  if (added.length === 0) return edits;
  const addition = map.flow ? inFlow(map, added) : inBlock(text, map, added);
  return addition && [...edits, addition];
}

function written(value: string): string {
  return /^\/[A-Za-z0-9_./-]*$/.test(value) ? value : JSON.stringify(value);
}

/** Where a value stands; behind the colon when nothing does. */
function placeOf(text: string, { key, value }: Pair): readonly [from: number, to: number] | undefined {
  if ((isScalar(value) || isAlias(value)) && value.range && value.range[0] < value.range[1]) {
    return [value.range[0], value.range[1]];
  }
  const colon = isScalar(key) && key.range ? /^ *:/.exec(text.slice(key.range[1])) : null;
  if (colon === null) return undefined;
  const at = (key as { range: [number, number, number] }).range[1] + colon[0].length;
  return [at, at];
}

function endOf({ key, value }: Pair): number | undefined {
  const [keyRange, valueRange] = [key, value].map((node) =>
    (node as { range?: [number, number, number] } | null)?.range
  );
  return valueRange?.[1] ?? keyRange?.[1];
}

function inFlow(map: YAMLMap, fields: readonly Field[]): Edit | undefined {
  const words = fields.map(({ key, value }) => `${key}: ${written(value)}`).join(", ");
  const last = (map.items as Pair[]).at(-1);
  const at = last === undefined ? map.range && map.range[0] + 1 : endOf(last);
  return typeof at === "number" ? { from: at, to: at, text: last === undefined ? words : `, ${words}` } : undefined;
}

function inBlock(text: string, map: YAMLMap, fields: readonly Field[]): Edit | undefined {
  const last = (map.items as Pair[]).at(-1);
  const end = last && endOf(last);
  if (last === undefined || end === undefined || !isScalar(last.key) || !last.key.range) return undefined;
  const keyAt = last.key.range[0];
  const indent = " ".repeat(keyAt - text.lastIndexOf("\n", keyAt - 1) - 1);
  const lineBreak = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = fields.map(({ key, value }) => `${indent}${key}: ${written(value)}`);
  const lineEnd = text[end - 1] === "\n" ? end - 1 : text.indexOf("\n", end);
  if (lineEnd < 0) return { from: text.length, to: text.length, text: ["", ...lines, ""].join(lineBreak) };
  const at = text[lineEnd - 1] === "\r" ? lineEnd - 1 : lineEnd;
  return { from: at, to: at, text: ["", ...lines].join(lineBreak) };
}

/**
 * Replaces the registry's file by a new text, unless somebody else changed it meanwhile.
 *
 * @param registry The registry as it was read.
 * @param text Its new text.
 * @throws {CliError} If it cannot be written, is a link, which would be replaced by a file, or is no longer what was read.
 */
export async function saveRegistry(registry: Registry, text: string): Promise<void> {
  const info = await fileInfo(registry.path);
  if (info?.isSymlink) {
    throw new CliError(`${registry.path} is a symbolic link`, {
      code: "unwritable",
      hint: "Nothing was changed. Set HELYOS_REGISTRY to the file it leads to",
    });
  }
  if (await readText(registry.path) !== registry.text) {
    throw new CliError(`${registry.path} was changed by somebody else meanwhile`, {
      code: "changed",
      hint: "Nothing was changed; try again",
    });
  }
  await replaceFile(registry.path, text, info ?? PUBLIC);
}
