/**
 * Hashes and checks secrets with Argon2id, one at a time on a thread of its own, callers served in turn.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { Failure } from "../server/failure.ts";
import type { Argon2Answer, Argon2Job } from "./argon2_worker.ts";
import { formatPhc, PARAMETERS, parsePhc } from "./phc.ts";

/** On whose behalf a secret is checked. */
export interface Turn {
  /** Jobs of one key wait for each other, jobs of different keys take turns. */
  readonly key: string;
  /**
   * How little this caller is trusted, for example how often he failed: lower ones go first, and when the queue is full the
   * highest makes room.
   * @default {0}
   */
  readonly rank?: number;
  /** Asked again when the job's turn comes; what it throws refuses the job without computing anything. */
  readonly admit?: () => void;
}

/** Makes and checks Argon2id hashes. */
export interface Hasher extends AsyncDisposable {
  /** The PHC string of a secret. */
  hash(secret: string): Promise<string>;
  /**
   * Whether the secret is the one a PHC string was made from; false for text that is no PHC string.
   *
   * @throws {Failure} `unavailable` when too many wait already.
   */
  verify(secret: string, phc: string, turn: Turn): Promise<boolean>;
}

/** Options for {@linkcode createHasher}. */
export interface HasherOptions {
  /**
   * How many may wait in all.
   * @default {256}
   */
  readonly maxWaiting?: number;
  /**
   * How many of one key may wait.
   * @default {64}
   */
  readonly maxWaitingOfKey?: number;
  /**
   * The thread ends when it had nothing to do for so long: it keeps some 40 MiB.
   * @default {30000}
   */
  readonly idleMs?: number;
}

interface Job extends Omit<Argon2Job, "id"> {
  readonly rank: number;
  readonly admit?: (() => void) | undefined;
  readonly resolve: (hash: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** Goes before every caller: what is known to be wanted, such as the hash of a new token. */
export const FIRST_RANK = -1;

const TOO_MANY = new Failure("unavailable", "too many tokens wait to be checked; try again", {
  headers: { "retry-after": "1" },
});

const encoder = new TextEncoder();

/** Starts nothing yet: the thread starts with the first secret. */
export function createHasher(options: HasherOptions = {}): Hasher {
  const { maxWaiting = 256, maxWaitingOfKey = 64, idleMs = 30_000 } = options;
  // A Map keeps the order of insertion: of keys with one rank the first one's first job is next, then its key goes to the end
  const waiting = new Map<string, Job[]>();
  let waitingCount = 0;
  let thread: Worker | undefined;
  let running: Job | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let lastId = 0;
  let closed = false;

  function stop(): void {
    clearTimeout(idle);
    thread?.terminate();
    thread = undefined;
  }

  function startThread(): Worker {
    const worker = new Worker(new URL("./argon2_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Argon2Answer>) => {
      if (data.id !== lastId || running === undefined) return;
      const { resolve, reject } = running;
      running = undefined;
      if (data.hash === undefined) reject(new Error(`Argon2 failed: ${data.failure}`));
      else resolve(data.hash);
      next();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const failed = running;
      running = undefined;
      stop();
      failed?.reject(new Error(`The Argon2 thread failed: ${event.message}`));
      next();
    };
    return worker;
  }

  /** The key that is next: of those with the lowest rank the one whose turn it is. */
  function nextKey(): string | undefined {
    let best: string | undefined;
    let lowest = Infinity;
    for (const [key, [job]] of waiting) {
      if (job!.rank < lowest) [best, lowest] = [key, job!.rank];
    }
    return best;
  }

  /** Takes the least trusted job out of a full queue, if there is one less trusted than `rank`. */
  function makeRoom(rank: number): boolean {
    let worst: string | undefined;
    for (const [key, jobs] of waiting) {
      const last = jobs.at(-1)!.rank;
      if (last > rank) [worst, rank] = [key, last];
    }
    if (worst === undefined) return false;
    const jobs = waiting.get(worst)!;
    jobs.pop()!.reject(TOO_MANY);
    waitingCount--;
    if (jobs.length === 0) waiting.delete(worst);
    return true;
  }

  function next(): void {
    while (running === undefined) {
      const key = nextKey();
      if (key === undefined) {
        clearTimeout(idle);
        idle = setTimeout(stop, idleMs);
        Deno.unrefTimer(idle as unknown as number);
        return;
      }
      const jobs = waiting.get(key)!;
      const job = jobs.shift()!;
      waitingCount--;
      waiting.delete(key);
      if (jobs.length > 0) waiting.set(key, jobs);
      try {
        job.admit?.();
      } catch (error) {
        job.reject(error);
        continue;
      }
      clearTimeout(idle);
      running = job;
      thread ??= startThread();
      const { password, salt, memory, passes, lanes, length } = job;
      thread.postMessage({ id: ++lastId, password, salt, memory, passes, lanes, length } satisfies Argon2Job);
    }
  }

  function compute(key: string, job: Omit<Job, "resolve" | "reject">): Promise<Uint8Array> {
    if (closed) return Promise.reject(new Failure("unavailable", "the daemon is stopping"));
    const hasShare = (waiting.get(key)?.length ?? 0) >= maxWaitingOfKey;
    if (hasShare || waitingCount >= maxWaiting && !makeRoom(job.rank)) return Promise.reject(TOO_MANY);
    const jobs = waiting.get(key) ?? [];
    return new Promise((resolve, reject) => {
      jobs.push({ ...job, resolve, reject });
      waiting.set(key, jobs);
      waitingCount++;
      next();
    });
  }

  return {
    async hash(secret) {
      const salt = crypto.getRandomValues(new Uint8Array(16));
      const job = { password: encoder.encode(secret), salt, ...PARAMETERS, length: 32, rank: FIRST_RANK };
      const hash = await compute("hash", job);
      return formatPhc({ ...PARAMETERS, salt, hash });
    },
    async verify(secret, phc, turn) {
      const stored = parsePhc(phc);
      if (stored === undefined) return false;
      const { memory, passes, lanes, salt, hash: expected } = stored;
      const hash = await compute(turn.key, {
        password: encoder.encode(secret),
        salt,
        memory,
        passes,
        lanes,
        length: expected.length,
        rank: turn.rank ?? 0,
        admit: turn.admit,
      });
      return timingSafeEqual(hash, expected);
    },
    [Symbol.asyncDispose]() {
      closed = true;
      stop();
      const gone = new Failure("unavailable", "the daemon is stopping");
      running?.reject(gone);
      running = undefined;
      for (const jobs of waiting.values()) for (const job of jobs) job.reject(gone);
      waiting.clear();
      return Promise.resolve();
    },
  };
}
