/**
 * Runs programs of this machine.
 *
 * @module
 */
import { CliError } from "../../failure.ts";

/** What a program that ended said. */
export interface Outcome {
  /** Its exit code; 128 and the signal's number if it was killed. */
  readonly code: number;
  /** Standard output. */
  readonly stdout: string;
  /** Standard error. */
  readonly stderr: string;
}

/** Runs a program to its end with these arguments, without a shell in between and with nothing on standard input. */
export type RunProgram = (program: string, args: readonly string[], signal?: AbortSignal) => Promise<Outcome>;

/**
 * Runs a program. Standard input is empty: an `ssh` that inherits it eats whatever its caller was going to read.
 *
 * @param program Its name, found on PATH.
 * @param args Its arguments.
 * @param signal Kills it.
 * @returns How it went.
 * @throws {CliError} If it cannot be started.
 */
export async function runProgram(program: string, args: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: NO_LOADER,
      ...(signal ? { signal } : {}),
    }).output();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new CliError(`cannot run ${program}: there is no such program on PATH`, {
        code: "no_program",
        hint: program === "ssh" || program === "scp" ? "install OpenSSH's client (Debian: openssh-client)" : undefined,
        cause,
      });
    }
    if (cause instanceof Deno.errors.NotCapable) {
      throw new CliError(`cannot run ${program}: this command was started without permission to`, {
        code: "not_permitted",
        hint: LOADER.exec(cause.message)
          ? `unset ${LOADER.exec(cause.message)![1]}`
          : "start it as helyos, which grants each command what it needs",
        cause,
      });
    }
    throw cause;
  }
}

const decoder = new TextDecoder();

/**
 * Deno starts no program, however permitted, while the environment tells the loader to put other code into it, as it does on many a
 * machine for something else; what is empty it does not mind.
 */
const NO_LOADER = Object.fromEntries(
  [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "LD_BIND_NOW",
    "LD_RUN_PATH",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
  ].map((name) => [name, ""]),
);
const LOADER = /with (D?Y?LD_\w+)/;

/**
 * What a program complained about, without what only surrounds it.
 *
 * @param outcome How it went.
 * @returns The last lines of its complaint, joined; its exit code if it said nothing.
 */
export function complaint({ code, stderr, stdout }: Outcome): string {
  const lines = (stderr.trim() || stdout.trim()).split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !NOISE.test(line));
  return lines.slice(-3).join("; ") || `it ended with exit code ${code}`;
}

/** What ssh and scp say beside the reason. */
const NOISE = /^(Warning: Permanently added|Connection closed\.?$|scp: Connection closed|lost connection$|@{5,}|\*\* )/;
