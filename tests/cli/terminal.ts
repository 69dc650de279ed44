/**
 * Runs command lines inside the test's own process: a terminal made of strings, and a daemon that answers as told.
 *
 * @module
 */
import { ALL_COMMANDS } from "../../cli/certs/commands.ts";
import type { Io } from "../../cli/io.ts";
import { run } from "../../cli/run.ts";

/** What the terminal is like. */
export interface TerminalOptions {
  /** The environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keys pressed on standard input, which is a terminal then. */
  readonly keys?: string;
  /** Lines on standard input, which is no terminal. */
  readonly stdin?: string;
  /** Whether standard output is a terminal. */
  readonly stdoutIsTerminal?: boolean;
  /** The time; the real one by default. */
  readonly now?: Date;
}

/** How a command line went. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `helyos` with these arguments. */
export async function helyos(tokens: readonly string[], options: TerminalOptions = {}): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  const isTerminal = options.keys !== undefined;
  const lines = options.stdin?.split("\n") ?? [];
  let keys = new TextEncoder().encode(options.keys);
  const io: Io = {
    stdin: {
      isTerminal,
      readLine: () => Promise.resolve(lines.shift()),
      raw: (read) =>
        read(() => {
          if (keys.length === 0) return Promise.resolve(undefined);
          const key = keys.slice(0, 1);
          keys = keys.slice(1);
          return Promise.resolve(key);
        }),
    },
    stdout: { isTerminal: options.stdoutIsTerminal ?? false, columns: 80, write: (text) => void (stdout += text) },
    stderr: { isTerminal, columns: 80, write: (text) => void (stderr += text) },
    env: (name) => ({ NO_COLOR: "1", HELYOS_CONFIG: "/nonexistent/config.toml", ...options.env })[name],
    now: () => options.now ?? new Date(),
    readFile: (path) => Deno.readFile(path),
  };
  const code = await run(tokens, { io, commands: ALL_COMMANDS });
  return { code, stdout, stderr };
}

/** A request as the daemon saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly authorization: string | null;
  /** The body, parsed; null when there was none. */
  readonly body: unknown;
}

/** A daemon on the loopback that answers as told. */
export interface FakeDaemon extends AsyncDisposable {
  /** Its address. */
  readonly server: string;
  /** What it was asked, in order. */
  readonly seen: readonly SeenRequest[];
}

/** Answers by `METHOD /path`, without the query: a JSON value, or a function of the request. */
export type Answers = Readonly<Record<string, unknown>>;

/** Starts a daemon, over TLS if it is given a certificate; whatever `answers` does not know is 404. */
export function startFakeDaemon(answers: Answers, tls?: { readonly cert: string; readonly key: string }): FakeDaemon {
  const seen: SeenRequest[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {}, ...tls }, async (request) => {
    const url = new URL(request.url);
    const text = await request.text();
    const body = text === "" ? null : JSON.parse(text);
    const authorization = request.headers.get("authorization");
    seen.push({ method: request.method, path: url.pathname + url.search, authorization, body });
    const answer = answers[`${request.method} ${url.pathname}`];
    if (answer instanceof Response) return answer.clone();
    if (typeof answer === "function") return answer(request);
    if (answer === undefined) return Response.json({ error: "no such path", code: "not_found" }, { status: 404 });
    return Response.json(answer);
  });
  return {
    server: `${tls ? "https" : "http"}://127.0.0.1:${server.addr.port}`,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
