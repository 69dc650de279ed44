/**
 * The data directory before it is touched: what it holds, whether a start could go on with it, and what to say when not.
 *
 * @module
 */
import { ConfigError } from "./config.ts";
import { checkMasterKey, openSealer } from "./secrets/mod.ts";
import { checkSqliteStore } from "./store/sqlite.ts";
import { checkTakeover } from "./takeover/takeover.ts";
import { checkTrust, type TrustOptions, type TrustReport } from "./trust/mod.ts";

/** What a data directory is. */
export type DataDirState =
  /** Not there yet, or empty. */
  | "new"
  /** A daemon of ours has started here. */
  | "ours"
  /** An original's, to be taken over. */
  | "original";

/** What {@linkcode judgeDataDir} found. */
export interface JudgedDataDir {
  readonly state: DataDirState;
  readonly trust: TrustReport;
  /** What would be taken over. */
  readonly original?: { readonly tokens: number; readonly projects: number } | undefined;
}

/**
 * Judges all that a start would use and changes nothing, so that a start that is refused leaves everything as it was.
 *
 * @throws {Error} As the start would: a damaged database, master key, certificate or original.
 */
export async function judgeDataDir(
  dataDir: string,
  { trust, now }: { readonly trust: TrustOptions; readonly now: () => Date },
): Promise<JudgedDataDir> {
  const state = await dataDirState(dataDir);
  // Opening creates the key when there is none, so it is opened only when there is one
  const key = state === "new" ? "absent" : await checkMasterKey(dataDir);
  if (state !== "new") await checkSqliteStore(`${dataDir}/state.db`);
  const sealer = key === "present" ? await openSealer(dataDir) : undefined;
  return {
    state,
    trust: await checkTrust({ dataDir, sealer, now }, trust),
    original: state === "original" ? await checkTakeover(dataDir, now()) : undefined,
  };
}

/** Whether a daemon has started here before, which made a token or took one over. */
export async function hasState(dataDir: string): Promise<boolean> {
  for (const file of ["state.db", "helyos.db"]) {
    try {
      if ((await Deno.stat(`${dataDir}/${file}`)).size > 0) return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw dataDirError(dataDir, error);
    }
  }
  return false;
}

/** What is wrong with a data directory, in a sentence. */
export function dataDirError(dataDir: string, error: unknown): unknown {
  const why = error instanceof Deno.errors.PermissionDenied
    ? "the system does not let this user write there; change its owner or mode, or choose another --data-dir"
    : error instanceof Deno.errors.NotCapable
    ? "this program was not started with the right to it; name it by --data-dir or HELYOS_DATA_DIR on the launcher's command line"
    : error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.AlreadyExists
    ? "it, or a folder above it, is a file; choose another --data-dir"
    : /os error (30|28|122)/.test(String(error))
    ? "its file system is full or read-only; choose another --data-dir"
    : undefined;
  return why === undefined
    ? error
    : new ConfigError(`cannot use the data directory ${dataDir}: ${why}`, { cause: error });
}

async function dataDirState(dataDir: string): Promise<DataDirState> {
  try {
    const info = await Deno.stat(dataDir);
    if (!info.isDirectory) throw new Deno.errors.NotADirectory(dataDir);
    const names = new Set<string>();
    for await (const entry of Deno.readDir(dataDir)) names.add(entry.name);
    return names.has("state.db") ? "ours" : names.has("helyos.db") ? "original" : names.size > 0 ? "ours" : "new";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "new";
    throw dataDirError(dataDir, error);
  }
}
