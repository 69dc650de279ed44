/**
 * What SQLite says, in the port's words.
 *
 * @module
 */
import { StoreError, type StoreErrorCode } from "./store.ts";

// Deno's node:sqlite carries SQLite's text and no result code, so the text is what there is to go by.
const SAYINGS: readonly [RegExp, StoreErrorCode, (path: string) => string][] = [
  [
    /database or disk is full/,
    "full",
    (path) => `The disk is full: ${path} cannot grow; free some space and try again`,
  ],
  [
    /readonly database|read-only|unable to open database file|permission denied|not permitted/i,
    "read_only",
    (path) =>
      `Cannot write ${path}: check the owner and mode of the file and its folder, and that the disk is not read-only`,
  ],
  [
    /malformed|not a database|file is encrypted/,
    "corrupt",
    (path) =>
      `The database ${path} is damaged: restore it from a backup, or move it away to start empty; nothing was changed`,
  ],
  [
    /disk I\/O error/,
    "io",
    (path) => `The disk failed under ${path}: see that it is neither full nor broken, and try again`,
  ],
  [/database is locked|database table is locked/, "busy", (path) => `${path} is locked by another process; try again`],
  [/database is not open/, "closed", (path) => `The store ${path} is closed`],
];

/** Turns whatever SQLite threw into a {@linkcode StoreError} about the file at `path`. */
export function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const text = error instanceof Error ? error.message : String(error);
  for (const [pattern, code, message] of SAYINGS) {
    if (pattern.test(text)) return new StoreError(code, message(path), { cause: error });
  }
  return new StoreError("io", `Cannot use the database ${path}: ${text}`, { cause: error });
}

/** The error for a database that an integrity check found damaged. */
export function corruptError(path: string, finding: string): StoreError {
  return storeError(new Error(`database disk image is malformed: ${finding}`), path);
}
