/**
 * Options that several `certs` commands share.
 *
 * @module
 */
import type { KeyAlgorithm } from "@helyos/pki";
import type { Option, Options } from "../command.ts";
import { readDuration } from "../seconds.ts";
import type { PairType } from "./home.ts";
import { DEFAULT_LIFETIME_DAYS } from "./issue.ts";
import { PASSPHRASE_OPTION } from "./passphrase.ts";

const DAY_SECONDS = 86_400;
const MOST_DAYS = 36_500;

/** Kinds of keys, the default first. */
export const ALGORITHMS = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

/**
 * Reads how long a certificate lives: days, or a whole number with `s`, `m`, `h` or `d` behind it.
 *
 * @param text What was typed.
 * @returns Seconds.
 * @throws {RangeError} If it is not that, not at least a minute, or over a hundred years.
 */
export function readLifetime(text: string): number {
  if (!/^\d+[smhd]?$/.test(text)) {
    throw new RangeError("not whole days, nor a whole number with s, m, h or d behind it");
  }
  const seconds = /\d$/.test(text) ? Number(text) * DAY_SECONDS : readDuration(text);
  if (seconds < 60) throw new RangeError("a certificate lives a minute at least");
  if (seconds > MOST_DAYS * DAY_SECONDS) throw new RangeError("a certificate lives a hundred years at most");
  return seconds;
}

/** How long certificates live when nothing is said. */
export const DEFAULT_LIFETIME_SECONDS: number = DEFAULT_LIFETIME_DAYS * DAY_SECONDS;

/** `--lifetime` and `--algorithm` without defaults of their own: for renewing, which keeps what was. */
export const KEPT_OPTIONS = {
  lifetime: {
    summary: "How long it lives: days, or 24h, 90m (default: as long as the one before)",
    value: "TIME",
    read: readLifetime,
  },
  algorithm: { summary: "Key (default: as before)", value: "KIND", choices: ALGORITHMS },
} as const satisfies Options;

/** What every command that issues takes. */
export const ISSUE_OPTIONS = {
  lifetime: {
    summary: `How long it lives: days, or 24h, 90m (default: ${DEFAULT_LIFETIME_DAYS} days); never longer than the CA`,
    value: "TIME",
    read: readLifetime,
  },
  algorithm: { summary: "Key (default: ec-p256)", value: "KIND", choices: ALGORITHMS },
  ...PASSPHRASE_OPTION,
} as const satisfies Options;

/** What {@linkcode ISSUE_OPTIONS} become. */
export interface IssueOptionValues {
  /** Seconds. */
  readonly lifetime: number | undefined;
  /** The kind of key. */
  readonly algorithm: KeyAlgorithm | undefined;
  /** Where the passphrase of the CA's key stands. */
  readonly "passphrase-file": string | undefined;
}

/** Which of a service's two pairs is meant. */
export const TYPE_OPTION = {
  type: { summary: "Which pair is meant", value: "TYPE", choices: ["client", "server"] },
} as const satisfies Record<string, Option>;

/** What {@linkcode TYPE_OPTION} becomes. */
export type TypeOptionValue = PairType | undefined;

/** Where to write what is otherwise printed. */
export const OUT_OPTION = {
  out: { summary: "Write to this file instead", value: "FILE", complete: "file" },
} as const satisfies Record<string, Option>;
