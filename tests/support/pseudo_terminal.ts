/**
 * Runs a shell line on a pseudo-terminal and presses keys, by util-linux's `script`.
 *
 * @module
 */
import { environment, type RunOptions } from "./process.ts";

/** A shell line that runs on a terminal. */
export interface PseudoTerminal extends AsyncDisposable {
  /** Everything shown so far. */
  shown(): string;
  /** Resolves once what is shown after the last match matches; rejects when the line ends first. */
  waitFor(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Presses keys. */
  press(keys: string): Promise<void>;
  /** Waits for the end. */
  end(): Promise<void>;
}

/** Quotes an argument for the shell. */
export function quoted(argument: string): string {
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** Starts `line` in `sh` on a pseudo-terminal. */
export function openTerminal(line: string, options: RunOptions): PseudoTerminal {
  const child = new Deno.Command("script", {
    args: ["--quiet", "--echo", "always", "--command", line, "/dev/null"],
    cwd: options.cwd ?? options.home,
    env: environment(options.home, { TERM: "xterm", SHELL: "/bin/sh", ...options.env }),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let shown = "";
  let seen = 0;
  let ended = false;
  let wake: () => void = () => {};
  const reading = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(chunk) {
        shown += chunk.replaceAll("\r\n", "\n");
        wake();
      },
    }),
  ).then(() => {
    ended = true;
    wake();
  });
  return {
    shown: () => shown,
    async waitFor(pattern) {
      while (true) {
        const match = shown.slice(seen).match(pattern);
        if (match) {
          seen += (match.index ?? 0) + match[0].length;
          return match;
        }
        if (ended) throw new Error(`the line ended before it showed ${pattern}:\n${shown}`);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    press: (pressed) => keys.write(new TextEncoder().encode(pressed)),
    async end() {
      await reading;
      await child.status;
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await keys.close().catch(() => {}); // The reader may be gone.
      await reading;
      await child.status;
    },
  };
}
