/**
 * Files nobody else may read, from their first instant, and never half written.
 *
 * @module
 */

/** Mode of everything but the public certificates. */
export const PRIVATE_FILE = 0o600;
/** Mode of every folder. */
export const PRIVATE_FOLDER = 0o700;

/** Creates the folder and its missing parents as 0700; one that exists keeps its mode. */
export async function makePrivateFolder(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
}

/** Makes the names in a folder durable: a rename is only on disk once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/** How to write a file. */
export interface WriteOptions {
  /** @default {0o600} */
  readonly mode?: number;
}

/**
 * Replaces `path` by `content` in one step: temporary name, fsync, rename, fsync of the folder. Whoever reads `path`, even
 * after a crash at any instant, finds the old content or the new.
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const temporary = await writeTemporary(path, content, options.mode ?? PRIVATE_FILE);
  try {
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(folderOf(path));
}

/**
 * Like {@linkcode writeFileAtomic}, but never replaces: of two processes at once one creates the file.
 *
 * @returns Whether this call created it.
 */
export async function createFileAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<boolean> {
  const temporary = await writeTemporary(path, content, options.mode ?? PRIVATE_FILE);
  try {
    await Deno.link(temporary, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
  await syncFolder(folderOf(path));
  return true;
}

/** The bytes of a file, or undefined when there is none. */
export async function readFileIfAny(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Names left behind by a crash between the temporary file and its rename. */
export async function removeLeftovers(folder: string): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && /^\..+\.[0-9a-f-]{36}\.tmp$/.test(entry.name)) {
      await Deno.remove(`${folder}/${entry.name}`).catch(() => {});
    }
  }
}

async function writeTemporary(path: string, content: Uint8Array | string, mode: number): Promise<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const temporary = `${folderOf(path)}/.${name}.${crypto.randomUUID()}.tmp`;
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const file = await Deno.open(temporary, { createNew: true, write: true, mode: PRIVATE_FILE });
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
    // The umask may have taken bits from a public file's mode; a private one is never widened
    if (mode !== PRIVATE_FILE) await Deno.chmod(temporary, mode);
  } catch (error) {
    file.close();
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  file.close();
  return temporary;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}
