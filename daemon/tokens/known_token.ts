/**
 * A token that was verified a short while ago.
 *
 * @module
 */
import type { Identity, Scope } from "@helyos/api";
import type { Caller } from "../server/bind.ts";
import type { StoredToken } from "./records.ts";
import { expiryOf, scopeOf } from "./secret.ts";

/** The caller behind a verified token, and its identity as JSON, made once. */
export class KnownToken implements Caller {
  readonly tokenId: string;
  readonly name: string;
  readonly scope: Scope;
  /** Milliseconds since 1970, `Infinity` for never. */
  readonly expiresAtMs: number;
  /** The record's hash: another hash is another token. */
  readonly hash: string;
  /** Milliseconds since 1970, `-Infinity` for never. */
  lastUsedMs = -Infinity;
  /** When this memory ends, on the clock that only grows. */
  untilMs: number;
  /** A new verification is on its way. */
  renewing = false;
  #record: StoredToken;
  #identity: string | undefined;

  constructor(record: StoredToken, untilMs: number) {
    this.tokenId = record.id;
    this.name = record.name;
    this.scope = scopeOf(record);
    this.expiresAtMs = expiryOf(record);
    this.hash = record.hash;
    this.untilMs = untilMs;
    this.#record = record;
    this.seen(record.lastUsedAt);
  }

  /** The token was last seen then. */
  seen(lastUsedAt: string | null): void {
    const time = lastUsedAt === null ? NaN : Date.parse(lastUsedAt);
    if (Number.isNaN(time) || time <= this.lastUsedMs) return;
    this.lastUsedMs = time;
    this.#record = { ...this.#record, lastUsedAt };
    this.#identity = undefined;
  }

  /** The answer to `whoami`. */
  get identity(): string {
    return this.#identity ??= JSON.stringify(
      {
        name: this.name,
        scope: this.scope,
        created_at: this.#record.createdAt,
        expires_at: this.#record.expiresAt,
        last_used_at: this.#record.lastUsedAt,
      } satisfies Identity,
    );
  }
}
