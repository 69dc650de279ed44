/**
 * Programs the daemon runs: to the end for an answer, or as children that are to stay.
 *
 * @module
 */
import { ProgramUnavailable } from "./driver.ts";

/** Lines kept to tell why a program ended. */
const KEPT_LINES = 20;
/** Longer lines are cut. */
const LINE_LENGTH = 500;
/** How long a child may take to end before it is killed. */
const STOP_MS = 3_000;

/** A child that is to stay. */
export interface Child {
  /** Resolves when it has ended, with what it said last, at least a line. Never rejects. */
  readonly ended: Promise<readonly string[]>;
  /** Sends a signal; does nothing when it has ended. */
  signal(name: Deno.Signal): void;
  /** Ends it: politely, then not. */
  stop(): Promise<void>;
}

/** How to run a program. */
export interface RunOptions {
  /** Its working folder. */
  readonly cwd: string;
  /** Told each line it writes. */
  readonly onLine?: (line: string) => void;
}

function command(program: string, args: readonly string[], { cwd }: RunOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      cwd,
      // Nothing of the daemon's own environment, where a token may be
      clearEnv: true,
      env: { HOME: cwd },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new ProgramUnavailable(`helyosd was not started with the right to run ${program}`, { cause });
    }
    if (cause instanceof Deno.errors.NotFound) {
      throw new ProgramUnavailable(`there is no program ${program}`, { cause });
    }
    throw new ProgramUnavailable(`${program} cannot be run: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Runs a program to its end.
 *
 * @returns Whether it succeeded, and all it wrote.
 * @throws {ProgramUnavailable} If it cannot be run.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const { success, stdout, stderr } = await command(program, args, options).output();
  const decoder = new TextDecoder();
  return { ok: success, text: decoder.decode(stderr) + decoder.decode(stdout) };
}

/**
 * Starts a program that is to stay.
 *
 * @throws {ProgramUnavailable} If it cannot be run.
 */
export function startChild(program: string, args: readonly string[], options: RunOptions): Child {
  const process = command(program, args, options);
  const lines: string[] = [];
  let over = false;
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    let rest = "";
    const take = (line: string) => {
      const text = line.slice(0, LINE_LENGTH).trimEnd();
      if (text === "") return;
      lines.push(text);
      if (lines.length > KEPT_LINES) lines.shift();
      options.onLine?.(text);
    };
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop()!.slice(0, LINE_LENGTH);
      parts.forEach(take);
    }
    take(rest);
  };
  const reading = Promise.all([read(process.stdout), read(process.stderr)]).catch(() => {/* its end tells more */});
  const ended = (async () => {
    const { code, signal } = await process.status;
    over = true;
    await reading;
    return lines.length > 0 ? lines : [signal === null ? `its exit code was ${code}` : `it was sent ${signal}`];
  })();
  const signal = (name: Deno.Signal) => {
    if (over) return;
    try {
      process.kill(name);
    } catch {
      // It ended between the look and the signal
    }
  };
  return {
    ended,
    signal,
    async stop() {
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
