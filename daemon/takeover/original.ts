/**
 * What the original daemon's `helyos.db` holds that works on here, and how each row reads in our records.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { StoredProject } from "../projects/records.ts";
import type { StoredToken } from "../tokens/records.ts";

/** All that is taken over. */
export interface OriginalData {
  readonly tokens: StoredToken[];
  readonly projects: StoredProject[];
  /** Tokens whose own names no request could carry, in words: they would work and could not be revoked. */
  readonly renamed: readonly string[];
  /** `cluster_config` without the API token's hash, which is a token here. */
  readonly config: ReadonlyMap<string, string>;
}

/** The row the original adds for its single, nameless token. */
const LEGACY_NAME = "legacy-default";
const LEGACY_PREFIX = "legacy";
const LEGACY_HASH = "api_token_hash";

type Row = Record<string, unknown>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Longest name that a path may carry, in characters. */
const LONGEST_NAME = 253;

/** Whether a request can name it: a segment of a path is neither empty, `.`, `..` nor longer than any name here. */
function isAddressable(name: string): boolean {
  return !["", ".", ".."].includes(name) && !name.includes("\0") && [...name].length <= LONGEST_NAME;
}

/**
 * Reads the tables; one that is not there counts as empty, as an older original would have it.
 *
 * @param now For rows that do not tell when they were made.
 */
export function readOriginal(db: DatabaseSync, now: Date): OriginalData {
  const config = new Map<string, string>();
  for (const row of rows(db, "cluster_config")) {
    if (typeof row.key === "string" && typeof row.value === "string") config.set(row.key, row.value);
  }
  const legacyHash = config.get(LEGACY_HASH);
  config.delete(LEGACY_HASH);
  const renamed: string[] = [];
  const tokens = rows(db, "api_tokens").flatMap((row) => readToken(row, now) ?? []).map((token) => {
    if (isAddressable(token.name)) return token;
    const name = `taken-over-${token.id}`;
    renamed.push(`token ${JSON.stringify(token.name.slice(0, 100))} is now called '${name}'`);
    return { ...token, name };
  });
  return {
    tokens: withLegacy(tokens, legacyHash, now),
    renamed,
    projects: rows(db, "projects").flatMap((row) => readProject(row, now) ?? []),
    config,
  };
}

function readToken(row: Row, now: Date): StoredToken | undefined {
  if (typeof row.name !== "string" || typeof row.token_hash !== "string") return undefined;
  const expires = text(row.expires_at);
  return {
    id: UUID.test(text(row.id) ?? "") ? row.id as string : crypto.randomUUID(),
    name: row.name,
    hash: row.token_hash,
    prefix: text(row.token_prefix) ?? LEGACY_PREFIX,
    scope: text(row.scope) ?? "admin",
    createdAt: instant(row.created_at) ?? now.toISOString(),
    // An unreadable expiry is kept as it is: whoever checks it takes it for expired (the original took it for never)
    expiresAt: expires === null ? null : instant(expires) ?? expires,
    lastUsedAt: instant(row.last_used_at),
    // Anything in the column means revoked, as the original has it
    revokedAt: row.revoked_at === null || row.revoked_at === undefined
      ? null
      : instant(row.revoked_at) ?? now.toISOString(),
  };
}

/**
 * The original checks its single token against `cluster_config`, not against the row `legacy-default`, which may hold the
 * hash of an earlier one. Here the row is the token, so it gets the hash that works; a revoked row stays revoked.
 */
function withLegacy(tokens: StoredToken[], hash: string | undefined, now: Date): StoredToken[] {
  if (hash === undefined) return tokens;
  const row = tokens.find((token) => token.name === LEGACY_NAME);
  if (row !== undefined) {
    if (row.revokedAt !== null) return tokens;
    return tokens.map((token) => token === row ? { ...token, hash, prefix: LEGACY_PREFIX } : token);
  }
  return [...tokens, {
    id: crypto.randomUUID(),
    name: LEGACY_NAME,
    hash,
    prefix: LEGACY_PREFIX,
    scope: "admin",
    createdAt: now.toISOString(),
    expiresAt: null,
    lastUsedAt: null,
    revokedAt: null,
  }];
}

function readProject(row: Row, now: Date): StoredProject | undefined {
  if (typeof row.name !== "string") return undefined;
  const status = text(row.status)?.toLowerCase() === "suspended" ? "suspended" : "active";
  return { name: row.name, status, createdAt: instant(row.created_at) ?? now.toISOString() };
}

function rows(db: DatabaseSync, table: "api_tokens" | "cluster_config" | "projects"): Row[] {
  const found = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table);
  return found === undefined ? [] : db.prepare(`SELECT * FROM ${table}`).all() as Row[];
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** RFC 3339 with a zone, in UTC with `Z`; null when it is not that. */
function instant(value: unknown): string | null {
  if (typeof value !== "string") return null;
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(value)) return null;
  // Date reads three digits of a fraction; more are cut, never rounded up past an expiry
  const ms = Date.parse(value.replace(" ", "T").replace(/(\.\d{3})\d+/, "$1"));
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
