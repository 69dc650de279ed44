/**
 * When to renew, and when to try again.
 *
 * @module
 */
import type { RenewalInfo } from "./resources.ts";

const DAY_MS = 86_400_000;

/** What the time of a renewal is computed from. */
export interface RenewalInput {
  /** Start of the certificate's life. */
  readonly notBefore: Date;
  /** End of the certificate's life. */
  readonly notAfter: Date;
  /** The CA's own wish, when it has one. */
  readonly info?: Pick<RenewalInfo, "start" | "end"> | undefined;
  /**
   * A number from 0 up to 1 that spreads renewals; keep it with the certificate, so that the answer does not jump.
   * @default {0.5}
   */
  readonly spread?: number;
}

/**
 * When a certificate is due for renewal.
 *
 * With the CA's wish (ARI) a random instant of its window (RFC 9773 §4.2), and before the last twentieth of the life, whatever the wish.
 * Without, the earlier of 30 days left and a third of the life
 * left, half of it for certificates shorter than 10 days; up to a twentieth of the life earlier, so that many do not come at once.
 *
 * @example A certificate of 90 days is due when 30 are left
 * ```ts
 * import { renewalTime } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * const notBefore = new Date("2026-01-01T00:00:00Z");
 * const notAfter = new Date("2026-04-01T00:00:00Z");
 * equal(renewalTime({ notBefore, notAfter, spread: 0 }).toISOString(), "2026-03-02T00:00:00.000Z");
 * ```
 * @param input Life, wish, spread.
 * @returns The instant; it may lie in the past, which means now.
 * @throws {RangeError} If the life ends before it starts, or the spread is not from 0 up to 1.
 */
export function renewalTime(input: RenewalInput): Date {
  const spread = input.spread ?? 0.5;
  const life = input.notAfter.getTime() - input.notBefore.getTime();
  if (!(life > 0)) throw new RangeError("Cannot tell when to renew: the certificate ends before it starts");
  if (!(spread >= 0 && spread < 1)) {
    throw new RangeError(`Cannot spread renewals by ${spread}: it must be from 0 up to 1`);
  }
  if (input.info) {
    const { start, end } = input.info;
    const wished = start.getTime() + spread * (end.getTime() - start.getTime());
    return new Date(Math.min(wished, input.notAfter.getTime() - life / 20));
  }
  // 30 days left would be at once for a life of less than that: never more than two thirds are given up.
  const left = life < 10 * DAY_MS ? life / 2 : Math.max(life / 3, Math.min(30 * DAY_MS, life * 2 / 3));
  return new Date(input.notAfter.getTime() - left - spread * life / 20);
}

const MINUTE_MS = 60_000;

/**
 * When to try again after failures: 1 minute, 10 minutes, 100 minutes, then daily, each up to a quarter later. What the server asked for
 * (Retry-After) is kept when it is later.
 *
 * @example
 * ```ts
 * import { nextAttempt } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * const now = new Date("2026-01-01T00:00:00Z");
 * equal(nextAttempt({ failures: 2, now, spread: 0 }).toISOString(), "2026-01-01T00:10:00.000Z");
 * ```
 * @param input Failures in a row (1 or more), the time, the server's wish, and a number from 0 up to 1 that spreads attempts.
 * @returns The earliest instant of the next attempt.
 * @throws {RangeError} If there was no failure.
 */
export function nextAttempt(
  input: {
    readonly failures: number;
    readonly now: Date;
    readonly retryAt?: Date | undefined;
    readonly spread?: number;
  },
): Date {
  const { failures, now } = input;
  if (!(Number.isInteger(failures) && failures >= 1)) throw new RangeError(`Cannot wait after ${failures} failures`);
  const pause = [1, 10, 100][failures - 1] ?? 24 * 60;
  const later = now.getTime() + pause * MINUTE_MS * (1 + (input.spread ?? 0.5) / 4);
  return new Date(Math.max(later, input.retryAt?.getTime() ?? 0));
}
