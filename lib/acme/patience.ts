/**
 * How often to look, and for how long.
 *
 * @module
 */
import type { AcmeClient } from "./client.ts";
import { AcmeError } from "./errors.ts";

/** The first looks come quickly, as most orders are done in milliseconds; later ones keep to what the server asked for. */
const EARLY_LOOKS_MS: readonly number[] = [0, 10, 20, 40, 80, 160, 320];

/** Longest pause between two looks where the server asks for none, in milliseconds. */
const MAX_PAUSE_MS = 30_000;

/** The time that one certificate may take. */
export class Patience {
  /** Aborts when the time is over, or when the caller wants no more. */
  readonly signal: AbortSignal;
  readonly #what: string;
  readonly #client: Pick<AcmeClient, "now">;
  readonly #caller: AbortSignal | undefined;
  readonly #end: number;

  constructor(
    what: string,
    options: {
      readonly client: Pick<AcmeClient, "now">;
      readonly patienceMs?: number;
      readonly signal?: AbortSignal;
    },
  ) {
    const patienceMs = options.patienceMs ?? 300_000;
    this.#what = what;
    this.#client = options.client;
    this.#caller = options.signal;
    this.#end = performance.now() + patienceMs;
    const end = AbortSignal.timeout(patienceMs);
    this.signal = options.signal ? AbortSignal.any([options.signal, end]) : end;
  }

  /**
   * Goes on each time it is time to look.
   *
   * @param retryAt What the server asked for when it was looked at last.
   * @param signal Ends the waiting.
   * @throws {AcmeError} `unavailable` if the server wants to be left alone for longer than there is time.
   */
  async *looks(retryAt: () => Date | undefined, signal: AbortSignal): AsyncGenerator<void> {
    for (let look = 0;; look++) {
      await pauseFor(this.#pause(look, retryAt()), signal);
      yield;
    }
  }

  #pause(look: number, retryAt: Date | undefined): number {
    const early = EARLY_LOOKS_MS[look];
    if (early !== undefined) return early;
    const usual = Math.min(MAX_PAUSE_MS, Math.max(1000, 500 * 2 ** (look - EARLY_LOOKS_MS.length)));
    const pause = Math.max(usual, retryAt === undefined ? 0 : retryAt.getTime() - this.#client.now().getTime());
    if (retryAt === undefined || pause < this.#end - performance.now()) return pause;
    throw new AcmeError("unavailable", `${this.#what}: the CA wants more time`, { retryAt });
  }

  /** The error to throw for one that was caught. */
  judge(error: unknown): unknown {
    if (!(this.signal.aborted && error === this.signal.reason) || this.#caller?.aborted) return error;
    return new AcmeError("unavailable", `${this.#what}: the CA took too long`, { cause: error });
  }
}

function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (milliseconds === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** What `shared` gives, unless this caller wants no more: others who wait for the same are not disturbed. */
export function unlessAborted<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return shared;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
