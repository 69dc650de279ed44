/**
 * Ways to prove that a name is ours (RFC 8555 §8).
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { AcmeError } from "./errors.ts";
import { base64url } from "./jws.ts";
import { unlessAborted } from "./patience.ts";

/** The kinds of challenge there are solvers for (RFC 8555 §8, RFC 8737). */
export type ChallengeType = "http-01" | "dns-01" | "tls-alpn-01";

/** What a solver must put in place. */
export interface ChallengeAnswer {
  /** The name to prove, without the `*.` of a wildcard. */
  readonly name: string;
  /** The challenge's token. */
  readonly token: string;
  /** What an HTTP-01 answer says: token and account thumbprint. */
  readonly keyAuthorization: string;
  /** Name of the TXT record of a DNS-01 answer. */
  readonly recordName: string;
  /** Text of the TXT record of a DNS-01 answer (RFC 8555 §8.4). */
  readonly recordValue: string;
}

/** Puts answers to challenges in place and takes them away again. */
export interface Solver {
  /** The kind it solves. */
  readonly type: ChallengeType;
  /** Puts the answer in place; resolves once it can be seen from outside. Doing it twice must do no harm. */
  present(answer: ChallengeAnswer, signal: AbortSignal): Promise<void>;
  /** Takes it away, whatever became of the order; also what a failed `present` may have left. */
  cleanUp(answer: ChallengeAnswer): Promise<void>;
}

/** What a solver is told about one challenge. */
export function challengeAnswer(name: string, token: string, keyAuthorization: string): ChallengeAnswer {
  const digest = createHash("sha256").update(keyAuthorization).digest();
  return { name, token, keyAuthorization, recordName: `_acme-challenge.${name}`, recordValue: base64url(digest) };
}

/** Answers HTTP-01 challenges from memory: whatever serves port 80 asks {@linkcode HttpSolver.answer}. */
export interface HttpSolver extends Solver {
  /**
   * What to answer to a request for a path.
   *
   * @param path The path of the URL.
   * @returns The body, of type `application/octet-stream`; undefined for every other path.
   */
  answer(path: string): string | undefined;
}

/**
 * Solves HTTP-01 (RFC 8555 §8.3).
 *
 * @example
 * ```ts
 * import { httpSolver } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * const solver = httpSolver();
 * equal(solver.answer("/.well-known/acme-challenge/unknown"), undefined);
 * ```
 * @returns A solver; connect its `answer` to port 80.
 */
export function httpSolver(): HttpSolver {
  const answers = new Map<string, string>();
  return {
    type: "http-01",
    present({ token, keyAuthorization }) {
      answers.set(token, keyAuthorization);
      return Promise.resolve();
    },
    cleanUp({ token }) {
      answers.delete(token);
      return Promise.resolve();
    },
    answer(path) {
      const token = path.match(/^\/\.well-known\/acme-challenge\/([\w-]+)$/)?.[1];
      return token === undefined ? undefined : answers.get(token);
    },
  };
}

/** Options of {@linkcode dnsHookSolver}. */
export interface DnsHookOptions {
  /** The program to run. */
  readonly program: string;
  /**
   * How long it may take, in milliseconds.
   * @default {120000}
   */
  readonly timeoutMs?: number;
  /**
   * Runs it; for who wants another environment for it, or has no permission for the whole own one.
   * @default {`node:child_process`, with the environment of this process}
   */
  readonly run?: HookRunner;
}

/**
 * Runs a program to its end and stops it when `signal` aborts, also one that will not hear of it; rejects when it cannot be run or was
 * stopped.
 */
export type HookRunner = (
  program: string,
  args: readonly string[],
  signal: AbortSignal,
) => Promise<{
  /** Its exit code. */
  readonly code: number;
  /** What it said on standard error. */
  readonly stderr: string;
}>;

/**
 * Solves DNS-01 (RFC 8555 §8.4) with a program of yours, which it calls as `PROGRAM present NAME VALUE` and `PROGRAM cleanup NAME
 * VALUE`, where NAME is the TXT record's full name and VALUE its text. `present` must end once every authoritative server answers with the
 * record. Needs permission to run the program.
 *
 * @example
 * ```ts
 * import { dnsHookSolver } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * equal(dnsHookSolver({ program: "/usr/local/bin/dns-hook" }).type, "dns-01");
 * ```
 * @param options The program and its patience.
 * @returns A solver.
 */
export function dnsHookSolver(options: DnsHookOptions): Solver {
  const run = (verb: string, answer: ChallengeAnswer, signal?: AbortSignal) =>
    runHook(options, [verb, answer.recordName, answer.recordValue], signal);
  return {
    type: "dns-01",
    present: (answer, signal) => run("present", answer, signal),
    cleanUp: (answer) => run("cleanup", answer),
  };
}

async function runHook(options: DnsHookOptions, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const { program, run = runProgram, timeoutMs = 120_000 } = options;
  const fail = (why: string, cause?: unknown) =>
    new AcmeError("unsupported", `Cannot ${args[0]} the DNS record ${args[1]}: ${program} ${why}`, { cause });
  const patience = AbortSignal.timeout(timeoutMs);
  let ended: Awaited<ReturnType<HookRunner>>;
  try {
    const stop = signal ? AbortSignal.any([signal, patience]) : patience;
    // What a program leaves running when it is stopped holds nobody up.
    ended = await unlessAborted(run(program, args, stop), stop);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    if (patience.aborted) throw fail(`did not end within ${timeoutMs} ms`, cause);
    throw fail(`could not be run: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (ended.code !== 0) throw fail(`ended with code ${ended.code}: ${ended.stderr.trim()}`);
}

/** How long to wait for what a program has still to say after it ended. */
const LAST_WORDS_MS = 500;
/** How long a program that is told to stop may tidy up before it is ended. */
const GRACE_MS = 2_000;

function runProgram(program: string, args: readonly string[], signal: AbortSignal): ReturnType<HookRunner> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], signal });
    let grace: ReturnType<typeof setTimeout> | undefined;
    const endSoon = () => { // SIGTERM is sent by spawn()
      grace = setTimeout(() => {
        Object.assign(child, { killed: false }); // else Deno takes it for dead and sends nothing
        child.kill("SIGKILL");
      }, GRACE_MS);
    };
    signal.addEventListener("abort", endSoon, { once: true });
    let stderr = "";
    child.stderr.on("data", (chunk: Uint8Array) => {
      if (stderr.length < 4096) stderr += new TextDecoder().decode(chunk);
    });
    child.on("error", reject);
    child.on("exit", async (code: number | null, killedBy: string | null) => {
      signal.removeEventListener("abort", endSoon);
      clearTimeout(grace);
      // What it left running may keep its standard error open.
      if (code !== null) await Promise.race([once(child, "close"), pause(LAST_WORDS_MS, undefined, { ref: false })]);
      child.stderr.destroy();
      if (code === null) reject(new Error(`it was stopped by ${killedBy}`));
      else resolve({ code, stderr });
    });
  });
}
