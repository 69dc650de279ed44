/**
 * Questions on the terminal. Without one nothing is asked: callers refuse and name the flag.
 *
 * @module
 */
import { CliError } from "./failure.ts";
import type { Io } from "./io.ts";

type Terminal = Pick<Io, "stdin" | "stderr">;

/** What terminals put around pasted text. */
// deno-lint-ignore no-control-regex -- the escape is what marks it
const PASTE_MARKS = /\x1b\[20[01]~/g;

/** Interrupted by the person at the terminal; what shells report for that. */
const INTERRUPTED_EXIT_CODE = 130;

/**
 * Asks a yes-or-no question. One key answers: y or n; Enter means no.
 *
 * @param io The terminal.
 * @param question Without the `[y/N]`.
 * @returns Whether the answer was yes.
 * @throws {CliError} If the person interrupts.
 */
export async function confirm({ stdin, stderr }: Terminal, question: string): Promise<boolean> {
  const yes = await stdin.raw(async (next) => {
    stderr.write(`${question} [y/N] `); // Only now: keys pressed before would be read another way.
    for (;;) {
      const keys = await next();
      if (keys === undefined) return false;
      for (const key of new TextDecoder().decode(keys)) {
        if (key === "y" || key === "Y") return true;
        if ("nN\r\n\x04\x1b".includes(key)) return false;
        if (key === "\x03") return interrupted(stderr);
      }
    }
  });
  stderr.write(yes ? "yes\n" : "no\n");
  return yes;
}

/**
 * Asks for a secret. Nothing of it is shown.
 *
 * @param io The terminal.
 * @param question The question, with what follows it.
 * @returns What was typed or pasted, without white space at either end; empty if nothing was.
 * @throws {CliError} If the person interrupts.
 */
export async function askHidden({ stdin, stderr }: Terminal, question: string): Promise<string> {
  const typed = await stdin.raw(async (next) => {
    stderr.write(question);
    const decoder = new TextDecoder();
    let line: string[] = [];
    for (;;) {
      const keys = await next();
      if (keys === undefined) return line;
      for (const key of decoder.decode(keys, { stream: true }).replace(PASTE_MARKS, "")) {
        if (key === "\r" || key === "\n") return line;
        if (key === "\x03") return interrupted(stderr);
        if (key === "\x04" && line.length === 0) return line;
        if (key === "\x7f" || key === "\b") line.pop();
        else if (key === "\x15") line = [];
        else if (key >= " ") line.push(key);
      }
    }
  });
  stderr.write("\n");
  return typed.join("").trim();
}

function interrupted(stderr: Terminal["stderr"]): never {
  stderr.write("\n");
  throw new CliError("interrupted", { code: "interrupted", exitCode: INTERRUPTED_EXIT_CODE });
}
