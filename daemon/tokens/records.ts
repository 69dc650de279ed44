/**
 * Tokens as they are stored.
 *
 * | key | value | purpose |
 * |---|---|---|
 * | `tokens/<id>` | {@linkcode StoredToken} | the record |
 * | `token-prefixes/<prefix>/<id>` | `null` | finds the records a presented token may match; only while not revoked |
 * | `token-names/<name>` | `{ id }` | the active token of a name; only while not revoked |
 *
 * @module
 */
import type { Operation } from "../store/store.ts";

/** A token as it is stored: never its secret. */
export interface StoredToken {
  /** UUID v4. */
  readonly id: string;
  readonly name: string;
  /** Argon2id as a PHC string. */
  readonly hash: string;
  /** First 12 characters of the secret, `legacy` when they are not known: then it is tried for every presented token. */
  readonly prefix: string;
  /** `admin`, `deploy` or `read`; any other text, from an original's database, counts as `read`. */
  readonly scope: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339, null for never; text that is no time means expired. */
  readonly expiresAt: string | null;
  /** RFC 3339, null for never. */
  readonly lastUsedAt: string | null;
  /** RFC 3339, null while it works. */
  readonly revokedAt: string | null;
}

/** Key of a record. */
export function tokenKey(id: string): string {
  return `tokens/${id}`;
}

/** Key that finds a record by the first characters of a presented token. */
export function tokenPrefixKey(prefix: string, id: string): string {
  return `token-prefixes/${encodeURIComponent(prefix)}/${id}`;
}

/** Key that holds the name of an active token. */
export function tokenNameKey(name: string): string {
  return `token-names/${name}`;
}

/** The operations that store a new record with its indexes; a revoked one has none. */
export function storeToken(token: StoredToken): Operation[] {
  const record: Operation = { put: tokenKey(token.id), value: token };
  if (token.revokedAt !== null) return [record];
  return [
    record,
    { put: tokenPrefixKey(token.prefix, token.id), value: null },
    { put: tokenNameKey(token.name), value: { id: token.id } },
  ];
}
