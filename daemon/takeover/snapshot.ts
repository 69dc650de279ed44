/**
 * A private copy of the original daemon's database, taken without touching it.
 *
 * Opening a SQLite file in place may replay its write-ahead log, create `-shm` or delete `-wal`: so it is copied first, and
 * only the copy is opened.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { makePrivateFolder, PRIVATE_FILE } from "../store/private_files.ts";

/** The original's data cannot be taken over; nothing was imported and its files are as they were. */
export class TakeoverError extends Error {
  override readonly name = "TakeoverError";
  /** `changing`: somebody writes to it now; `unreadable`: damaged, or not a database of the original. */
  constructor(readonly code: "changing" | "unreadable", message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const FOLDER = ".takeover-";
const ATTEMPTS = 5;

/** A database to read from; disposing it deletes the copy. */
export interface Snapshot extends AsyncDisposable {
  readonly db: DatabaseSync;
}

/**
 * Copies the database and its write-ahead log and opens the copy.
 *
 * @param path The original's `helyos.db`. Its folder takes the copy.
 * @returns Undefined when there is no such file.
 * @throws {TakeoverError} If it keeps changing while it is copied, or cannot be read.
 */
export async function openSnapshot(path: string): Promise<Snapshot | undefined> {
  if (await stamp(path) === undefined) return undefined;
  const folder = `${path.slice(0, path.lastIndexOf("/"))}/${FOLDER}${crypto.randomUUID()}`;
  await makePrivateFolder(folder);
  const drop = () => Deno.remove(folder, { recursive: true }).catch(() => {});
  try {
    const copy = `${folder}/helyos.db`;
    await copyStill(path, copy);
    const db = openCopy(copy, path);
    return {
      db,
      async [Symbol.asyncDispose]() {
        db.close();
        await drop();
      },
    };
  } catch (error) {
    await drop();
    throw error;
  }
}

/** Deletes copies that a killed start left behind: they hold token hashes. */
export async function removeOldSnapshots(dataDir: string): Promise<void> {
  for await (const entry of Deno.readDir(dataDir)) {
    if (entry.isDirectory && entry.name.startsWith(FOLDER)) {
      await Deno.remove(`${dataDir}/${entry.name}`, { recursive: true });
    }
  }
}

/** Copies until neither file changed while both were read: then the two belong together. */
async function copyStill(path: string, copy: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = [await stamp(path), await stamp(`${path}-wal`)].join();
    await copyPrivate(path, copy);
    if (await stamp(`${path}-wal`) !== undefined) await copyPrivate(`${path}-wal`, `${copy}-wal`);
    const after = [await stamp(path), await stamp(`${path}-wal`)].join();
    if (before === after) return;
    await Deno.remove(`${copy}-wal`).catch(() => {});
  }
  throw new TakeoverError(
    "changing",
    `Cannot take over ${path}: it changes all the time; stop the original helyosd first`,
  );
}

async function copyPrivate(from: string, to: string): Promise<void> {
  using source = await Deno.open(from);
  using target = await Deno.open(to, { create: true, truncate: true, write: true, mode: PRIVATE_FILE });
  await source.readable.pipeTo(target.writable);
}

/** What tells one state of a file from the next; undefined when it is not there. */
async function stamp(path: string): Promise<string | undefined> {
  try {
    const { size, mtime, ino } = await Deno.stat(path);
    return `${size}/${mtime?.getTime()}/${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function openCopy(copy: string, path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(copy);
    db.exec("PRAGMA trusted_schema = OFF");
    const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check?: string } | undefined;
    if (row?.quick_check !== "ok") throw new Error("it is damaged", { cause: row?.quick_check });
    return db;
  } catch (cause) {
    db?.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TakeoverError(
      "unreadable",
      `Cannot take over ${path}: ${why}; restore it from a backup, or move it away to start without its tokens and projects`,
      { cause },
    );
  }
}
