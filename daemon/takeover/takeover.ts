/**
 * Takes over the data directory of the original daemon: its tokens, projects and settings become ours, once, and its files
 * stay as they are. `master.key` and the `http-*.pem` files are used in place by `secrets` and `trust`.
 *
 * @module
 */
import { auditOperation } from "../audit/records.ts";
import { projectKey, storeProject } from "../projects/records.ts";
import { checkKey, type Operation, type Store } from "../store/store.ts";
import { storeToken, tokenNameKey } from "../tokens/records.ts";
import { type OriginalData, readOriginal } from "./original.ts";
import { openSnapshot, removeOldSnapshots } from "./snapshot.ts";

export { TakeoverError } from "./snapshot.ts";

/** What taking over needs. */
export interface TakeoverDeps {
  readonly store: Store;
  readonly dataDir: string;
  readonly now: () => Date;
}

/** What was taken over. */
export interface TakenOver {
  readonly tokens: number;
  readonly projects: number;
  /** Tokens that got another name, each in words: nothing could have named them to revoke them. */
  readonly renamed: readonly string[];
  /** Rows left out, each in words: the name is taken already, or cannot be kept. */
  readonly leftOut: readonly string[];
}

const MARK = "takeover/helyos.db";

/**
 * Imports the original's `helyos.db` if there is one and this was not done before. All of it is one commit: killed at any
 * instant, the next start does it whole or finds it done.
 *
 * @returns Undefined when there was nothing to do.
 * @throws {TakeoverError} If there is one that cannot be read; nothing was imported.
 */
export async function takeOver(deps: TakeoverDeps): Promise<TakenOver | undefined> {
  const { store, dataDir, now } = deps;
  await removeOldSnapshots(dataDir);
  if (await store.get(MARK) !== undefined) return undefined;
  const data = await readData(dataDir, now());
  if (data === undefined) return undefined;
  const leftOut: string[] = [];
  const tokens = await tokenOperations(store, data, leftOut);
  const projects = await projectOperations(store, data, leftOut);
  const config = [...data.config].flatMap(([key, value]) =>
    keepable(() => [{ put: `cluster-config/${key}`, value }], `setting ${JSON.stringify(key)}`, leftOut) ?? []
  );
  const counts = { tokens: tokens.length, projects: projects.length };
  const committed = await store.commit([
    ...tokens.flat(),
    ...projects,
    ...config,
    { put: MARK, value: { at: now().toISOString(), ...counts, leftOut } },
    auditOperation(deps, { actor: "helyosd", action: "takeover", target: "helyos.db", address: null }),
  ], [{ key: MARK, revision: 0 }]);
  return committed ? { ...counts, renamed: data.renamed, leftOut } : undefined;
}

/**
 * Says what {@linkcode takeOver} would find and imports nothing, for `--check`.
 *
 * @throws {TakeoverError} If there is an original's database that cannot be read.
 */
export async function checkTakeover(
  dataDir: string,
  now: Date,
): Promise<Omit<TakenOver, "leftOut" | "renamed"> | undefined> {
  const data = await readData(dataDir, now);
  return data && { tokens: data.tokens.length, projects: data.projects.length };
}

async function readData(dataDir: string, now: Date): Promise<OriginalData | undefined> {
  await using snapshot = await openSnapshot(`${dataDir}/helyos.db`);
  return snapshot && readOriginal(snapshot.db, now);
}

async function tokenOperations(store: Store, data: OriginalData, leftOut: string[]): Promise<Operation[][]> {
  const operations: Operation[][] = [];
  for (const token of data.tokens) {
    const label = `token ${JSON.stringify(token.name)}`;
    const stored = keepable(() => storeToken(token), label, leftOut);
    if (stored === undefined) continue;
    if (token.revokedAt === null && await store.get(tokenNameKey(token.name)) !== undefined) {
      leftOut.push(`${label}: an active token has this name`);
    } else operations.push(stored);
  }
  return operations;
}

async function projectOperations(store: Store, data: OriginalData, leftOut: string[]): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const project of data.projects) {
    const label = `project ${JSON.stringify(project.name)}`;
    const stored = keepable(() => [storeProject(project)], label, leftOut);
    if (stored === undefined) continue;
    if (await store.get(projectKey(project.name)) !== undefined) leftOut.push(`${label}: it exists already`);
    else operations.push(...stored);
  }
  return operations;
}

/** The operations, or a line in `leftOut` when the original let a name pass that no key can hold. */
function keepable(make: () => Operation[], label: string, leftOut: string[]): Operation[] | undefined {
  try {
    const operations = make();
    for (const operation of operations) checkKey("put" in operation ? operation.put : operation.delete);
    return operations;
  } catch (error) {
    leftOut.push(`${label}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
