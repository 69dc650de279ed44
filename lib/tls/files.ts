/** Reading the files a configuration names. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TlsConfigError } from "./errors.ts";

/** A file that was read. */
export interface ReadFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Collects every path that was looked at, with its state just before, so that no change of any goes unnoticed. */
export type PathSink = Map<string, string>;

/** What changes when a file or folder does. */
export async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return "missing";
  }
}

/** Reads a file, or says why not. */
export async function readConfigured(path: string, what: string, seen?: PathSink): Promise<Uint8Array> {
  seen?.set(path, await stateOf(path));
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable(path, what, cause);
  }
}

/** Splits what a configuration says into paths: a string at `:`, an array never; empty parts do not count. */
export function pathsOf(value: string | readonly string[]): string[] {
  const parts = typeof value === "string" ? value.split(":") : value;
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** Reads files and, of folders, every file with one of the extensions, in the order of their names. */
export async function readAll(
  paths: readonly string[],
  o: { readonly what: string; readonly extensions: readonly string[]; readonly seen?: PathSink | undefined },
): Promise<ReadFile[]> {
  const files: ReadFile[] = [];
  for (const path of paths) {
    o.seen?.set(path, await stateOf(path));
    const names = await isFolder(path, o.what) ? await list(path, o.extensions) : undefined;
    for (const file of names?.map((name) => join(path, name)) ?? [path]) {
      files.push({ path: file, bytes: await readConfigured(file, o.what, o.seen) });
    }
  }
  return files;
}

async function isFolder(path: string, what: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw unreadable(path, what, cause);
  }
}

async function list(path: string, extensions: readonly string[]): Promise<string[]> {
  try {
    const names = await readdir(path);
    return names.filter((name) => extensions.some((extension) => name.endsWith(extension))).sort();
  } catch (cause) {
    throw unreadable(path, "the folder", cause);
  }
}

function unreadable(path: string, what: string, cause: unknown): TlsConfigError {
  const code = (cause as { code?: unknown }).code;
  return code === "ENOENT" || code === "ENOTDIR"
    ? new TlsConfigError("file_not_found", `Cannot read ${what}: "${path}" does not exist`, { path, cause })
    : new TlsConfigError("file_unreadable", `Cannot read ${what} "${path}"`, { path, cause });
}
