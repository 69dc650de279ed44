/**
 * Passphrases: from a file, or asked for on a terminal; never from the command line, which others can see.
 *
 * @module
 */
import type { Option, Surroundings } from "../command.ts";
import { CliError, reasonOf } from "../failure.ts";
import { askHidden } from "../prompt.ts";

/** The option of every command that signs. */
export const PASSPHRASE_OPTION = {
  "passphrase-file": {
    summary: "Read the passphrase of the CA's key from the first line of this file",
    value: "FILE",
    complete: "file",
  },
} as const satisfies Record<string, Option>;

/** What a passphrase is for and where it may stand. */
export interface PassphraseSource {
  /** The file that holds it. */
  readonly file: string | undefined;
  /** What it opens, as in `the CA's key`. */
  readonly of: string;
}

/**
 * Finds the passphrase of something that has one.
 *
 * @param surroundings The invocation.
 * @param source Where it may stand.
 * @returns The passphrase.
 * @throws {CliError} If there is no file and no terminal, or it is empty.
 */
export async function findPassphrase({ io }: Surroundings, { file, of }: PassphraseSource): Promise<string> {
  if (file !== undefined) return await readPassphrase({ io }, file);
  if (!io.stdin.isTerminal) {
    throw new CliError(`${of} needs a passphrase, and there is no terminal to ask for it`, {
      code: "passphrase_required",
      hint: "Give it with --passphrase-file FILE",
    });
  }
  return refuseEmpty(await askHidden(io, `Passphrase of ${of}: `));
}

/**
 * Asks for a passphrase that is to be set: twice on a terminal, where Enter means none; without one, from a file alone.
 *
 * @param surroundings The invocation.
 * @param source Where it may stand.
 * @returns The passphrase; undefined for none.
 * @throws {CliError} If the two differ, or the file is empty.
 */
export async function newPassphrase(
  { io }: Surroundings,
  { file, of }: PassphraseSource,
): Promise<string | undefined> {
  if (file !== undefined) return await readPassphrase({ io }, file);
  if (!io.stdin.isTerminal) return undefined;
  const first = await askHidden(io, `Passphrase for ${of} (Enter for none): `);
  return first === "" ? undefined : await askAgain({ io }, first);
}

/**
 * Asks for a passphrase that is to be set and cannot be none.
 *
 * @param surroundings The invocation.
 * @param source Where it may stand.
 * @returns The passphrase.
 * @throws {CliError} If there is no file and no terminal, it is empty, or the two differ.
 */
export async function requiredNewPassphrase(surroundings: Surroundings, source: PassphraseSource): Promise<string> {
  const passphrase = await findPassphrase(surroundings, source);
  return source.file === undefined ? await askAgain(surroundings, passphrase) : passphrase;
}

async function askAgain({ io }: Pick<Surroundings, "io">, first: string): Promise<string> {
  if (await askHidden(io, "The same again: ") === first) return first;
  throw new CliError("the two passphrases differ", { code: "passphrase_mismatch", hint: "Nothing was changed" });
}

async function readPassphrase({ io }: Pick<Surroundings, "io">, file: string): Promise<string> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await io.readFile(file));
  } catch (cause) {
    const why = cause instanceof TypeError ? "it is not text" : reasonOf(cause);
    throw new CliError(`cannot read the passphrase file ${file}: ${why}`, { code: "unreadable", cause });
  }
  return refuseEmpty(text.split(/\r?\n/, 1)[0] ?? "");
}

function refuseEmpty(passphrase: string): string {
  if (passphrase !== "") return passphrase;
  throw new CliError("the passphrase is empty", { code: "passphrase_required" });
}
