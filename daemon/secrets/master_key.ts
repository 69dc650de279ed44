/**
 * The node's master key: 32 random bytes in `master.key`, the same file the original daemon keeps.
 *
 * @module
 */
import { createFileAtomic, readFileIfAny } from "../store/private_files.ts";
import { openSealerWith } from "./seal.ts";
import { type Sealer, SecretError } from "./sealer.ts";

/** Size of the key, in bytes: AES-256. */
export const MASTER_KEY_BYTES = 32;

const FILE = "master.key";

/**
 * Opens the sealer of a data directory, creating `master.key` (0600) on the first start.
 *
 * Open it before the store: a directory that has a `state.db` or sealed files but no key has lost it, and a new key
 * would hide that.
 *
 * @throws {SecretError} `key_invalid`, `key_missing` or `key_unreadable`.
 */
export async function openSealer(dataDir: string): Promise<Sealer> {
  const path = `${dataDir}/${FILE}`;
  let key = await read(path);
  if (key === undefined) {
    const dependent = await sealedUnderLostKey(dataDir);
    if (dependent !== undefined) {
      throw new SecretError(
        "key_missing",
        `secret error: ${path} is missing but ${dependent} is there: restore ${FILE} from a backup, ` +
          `or move the whole data directory away to start anew`,
      );
    }
    const fresh = crypto.getRandomValues(new Uint8Array(MASTER_KEY_BYTES));
    try {
      // Of two starts at once one creates the file; both go on with what is in it
      await createFileAtomic(path, fresh);
    } catch (error) {
      throw new SecretError("key_unreadable", `secret error: cannot create ${path}: ${reason(error)}`, {
        cause: error,
      });
    } finally {
      fresh.fill(0);
    }
    key = await read(path);
    if (key === undefined) throw new SecretError("key_unreadable", `secret error: ${path} vanished while it was read`);
  }
  try {
    return await openSealerWith(key);
  } finally {
    key.fill(0);
  }
}

/**
 * Judges the master key of a data directory and changes nothing, for `--check`.
 *
 * @throws {SecretError} As {@linkcode openSealer}.
 */
export async function checkMasterKey(dataDir: string): Promise<"present" | "absent"> {
  const key = await read(`${dataDir}/${FILE}`);
  if (key === undefined && await sealedUnderLostKey(dataDir) !== undefined) {
    throw new SecretError("key_missing", `secret error: ${dataDir}/${FILE} is missing: restore it from a backup`);
  }
  key?.fill(0);
  return key === undefined ? "absent" : "present";
}

async function read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let key: Uint8Array<ArrayBuffer> | undefined;
  try {
    // A device or a pipe might never end
    if (await isNoFile(path)) throw new Error("it is no file; restore it from a backup");
    key = await readFileIfAny(path);
  } catch (error) {
    throw new SecretError("key_unreadable", `secret error: cannot read ${path}: ${reason(error)}`, { cause: error });
  }
  if (key !== undefined && key.length !== MASTER_KEY_BYTES) {
    const length = key.length;
    key.fill(0);
    throw new SecretError(
      "key_invalid",
      `secret error: master key invalid length: expected ${MASTER_KEY_BYTES}, got ${length}; restore ${path} from a backup`,
    );
  }
  return key;
}

async function isNoFile(path: string): Promise<boolean> {
  try {
    return !(await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What of ours in the directory says that there once was a key. */
async function sealedUnderLostKey(dataDir: string): Promise<string | undefined> {
  try {
    for await (const entry of Deno.readDir(dataDir)) {
      if (entry.name === "state.db" || entry.name.endsWith(".sealed")) return entry.name;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /os error (28|122)/.test(text)
    ? "the disk is full; free some space and try again"
    : text.replace(/ \(os error \d+\).*$/s, "");
}
