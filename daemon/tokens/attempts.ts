/**
 * Limits failed attempts per address. Successes are never counted.
 *
 * @module
 */
import { Failure } from "../server/failure.ts";

/** Options for {@linkcode FailureLimit}. */
export interface FailureLimitOptions {
  /**
   * Failures allowed in a window.
   * @default {20}
   */
  readonly failures?: number;
  /**
   * Length of the window, which starts with an address's first failure.
   * @default {60000}
   */
  readonly windowMs?: number;
  /**
   * Addresses remembered; with more the oldest window is forgotten first.
   * @default {10000}
   */
  readonly maxAddresses?: number;
  /** Milliseconds that only ever grow. */
  readonly clock?: () => number;
}

/** Counts failures. */
export class FailureLimit {
  readonly #windows = new Map<string, { count: number; readonly endsAt: number }>();
  readonly #failures: number;
  readonly #windowMs: number;
  readonly #maxAddresses: number;
  readonly #clock: () => number;

  constructor(options: FailureLimitOptions = {}) {
    this.#failures = options.failures ?? 20;
    this.#windowMs = options.windowMs ?? 60_000;
    this.#maxAddresses = options.maxAddresses ?? 10_000;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /**
   * Lets an address try, or not.
   *
   * @throws {Failure} `rate_limited` when it has failed too often.
   */
  admit(address: string): void {
    const window = this.#windows.get(networkOf(address));
    if (window === undefined || window.count < this.#failures) return;
    const leftMs = window.endsAt - this.#clock();
    if (leftMs <= 0) return;
    const seconds = Math.ceil(leftMs / 1000);
    throw new Failure("rate_limited", `too many failed attempts from this address; try again in ${seconds} s`, {
      headers: { "retry-after": String(seconds) },
    });
  }

  /** How often an address has failed in its window. */
  failures(address: string): number {
    const window = this.#windows.get(networkOf(address));
    return window === undefined || window.endsAt <= this.#clock() ? 0 : window.count;
  }

  /** Counts a failure. */
  fail(address: string): void {
    const key = networkOf(address);
    const now = this.#clock();
    const window = this.#windows.get(key);
    if (window !== undefined && window.endsAt > now) {
      window.count++;
      return;
    }
    this.#windows.delete(key); // so that the Map stays in the order in which the windows end
    this.#windows.set(key, { count: 1, endsAt: now + this.#windowMs });
    if (this.#windows.size > this.#maxAddresses) this.#windows.delete(this.#windows.keys().next().value!);
  }
}

/**
 * What is counted as one address: an IPv4 address, or the /64 of an IPv6 address, because whoever has one address of it
 * usually has all 2^64 (RFC 6177).
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address); // RFC 4291 §2.5.5.2
  if (mapped !== null) return mapped[1]!;
  const [head = "", tail] = address.replace(/%.*$/, "").split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":") + "::/64";
}
