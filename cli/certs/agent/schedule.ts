/**
 * When the agent tries again.
 *
 * @module
 */

const FIRST_MS = 30_000;
/** What fails on this machine (the CA's key is away, the registry makes no sense) costs nothing to try again. */
const MOST_HERE_MS = 60_000;
const MOST_THERE_MS = 900_000;

/** What a wait depends on. */
export interface Backoff {
  /** Whether no other machine was needed to fail. */
  readonly here: boolean;
  /** What is left of the certificate in service, in milliseconds. */
  readonly leftMs: number | undefined;
  /** From 0 to 1: spreads many over time. */
  readonly random: number;
}

/**
 * How long to wait after failures in a row: half a minute, doubled each time, up to a quarter of an hour; always often enough that ten
 * more tries fit in what is left of the certificate, so that a short-lived one is not slept away.
 *
 * @param failures How many in a row; at least 1.
 * @param backoff What it depends on.
 * @returns Milliseconds.
 */
export function backoffMs(failures: number, { here, leftMs, random }: Backoff): number {
  const doubled = Math.min(here ? MOST_HERE_MS : MOST_THERE_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  // Nothing left is no reason to hammer: the wait is the one that grows.
  const bound = leftMs === undefined || leftMs <= 0 ? doubled : Math.max(FIRST_MS, leftMs / 10);
  return Math.round(Math.min(doubled, bound) * (0.75 + random / 4));
}
