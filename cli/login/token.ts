/**
 * Where `helyos login` takes the token from.
 *
 * @module
 */
import type { Surroundings } from "../command.ts";
import { checkToken } from "../connect.ts";
import { CliError, reasonOf } from "../failure.ts";
import { askHidden } from "../prompt.ts";

/** The sources the user named. */
export interface TokenSources {
  /** Read one line of standard input. */
  readonly stdin: boolean;
  /** Read the first line of this file. */
  readonly file: string | undefined;
  /** The server, for the question. */
  readonly server: string;
}

/**
 * Finds the token: flag, standard input, file, variable, then a hidden question on the terminal.
 *
 * @param surroundings The invocation.
 * @param sources What the user named.
 * @returns The token, never empty.
 * @throws {CliError} If there is none.
 */
export async function findToken(surroundings: Surroundings, sources: TokenSources): Promise<string> {
  const { globals, io } = surroundings;
  const token = globals.token ??
    (sources.stdin ? await io.stdin.readLine() ?? "" : undefined) ??
    (sources.file === undefined ? undefined : await tokenFromFile(surroundings, sources.file)) ??
    io.env("HELYOS_API_TOKEN") ??
    (io.stdin.isTerminal ? await askHidden(io, `Paste a HELYOS API token for ${sources.server}: `) : undefined);
  const trimmed = token?.trim() ?? "";
  if (trimmed !== "") {
    checkToken(trimmed);
    return trimmed;
  }
  throw new CliError("no token provided (use --token, --token-stdin, --token-file, or HELYOS_API_TOKEN)", {
    code: "no_token",
  });
}

async function tokenFromFile({ io }: Surroundings, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await io.readFile(path)).trimStart().split("\n")[0] ?? "";
  } catch (cause) {
    throw new CliError(`read token file ${path}: ${reasonOf(cause)}`, {
      code: "unreadable_file",
      cause,
    });
  }
}
