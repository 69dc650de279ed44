/**
 * The contexts' file: found, read, changed under a lock, never readable by others.
 *
 * @module
 */
import { Contexts, formatContexts, parseContexts } from "./context.ts";
import { CliError, reasonOf } from "./failure.ts";
import type { Io } from "./io.ts";
import { styleOf } from "./output/style.ts";
import { warning } from "./output/message.ts";

/** How long to wait for another `helyos` to finish writing. */
const LOCK_TIMEOUT_MS = 10_000;

/** Where contexts are kept. */
export interface ContextStore {
  /** The file; empty when nothing says where it is. */
  readonly path: string;
  /** What it says now; empty when there is none. */
  read(): Promise<Contexts>;
  /**
   * Changes it: reads it under the lock, so that two writers at once both take effect, and replaces it atomically.
   * `change` may throw; nothing is written then. Gives back what was written.
   *
   * @throws {CliError} If nothing says where the file is, or it cannot be read or written.
   */
  update(change: (contexts: Contexts) => Contexts): Promise<Contexts>;
  /** A context has a new name: going back to it uses that one. */
  renamed(from: string, to: string): Promise<void>;
  /** The context that was current before this one; undefined when none was. */
  previous(): Promise<string | undefined>;
}

/**
 * Opens the file `HELYOS_CONFIG` names, else `~/.helyos/config.toml`. Where neither that variable nor a home folder is set
 * there are no contexts, and none can be kept; flags and variables are enough to talk to a daemon all the same.
 *
 * @param io The outside world.
 * @returns The store. Nothing is read yet.
 */
export function openContexts(io: Pick<Io, "env" | "stderr">): ContextStore {
  const named = io.env("HELYOS_CONFIG");
  const home = io.env("HOME") ?? io.env("USERPROFILE");
  if (named === undefined && home === undefined) return NOWHERE;
  const path = named ?? `${home}/.helyos/config.toml`;
  const warn = (text: string) => io.stderr.write(warning(styleOf(io.stderr, io), text));
  return storeAt({ path, ownsFolder: named === undefined, warn });
}

const NOWHERE: ContextStore = {
  path: "",
  read: () => Promise.resolve(new Contexts()),
  update: () => Promise.reject(noPlace()),
  renamed: () => Promise.resolve(),
  previous: () => Promise.resolve(undefined),
};

/**
 * What to throw when a context must be kept and nothing says where.
 *
 * @returns The failure.
 */
export function noPlace(): CliError {
  return new CliError("could not determine config path", {
    code: "no_config_path",
    hint: "Set HOME, or HELYOS_CONFIG to the file to use",
  });
}

interface Place {
  readonly path: string;
  /** The folder is Helyos's own, so its mode is ours to tighten. */
  readonly ownsFolder: boolean;
  readonly warn: (text: string) => void;
}

function storeAt(place: Place): ContextStore {
  const { path } = place;
  return {
    path,
    async read() {
      try {
        return parseContexts(await readTight(place));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return new Contexts();
        place.warn(`could not read config file ${path}: ${reasonOf(error)}`);
        return new Contexts();
      }
    },
    async update(change) {
      await refuseDevice(path);
      using _lock = await lock(place);
      const old = await readOrNothing(path);
      const before = parseContexts(old ?? "");
      const after = change(before);
      const text = formatContexts(after);
      const replace = (target: string, content: string) =>
        replaceFile(target, { content, beside: sidecar(path, "tmp") });
      if (old !== undefined) await replace(sidecar(path, "bak"), withoutLostSecrets(old, after));
      await replace(path, text);
      const left = before.current;
      // A renamed or removed context is not one to go back to.
      if (left !== undefined && left !== after.current && after.has(left)) {
        await replace(previousFile(path), `${left}\n`);
      }
      return after;
    },
    async renamed(from, to) {
      using _lock = await lock(place);
      if (await previous(path) !== from) return;
      await replaceFile(previousFile(path), { content: `${to}\n`, beside: sidecar(path, "tmp") });
    },
    previous: () => previous(path),
  };
}

async function previous(path: string): Promise<string | undefined> {
  return (await readOrNothing(previousFile(path)))?.trim() || undefined;
}

/** `config.toml` → `config.toml.bak`. */
function sidecar(path: string, extension: string): string {
  return `${path.replace(/\.toml$/, "")}.toml.${extension}`;
}

function previousFile(path: string): string {
  return `${folderOf(path)}/previous-context`;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** Reads the file; one that others could read is closed to them and its owner told, since the token may be known. */
async function readTight({ path, warn }: Place): Promise<string> {
  const { isFile, mode } = await Deno.stat(path);
  // Whoever names /dev/null or a pipe means its bytes: its mode is everybody's.
  if (isFile && mode !== null && (mode & 0o077) !== 0) {
    const tightened = await Deno.chmod(path, 0o600).then(() => true, () => false);
    const now = tightened ? "It is yours alone now" : "Close it with: chmod 600";
    warn(`${path} was open to other users of this machine. ${now}; rotate its tokens if others could read it`);
  }
  return await Deno.readTextFile(path);
}

/** Renaming a file onto /dev/null would take it from the whole machine. */
async function refuseDevice(path: string): Promise<void> {
  const found = await Deno.stat(path).catch(ignore);
  if (!found || found.isFile || found.isDirectory) return;
  throw new CliError(`cannot write ${path}: it is no file`, { code: "config_unwritable", hint: "Nothing was changed" });
}

async function readOrNothing(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new CliError(`could not read config file ${path}: ${reasonOf(error)}`, {
      code: "config_unreadable",
      hint: "Nothing was changed",
      cause: error,
    });
  }
}

/** Held until the file is closed, also by the system when the process dies. */
async function lock({ path, ownsFolder }: Place): Promise<Deno.FsFile> {
  const folder = folderOf(path);
  if (ownsFolder) await tighten(folder);
  const file = await orExplain(`cannot write ${path}`, () =>
    openLock(sidecar(path, "lock")).catch(async (error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      return await openLock(sidecar(path, "lock"));
    }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), LOCK_TIMEOUT_MS));
  const won = await Promise.race([file.lock(true), late]).finally(() => clearTimeout(timer));
  if (won !== "late") return file;
  throw new CliError(`another helyos has held ${path} for ${LOCK_TIMEOUT_MS / 1000} seconds`, {
    code: "config_locked",
    hint: "Nothing was changed; try again when it is done",
  });
}

function openLock(path: string): Promise<Deno.FsFile> {
  return Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
}

/** Closes Helyos's own folder to others. One that is not there yet will be made closed. */
async function tighten(folder: string): Promise<void> {
  const { mode } = await Deno.stat(folder).catch(() => ({ mode: null }));
  if (mode !== null && (mode & 0o077) !== 0) await Deno.chmod(folder, 0o700).catch(ignore);
}

/** Writes beside the file and renames, so that it is the old or the new one at every instant, 0600 from the first. */
async function replaceFile(path: string, { content, beside }: { content: string; beside: string }): Promise<void> {
  await orExplain(`cannot write ${path}`, async () => {
    await Deno.remove(beside).catch(ignore);
    {
      using file = await Deno.open(beside, { write: true, createNew: true, mode: 0o600 });
      let bytes = new TextEncoder().encode(content);
      while (bytes.length > 0) bytes = bytes.subarray(await file.write(bytes));
      await file.sync();
    }
    await Deno.rename(beside, path);
  });
}

/** Anything that looks like a secret of ours, wherever it stands. */
const TOKEN = /nxa-api_[0-9A-Za-z]+/g;

/** The old text without the lines that hold a token which is no longer in use. */
function withoutLostSecrets(old: string, now: Contexts): string {
  const kept = new Set(now.list().map((context) => context.token));
  const lost = parseContexts(old).list().flatMap(({ token }) => token && !kept.has(token) ? [token] : []);
  const holds = (line: string) =>
    lost.some((token) => line.includes(token)) ||
    Array.from(line.matchAll(TOKEN), ([token]) => token).some((token) => !kept.has(token));
  return old.split("\n").filter((line) => !holds(line)).join("\n");
}

async function orExplain<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CliError(`${what}: ${reasonOf(error)}`, { code: "config_unwritable", cause: error });
  }
}

/** For what may fail: the file is not there, or not ours to change. */
function ignore(): void {}
