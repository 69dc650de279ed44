/**
 * Mints, lists, revokes and rotates tokens.
 *
 * @module
 */
import type { CreatedToken, NewToken, TokenRecord, TokenRotation } from "@helyos/api";
import { auditOperation } from "../audit/records.ts";
import { Failure } from "../server/failure.ts";
import type { Entry, Operation, Store } from "../store/store.ts";
import type { Hasher } from "./hasher.ts";
import { type StoredToken, storeToken, tokenKey, tokenNameKey, tokenPrefixKey } from "./records.ts";
import { expiryOf, isActive, newSecret, prefixOf } from "./secret.ts";

/** What tokens need. */
export interface TokenDeps {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly now: () => Date;
  /** Told which tokens no longer are what they were, before the caller is answered. */
  readonly forget: (ids: Iterable<string>) => void;
}

/** Who changes a token, for the audit trail. */
export interface Actor {
  /** The token's name; `local` for what was done on the host, `helyosd` for what the daemon did by itself. */
  readonly actor: string;
  /** Null for what did not come over the network. */
  readonly address: string | null;
}

/** How long the old secret works on after a rotation, unless told otherwise. */
const OVERLAP_SECONDS = 3600;

/** The longest time that still is a date: RFC 3339 has four digits for the year. */
const END_OF_TIME_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Every token, newest first. */
export async function listTokens(store: Store): Promise<TokenRecord[]> {
  const tokens = (await storedTokens(store)).map((entry) => entry.value);
  tokens.sort((a, b) => a.createdAt === b.createdAt ? (a.id < b.id ? 1 : -1) : a.createdAt < b.createdAt ? 1 : -1);
  return tokens.map((token) => ({
    id: token.id,
    name: token.name,
    token_prefix: token.prefix,
    scope: token.scope,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
    last_used_at: token.lastUsedAt,
    revoked_at: token.revokedAt,
  }));
}

/**
 * Mints a token under a name that no active token has.
 *
 * @throws {Failure} `conflict` if one has.
 */
export async function createToken(deps: TokenDeps, input: NewToken, by: Actor): Promise<CreatedToken> {
  await refuseTaken(deps, input.name); // before the cost of a hash
  const { token, secret } = await mint(deps, {
    name: input.name,
    scope: input.scope ?? "admin",
    lifetimeMs: input.ttl_secs && input.ttl_secs > 0 ? input.ttl_secs * 1000 : null,
  });
  const holder = await refuseTaken(deps, input.name);
  const committed = await deps.store.commit(
    [
      ...storeToken(token),
      auditOperation(deps, { ...by, action: "token.create", target: input.name }),
    ],
    [{ key: tokenNameKey(input.name), revision: holder }],
  );
  if (!committed) throw taken(input.name);
  return created(token, secret);
}

/**
 * Revokes every token of a name: also the secrets that a rotation left working for a while.
 *
 * @throws {Failure} `not_found` if none is left to revoke.
 */
export async function revokeToken(deps: TokenDeps, name: string, by: Actor): Promise<void> {
  for (;;) {
    const entries = await unrevoked(deps.store, name);
    if (entries.length === 0) throw unknown(name);
    const committed = await deps.store.commit(
      [
        ...entries.flatMap((entry) => revocation(entry.value, deps.now())),
        { delete: tokenNameKey(name) },
        auditOperation(deps, { ...by, action: "token.revoke", target: name }),
      ],
      entries,
    );
    if (!committed) continue; // one of them changed meanwhile: look again
    deps.forget(entries.map((entry) => entry.value.id));
    return;
  }
}

/**
 * Mints a new secret under a name and lets the old one end after an overlap, and with it whatever earlier rotations left
 * working for longer than that. Scope and length of life stay.
 *
 * @throws {Failure} `not_found` if no active token has the name.
 */
export async function rotateToken(deps: TokenDeps, input: TokenRotation, by: Actor): Promise<CreatedToken> {
  await activeToken(deps, input.name); // before the cost of a hash
  for (;;) {
    const { pointer, entry } = await activeToken(deps, input.name);
    const old = entry.value;
    const { token, secret } = await mint(deps, {
      name: old.name,
      scope: old.scope,
      lifetimeMs: old.expiresAt === null ? null : expiryOf(old) - Date.parse(old.createdAt),
    });
    const overlapMs = (input.overlap_secs ?? OVERLAP_SECONDS) * 1000;
    const now = deps.now();
    const endMs = now.getTime() + overlapMs;
    // Shortened only: an earlier overlap that ends before this one keeps its end
    const earlier = (await unrevoked(deps.store, old.name)).filter((other) => expiryOf(other.value) > endMs);
    const ending: Operation[] = earlier.flatMap(({ key, value }) =>
      overlapMs === 0
        ? revocation(value, now)
        : [{ put: key, value: { ...value, expiresAt: instant(endMs) } satisfies StoredToken }]
    );
    const committed = await deps.store.commit(
      [
        ...ending,
        ...storeToken(token),
        auditOperation(deps, { ...by, action: "token.rotate", target: old.name }),
      ],
      [pointer, entry, ...earlier.filter(({ key }) => key !== entry.key)],
    );
    if (!committed) continue;
    deps.forget(earlier.map(({ value }) => value.id));
    return created(token, secret);
  }
}

/** What a new token is to be. */
export interface Minting {
  readonly name: string;
  readonly scope: string;
  /** Null for ever. */
  readonly lifetimeMs: number | null;
  /** A secret from elsewhere; a new one when absent. */
  readonly secret?: string;
}

/** Makes a record and its secret; stores nothing. */
export async function mint(
  deps: Pick<TokenDeps, "hasher" | "now">,
  minting: Minting,
): Promise<{ token: StoredToken; secret: string }> {
  const secret = minting.secret ?? newSecret();
  const hash = await deps.hasher.hash(secret);
  const now = deps.now();
  const token: StoredToken = {
    id: crypto.randomUUID(),
    name: minting.name,
    hash,
    prefix: prefixOf(secret),
    scope: minting.scope,
    createdAt: now.toISOString(),
    expiresAt: minting.lifetimeMs === null ? null : instant(now.getTime() + minting.lifetimeMs),
    lastUsedAt: null,
    revokedAt: null,
  };
  return { token, secret };
}

/** Every record. */
export function storedTokens(store: Store): Promise<Entry<StoredToken>[]> {
  return store.list<StoredToken>(tokenKey(""));
}

/** What revoking a record takes, but for its name, which may be another record's. */
export function revocation(token: StoredToken, now: Date): Operation[] {
  return [
    { put: tokenKey(token.id), value: { ...token, revokedAt: now.toISOString() } satisfies StoredToken },
    { delete: tokenPrefixKey(token.prefix, token.id) },
  ];
}

/** Records of a name that are not revoked, expired ones included. */
export async function unrevoked(store: Store, name: string): Promise<Entry<StoredToken>[]> {
  return (await storedTokens(store)).filter(({ value }) => value.name === name && value.revokedAt === null);
}

/** Revision of the name's key, for the guard of a commit. An expired token's name is free. */
async function refuseTaken(deps: TokenDeps, name: string): Promise<number> {
  const pointer = await deps.store.get<{ id: string }>(tokenNameKey(name));
  if (pointer === undefined) return 0;
  const holder = await deps.store.get<StoredToken>(tokenKey(pointer.value.id));
  if (holder !== undefined && isActive(holder.value, deps.now())) throw taken(name);
  return pointer.revision;
}

async function activeToken(
  deps: TokenDeps,
  name: string,
): Promise<{ pointer: Entry<{ id: string }>; entry: Entry<StoredToken> }> {
  const pointer = await deps.store.get<{ id: string }>(tokenNameKey(name));
  const entry = pointer && await deps.store.get<StoredToken>(tokenKey(pointer.value.id));
  if (pointer === undefined || entry === undefined || !isActive(entry.value, deps.now())) throw unknown(name);
  return { pointer, entry };
}

function created(token: StoredToken, secret: string): CreatedToken {
  return {
    id: token.id,
    name: token.name,
    token: secret,
    scope: token.scope,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
  };
}

function instant(ms: number): string {
  return new Date(Math.min(ms, END_OF_TIME_MS)).toISOString();
}

function taken(name: string): Failure {
  return new Failure("conflict", `could not create token: an active token named '${name}' exists`);
}

function unknown(name: string): Failure {
  return new Failure("not_found", `no active token named '${name}'`);
}
