/**
 * Files of a proxy: private, and never half there. They do not have to outlive the machine, since every start of the daemon writes them anew;
 * so nothing waits for the disk.
 *
 * @module
 */
import { PRIVATE_FILE } from "../../store/private_files.ts";

let count = 0;

/** Replaces `path` by `content` in one step: whoever reads it finds the old content or the new. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const slash = path.lastIndexOf("/");
  // A name that no proxy takes for a configuration
  const temporary = `${path.slice(0, slash)}/.${path.slice(slash + 1)}.${Deno.pid}-${count++}.tmp`;
  try {
    await Deno.writeTextFile(temporary, content, { mode: PRIVATE_FILE, createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {/* it was not made */});
    throw error;
  }
}

/** Removes a file; does nothing when there is none. */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes the files in a folder that match, temporary ones too; does nothing when there is no folder. */
export async function emptyFolder(path: string, pattern = /^/): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(path)) {
      if (isFile && (pattern.test(name) || name.endsWith(".tmp"))) await removeFile(`${path}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
