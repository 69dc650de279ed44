/**
 * The thread that computes Argon2id: about 100 ms of one core and 19 MiB for each hash, away from the serving thread.
 *
 * @module
 */

/** What the thread is asked. */
export interface Argon2Job {
  readonly id: number;
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
  readonly length: number;
}

/** What it answers; no hash when it failed. */
export interface Argon2Answer {
  readonly id: number;
  readonly hash?: Uint8Array;
  readonly failure?: string;
}

interface Argon2Module {
  hash(options: {
    pass: Uint8Array;
    salt: Uint8Array;
    time: number;
    mem: number;
    hashLen: number;
    parallelism: number;
    type: number;
  }): Promise<{ hash: Uint8Array }>;
  readonly types: { readonly Argon2id: number };
}

// The module writes its progress to standard output when it loads, so it is loaded after that is closed to it.
for (const method of ["log", "error", "warn"] as const) globalThis.console[method] = () => {};
const loaded = import("argon2-wasm") as Promise<{ readonly default: Argon2Module }>;

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Argon2Job>) => void;
  postMessage(answer: Argon2Answer): void;
};

scope.onmessage = async ({ data: job }) => {
  try {
    const { default: argon2 } = await loaded;
    const { hash } = await argon2.hash({
      pass: job.password,
      salt: job.salt,
      time: job.passes,
      mem: job.memory,
      hashLen: job.length,
      parallelism: job.lanes,
      type: argon2.types.Argon2id,
    });
    scope.postMessage({ id: job.id, hash });
  } catch (error) {
    scope.postMessage({ id: job.id, failure: error instanceof Error ? error.message : JSON.stringify(error) });
  }
};
