/**
 * Files as the CA needs them: closed to others from the first byte, replaced whole or not at all, one writer at a time.
 *
 * @module
 */
import { dirname } from "node:path";
import { CliError, reasonOf } from "../failure.ts";

/** Keys, and what tells of them. */
export const SECRET = 0o600;
/** Certificates and revocation lists. */
export const PUBLIC = 0o644;

const encoder = new TextEncoder();

/**
 * Reads a text.
 *
 * @param path The file.
 * @returns Its text; undefined when there is no such file.
 * @throws {CliError} If it cannot be read.
 */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unreadable(path, error);
  }
}

/**
 * Asks what a file is like.
 *
 * @param path The file.
 * @returns Size and permissions; undefined when there is no such file.
 * @throws {CliError} If it cannot be asked.
 */
export async function fileInfo(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unreadable(path, error);
  }
}

/**
 * Lists the names in a folder, in order.
 *
 * @param path The folder.
 * @returns The names of folders and files; none when there is no such folder.
 * @throws {CliError} If it cannot be read.
 */
export async function namesIn(path: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
    return names.sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw unreadable(path, error);
  }
}

/**
 * Makes a folder that only its owner may enter, and closes one that others could.
 *
 * @param path The folder; those above it are made too.
 * @throws {CliError} If that fails.
 */
export async function makeFolder(path: string): Promise<void> {
  await orExplain(`cannot make the folder ${path}`, async () => {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & 0o077) !== 0) await Deno.chmod(path, 0o700);
  });
}

/**
 * Writes a new file to the disk, with its permissions from the first byte. What a crash left under the name goes first.
 *
 * @param path The file.
 * @param content What stands in it.
 * @param mode Its permissions.
 * @throws {CliError} If that fails.
 */
export async function writeNew(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await orExplain(`cannot write ${path}`, async () => {
    await remove(path);
    using file = await Deno.open(path, { write: true, createNew: true, mode });
    // A strict umask takes away what everybody may read: the registry would be closed to those who read it before.
    if ((mode & 0o077) !== 0) await Deno.chmod(path, mode);
    let bytes = typeof content === "string" ? encoder.encode(content) : content;
    while (bytes.length > 0) bytes = bytes.subarray(await file.write(bytes));
    await file.sync();
  });
}

/**
 * Replaces a file: at every instant, and after a crash at any, it is the old or the new one.
 *
 * @param path The file.
 * @param content What stands in it from now on.
 * @param like Its permissions, or a file whose permissions and owner it gets.
 * @throws {CliError} If that fails; the old file stays, and nothing beside it.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  like: number | Pick<Deno.FileInfo, "mode" | "uid" | "gid">,
): Promise<void> {
  const beside = `${path}.tmp`;
  try {
    await writeNew(beside, content, typeof like === "number" ? like : (like.mode ?? PUBLIC) & 0o777);
    // Root gives it back to whom it belongs; others own what they write anyhow.
    if (typeof like !== "number") await Deno.chown(beside, like.uid, like.gid).catch(() => {});
    await orExplain(`cannot write ${path}`, () => Deno.rename(beside, path));
  } catch (error) {
    await remove(beside).catch(() => {});
    throw error;
  }
}

/**
 * Removes a file, if it is there.
 *
 * @param path The file.
 */
export async function remove(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/**
 * Waits until nobody else holds a lock, then holds it until the work is done. The system frees it when the process dies.
 *
 * @param path The file that is the lock.
 * @param work What nobody else may do meanwhile.
 * @param options How long to wait, in milliseconds, and what the lock guards, for the message.
 * @returns What the work returns.
 * @throws {CliError} If the wait was in vain.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { readonly timeoutMs?: number; readonly what?: string } = {},
): Promise<T> {
  const { timeoutMs = 120_000, what = path } = options;
  using file = await orExplain(
    `cannot lock ${what}`,
    () => Deno.open(path, { read: true, write: true, create: true, mode: SECRET }),
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), timeoutMs));
  const won = await Promise.race([file.lock(true), late]).finally(() => clearTimeout(timer));
  if (won !== "late") return await work();
  throw new CliError(`another helyos has held ${what} for ${timeoutMs / 1000} seconds`, {
    code: "locked",
    hint: "Nothing was changed; try again when it is done",
  });
}

/**
 * Does something if nobody holds a lock, which is then held meanwhile.
 *
 * @param path The file that is the lock.
 * @param work What nobody else may do meanwhile.
 * @throws {CliError} If the file cannot be opened, or the work fails.
 */
export async function ifUnlocked(path: string, work: () => Promise<void>): Promise<void> {
  using file = await orExplain(
    `cannot lock ${path}`,
    () => Deno.open(path, { read: true, write: true, create: true, mode: SECRET }),
  );
  if (await file.tryLock(true)) await work();
}

/**
 * Makes names in a folder outlast a power cut. Where a folder cannot be synced, as on some network disks, nothing is lost but that.
 *
 * @param path A file in the folder.
 */
export async function syncFolderOf(path: string): Promise<void> {
  try {
    using folder = await Deno.open(dirname(path), { read: true });
    await folder.sync();
  } catch {
    // The files themselves are on the disk.
  }
}

/**
 * Does something with files and says what failed, without what the runtime adds for programmers.
 *
 * @param what What could not be done, should it fail.
 * @param work The work.
 * @returns What the work returns.
 * @throws {CliError} Instead of what the system throws.
 */
export async function orExplain<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${what}: ${reasonOf(error)}`, { code: "unwritable", cause: error });
  }
}

function unreadable(path: string, error: unknown): CliError {
  return new CliError(`cannot read ${path}: ${reasonOf(error)}`, { code: "unreadable", cause: error });
}
