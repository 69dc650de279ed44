/**
 * What the agent tried: a ledger with a line for every attempt, and the last state of every pair, which `list` shows.
 *
 * @module
 */
import { join } from "node:path";
import { makeFolder, readText, replaceFile, SECRET } from "../files.ts";
import { orExplain } from "../files.ts";
import type { PairType, PkiHome } from "../home.ts";

/** What an attempt consists of, in this order. */
export type AttemptStep = "plan" | "renew" | "deploy" | "reload" | "probe";

/** How things stand with one pair. */
export interface PairState {
  /** Whose. */
  readonly service: string;
  /** What for. */
  readonly type: PairType;
  /** When it was last tried, RFC 3339. */
  readonly lastAttempt: string;
  /** When it will be tried next, RFC 3339: a failure's back-off, or the day it is due. */
  readonly nextTry: string;
  /** How often in a row it failed. */
  readonly failures: number;
  /** Why it failed last; absent after a success. */
  readonly lastError?: string;
  /** Which step failed. */
  readonly failedStep?: AttemptStep;
  /** What lies on the target, as one number over all its files. */
  readonly deployed?: string;
}

/** One line of the ledger. */
export type Attempt =
  & {
    /** When, RFC 3339. */
    readonly at: string;
    /** Whose. */
    readonly service: string;
    /** What for. */
    readonly type: PairType;
    /** Where it was to be deployed. */
    readonly machine?: string;
    /** What was done, as far as it got. */
    readonly did: readonly AttemptStep[];
  }
  & (
    | { readonly ok: true; readonly sha256: string; readonly notAfter: string; readonly nextTry: string }
    | {
      readonly ok: false;
      readonly step: AttemptStep;
      readonly error: string;
      readonly code: string;
      readonly failures: number;
      readonly nextTry: string;
    }
  );

/** Lines are moved to `ledger.jsonl.1` when there are so many bytes of them. */
const LEDGER_BYTES = 4 * 1024 * 1024;

/** The agent's files. */
export function agentFiles(home: PkiHome): { folder: string; lock: string; ledger: string; state: string } {
  const folder = join(home.folder, "agent");
  return {
    folder,
    lock: join(folder, "lock"),
    ledger: join(folder, "ledger.jsonl"),
    state: join(folder, "state.json"),
  };
}

/**
 * Reads how things stand: what `list` shows as last error and next try.
 *
 * @param home The CA's files.
 * @returns By `SERVICE/TYPE`; empty when no agent ever ran, or its file cannot be understood, which costs it nothing but a look
 * at every target.
 * @throws {CliError} If it cannot be read.
 */
export async function readStates(home: PkiHome): Promise<Map<string, PairState>> {
  const text = await readText(agentFiles(home).state);
  try {
    return new Map(Object.entries(JSON.parse(text ?? "{}") as Record<string, PairState>));
  } catch {
    return new Map();
  }
}

/**
 * Writes an attempt down and how things stand after it.
 *
 * @param home The CA's files.
 * @param attempts What was tried.
 * @param states How things stand now.
 * @throws {CliError} If that fails.
 */
export async function writeAttempts(
  home: PkiHome,
  attempts: readonly Attempt[],
  states: ReadonlyMap<string, PairState>,
): Promise<void> {
  const files = agentFiles(home);
  await makeFolder(files.folder);
  await orExplain(`cannot write ${files.ledger}`, async () => {
    const size = await Deno.stat(files.ledger).then(({ size }) => size, () => 0);
    if (size > LEDGER_BYTES) await Deno.rename(files.ledger, `${files.ledger}.1`);
    const lines = attempts.map((attempt) => `${JSON.stringify(attempt)}\n`).join("");
    await Deno.writeTextFile(files.ledger, lines, { append: true, mode: SECRET });
  });
  await replaceFile(files.state, `${JSON.stringify(Object.fromEntries(states), null, 2)}\n`, SECRET);
}
