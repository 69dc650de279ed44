/**
 * One daemon per data directory.
 *
 * The hold is an advisory lock of the operating system on `helyosd.lock`, so a SIGKILL frees it and it can neither be
 * stale nor won twice. The file's content only says who holds it. Short-lived commands such as `helyosd token reset` work
 * beside a running daemon without taking it.
 *
 * @module
 */

import { removeLeftovers } from "./private_files.ts";

/** Who holds a data directory. */
export interface Holder {
  /** Process id. */
  readonly pid: number;
  /** Name of the machine. */
  readonly host: string;
  /** Where it listens, for example `https://0.0.0.0:6443`; null until it does. */
  readonly address: string | null;
}

/** Another daemon holds the directory. */
export class HeldError extends Error {
  override readonly name = "HeldError";
  readonly code = "held";
  /** @param holder Who, when the lock file tells. */
  constructor(dataDir: string, readonly holder: Holder | undefined) {
    super(
      `Cannot use the data directory ${dataDir}: ${
        describe(holder)
      }; stop it first, or give this one another --data-dir`,
    );
  }
}

/** The directory is held until this is disposed or the process ends. */
export interface Hold extends AsyncDisposable {
  /** Tells others where the holder listens now. */
  listening(address: string): Promise<void>;
}

const LOCK_FILE = "helyosd.lock";

/**
 * Holds a data directory, which must exist.
 *
 * @throws {HeldError} If another daemon holds it.
 */
export async function holdDataDir(dataDir: string, holder: Pick<Holder, "pid" | "host">): Promise<Hold> {
  const file = await Deno.open(`${dataDir}/${LOCK_FILE}`, { create: true, read: true, write: true, mode: 0o600 });
  try {
    if (!await file.tryLock(true)) throw new HeldError(dataDir, await readHolder(file));
    await writeHolder(file, { ...holder, address: null });
    await removeLeftovers(dataDir); // nobody else writes here now
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    listening: (address) => writeHolder(file, { ...holder, address }),
    async [Symbol.asyncDispose]() {
      await file.truncate(0); // the file stays: removing it would let two daemons lock two files of one name
      file.close();
    },
  };
}

/**
 * Refuses if another daemon holds the directory, without holding it: for a start that fails for a reason which that
 * daemon explains better, such as its port being in use.
 *
 * @throws {HeldError} If it is held.
 */
export async function refuseIfHeld(dataDir: string): Promise<void> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(`${dataDir}/${LOCK_FILE}`, { read: true, write: true });
  } catch {
    return; // nobody ever held it, or it is for others to say what is wrong with it
  }
  using _closing = file;
  if (!await file.tryLock(false)) throw new HeldError(dataDir, await readHolder(file));
}

async function writeHolder(file: Deno.FsFile, holder: Holder): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(holder) + "\n");
  await file.seek(0, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.truncate(bytes.length);
}

async function readHolder(file: Deno.FsFile): Promise<Holder | undefined> {
  const bytes = new Uint8Array(4096);
  await file.seek(0, Deno.SeekMode.Start);
  const length = await file.read(bytes) ?? 0;
  try {
    const { pid, host, address } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length)));
    if (!Number.isSafeInteger(pid) || typeof host !== "string") return undefined;
    return { pid, host, address: typeof address === "string" ? address : null };
  } catch {
    return undefined; // just started, or just stopping
  }
}

function describe(holder: Holder | undefined): string {
  if (holder === undefined) return "another helyosd is using it";
  const where = holder.address === null ? "" : `, serving ${holder.address}`;
  return `helyosd with process id ${holder.pid} on ${holder.host} is using it${where}`;
}
