/**
 * Starts the project's programs as an operator does: through scripts/launch.sh, in a home of their own.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

/** The checkout. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

const LAUNCHER = join(ROOT, "scripts/launch.sh");

/** Deno's cache: programs that run in a temporary home still find their packages. */
const DENO_DIR = Deno.env.get("DENO_DIR") ??
  join(Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "", ".cache"), "deno");

/** A folder that is gone afterwards. */
export interface TemporaryFolder extends AsyncDisposable {
  /** Its absolute path. */
  readonly path: string;
}

/** Makes a temporary folder. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "helyos-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A minimal environment: nothing of the machine's own contexts or tokens leaks into a test. */
export function environment(home: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    HOME: home,
    PATH: Deno.env.get("PATH") ?? "",
    HELYOS_DENO: Deno.execPath(),
    DENO_DIR,
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
    ...extra,
  };
}

/** What a program that ended said. */
export interface Outcome {
  /** Its exit code. */
  readonly code: number;
  /** Standard output. */
  readonly stdout: string;
  /** Standard error. */
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  /** Its home. */
  readonly home: string;
  /** Variables beside the minimal ones. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on standard input; nothing by default. */
  readonly stdin?: string;
  /** Its working folder; the home by default. */
  readonly cwd?: string;
  /** When to end it; by default it ends by itself. */
  readonly endAfterMs?: number;
}

/** Runs any program to its end. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd ?? options.home,
    env: environment(options.home, options.env),
    clearEnv: true,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.endAfterMs === undefined ? {} : { signal: AbortSignal.timeout(options.endAfterMs) }),
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    // A program that ends without reading closes the pipe; its exit code tells the rest.
    await writer.write(new TextEncoder().encode(options.stdin)).then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Runs the CLI. */
export function helyos(args: readonly string[], options: RunOptions): Promise<Outcome> {
  return run("sh", [LAUNCHER, "cli", ...args], options);
}

/** Longer than any refusal takes: a daemon that serves instead is ended, and its exit code says so. */
const DAEMON_RUN_MS = 60_000;

/** Runs the daemon program to its end: refusals, `--check`, `ca`, `token reset`. */
export function helyosd(args: readonly string[], options: RunOptions): Promise<Outcome> {
  return run("sh", [LAUNCHER, "daemon", ...args], { endAfterMs: DAEMON_RUN_MS, ...options });
}

/** A daemon that serves. */
export interface RunningDaemon extends AsyncDisposable {
  /** Where it serves, for example `https://127.0.0.1:40123`. */
  readonly url: string;
  /** The first-run token; undefined on later starts. */
  readonly token: string | undefined;
  /** Its process id. */
  readonly pid: number;
  /** All it has written to standard error so far. */
  log(): string;
  /** All it has written to standard output so far. */
  output(): string;
  /** Resolves once the log matches; rejects when the daemon ends first. */
  waitForLog(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Sends a signal and waits for the end. */
  stop(signal?: Deno.Signal): Promise<number>;
}

/** Starts a daemon on a free port of the loopback and waits until it serves. */
export async function startDaemon(
  options: RunOptions & {
    readonly flags?: readonly string[];
    /** How many files it may have open; by default as many as whoever runs the tests. */
    readonly openFiles?: number;
  },
): Promise<RunningDaemon> {
  const flags = options.flags ?? [];
  const limit = options.openFiles === undefined ? [] : ["-c", `ulimit -n ${options.openFiles}; exec sh "$@"`, "sh"];
  const port = flags.some((flag) => flag.startsWith("--port")) ? [] : ["--port", "0"];
  const child = new Deno.Command("sh", {
    args: [...limit, LAUNCHER, "daemon", ...port, ...flags],
    cwd: options.cwd ?? options.home,
    env: environment(options.home, options.env),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let log = "";
  let output = "";
  let ended = false;
  let wake: () => void = () => {};
  const reading = Promise.all([
    child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({
        write(chunk) {
          log += chunk;
          wake();
        },
      }),
    ),
    child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({ write: (chunk) => void (output += chunk) }),
    ),
  ]);
  const end = child.status.then(async (status) => {
    await reading;
    ended = true;
    wake();
    return status.code;
  });
  async function waitForLog(pattern: RegExp): Promise<RegExpMatchArray> {
    while (true) {
      const match = log.match(pattern);
      if (match) return match;
      if (ended) throw new Error(`the daemon ended before it logged ${pattern}:\n${log}`);
      await new Promise<void>((resolve) => wake = resolve);
    }
  }
  async function stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    return await end;
  }
  const listening = await waitForLog(/API listening on (https?:\/\/[^\s"]+)/);
  return {
    url: listening[1]!.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]"),
    get token() {
      return log.match(/HELYOS_API_TOKEN=(\S+)/)?.[1];
    },
    pid: child.pid,
    log: () => log,
    output: () => output,
    waitForLog,
    stop,
    async [Symbol.asyncDispose]() {
      await stop("SIGKILL");
    },
  };
}
