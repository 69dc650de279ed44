/**
 * What a token's secret looks like.
 *
 * @module
 */
import type { Scope } from "@helyos/api";
import type { StoredToken } from "./records.ts";

const TOKEN_START = "nxa-api_";

/** How many characters of a secret are kept in clear to find its record. */
const PREFIX_LENGTH = 12;

/** Prefix of a record whose secret was never seen here: it is tried for every presented token. */
export const UNKNOWN_PREFIX = "legacy";

/** A new secret: 32 random bytes. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return TOKEN_START + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The part of a secret that finds its record. It is no secret: 240 of 256 random bits are left. */
export function prefixOf(secret: string): string {
  return secret.slice(0, PREFIX_LENGTH);
}

/** Whether a token works at an instant. An expiry that cannot be read has passed. */
export function isActive(token: StoredToken, now: Date): boolean {
  return token.revokedAt === null && expiryOf(token) > now.getTime();
}

/** When a token ends, in milliseconds; `Infinity` for never. */
export function expiryOf(token: StoredToken): number {
  if (token.expiresAt === null) return Infinity;
  const time = Date.parse(token.expiresAt);
  return Number.isNaN(time) ? -Infinity : time;
}

/** What a token may do: text that is no scope, from an original's database, may read. */
export function scopeOf(token: StoredToken): Scope {
  return token.scope === "admin" || token.scope === "deploy" ? token.scope : "read";
}
