/**
 * API tokens on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ADMIN_ONLY, type Endpoint, type Scope } from "./endpoint.ts";
import { type Identity, whoamiRequest } from "./identity.ts";
import { nameSchema } from "./name.ts";

/** A token as listings show it: never its secret nor the hash. */
export interface TokenRecord {
  /** UUID v4. */
  readonly id: string;
  /** What the operator calls it. */
  readonly name: string;
  /** First 12 characters of the secret; `legacy` for the row of an original's single token. */
  readonly token_prefix: string;
  /** What it may do. */
  readonly scope: string;
  /** When it was minted, RFC 3339. */
  readonly created_at: string;
  /** When it stops working, RFC 3339; null for never. */
  readonly expires_at: string | null;
  /** When it was last seen, to the minute; null for never. */
  readonly last_used_at: string | null;
  /** When it was revoked; null while it works. */
  readonly revoked_at: string | null;
}

/** What a new token is to be. */
export interface NewToken {
  /** 1 to 253 printable characters. */
  readonly name: string;
  /**
   * What it may do.
   * @default {"admin"}
   */
  readonly scope?: Scope | null | undefined;
  /** Seconds until it expires, a whole number; null, absent, zero or below means never. */
  readonly ttl_secs?: number | null | undefined;
}

/** A token just minted: the only answer that ever carries the secret. */
export interface CreatedToken {
  /** UUID v4. */
  readonly id: string;
  /** What the operator calls it. */
  readonly name: string;
  /** The secret, `nxa-api_` and 64 hex digits. Shown once. */
  readonly token: string;
  /** What it may do. */
  readonly scope: string;
  /** When it was minted, RFC 3339. */
  readonly created_at: string;
  /** When it stops working, RFC 3339; null for never. */
  readonly expires_at: string | null;
}

/** Which token to replace, and how long the old secret keeps working beside the new one. */
export interface TokenRotation {
  /** The token's name. */
  readonly name: string;
  /**
   * Seconds the old secret keeps working.
   * @default {3600}
   */
  readonly overlap_secs?: number | null | undefined;
}

const scopeSchema = z.enum(["admin", "deploy", "read"], { error: "scope must be admin, deploy or read" });
const instantOrNull = z.string().nullable();

const tokenRecordSchema: z.ZodType<TokenRecord> = z.object({
  id: z.string(),
  name: z.string(),
  token_prefix: z.string(),
  scope: z.string(),
  created_at: z.string(),
  expires_at: instantOrNull.default(null),
  last_used_at: instantOrNull.default(null),
  revoked_at: instantOrNull.default(null),
});

const createdTokenSchema: z.ZodType<CreatedToken> = z.object({
  id: z.string(),
  name: z.string(),
  token: z.string(),
  scope: z.string(),
  created_at: z.string(),
  expires_at: instantOrNull.default(null),
});

const identitySchema: z.ZodType<Identity> = z.object({
  name: z.string(),
  scope: z.string(),
  created_at: instantOrNull.optional(),
  expires_at: instantOrNull.optional(),
  last_used_at: instantOrNull.optional(),
});

/** Who am I. */
export const whoami: Endpoint<Record<never, never>, Identity> = { ...whoamiRequest, output: identitySchema };

/** Every token, newest first. */
export const listTokens: Endpoint<Record<never, never>, TokenRecord[]> = {
  name: "token.list",
  summary: "Every token, newest first, without its secret",
  method: "GET",
  path: "/api/v1/tokens",
  allow: ADMIN_ONLY,
  status: 200,
  answer: "json",
  output: z.array(tokenRecordSchema),
};

/** Mints a token. */
export const createToken: Endpoint<NewToken, CreatedToken> = {
  name: "token.create",
  summary: "Mint a token; the answer shows its secret once",
  method: "POST",
  path: "/api/v1/tokens",
  allow: ADMIN_ONLY,
  status: 201,
  answer: "json",
  input: z.object({
    name: nameSchema("token name"),
    scope: scopeSchema.nullish(),
    ttl_secs: z.int({ error: "ttl_secs must be a whole number of seconds" }).nullish(),
  }),
  output: createdTokenSchema,
  refusals: { 409: "an active token has this name", 422: "the name is blank, too long or not printable" },
};

/** Revokes a token: it stops working at once. */
export const revokeToken: Endpoint<{ readonly name: string }, void> = {
  name: "token.revoke",
  summary: "Revoke a token; it stops working at once",
  method: "DELETE",
  path: "/api/v1/tokens/{name}",
  allow: ADMIN_ONLY,
  status: 204,
  answer: "empty",
  input: z.object({ name: z.string() }),
  refusals: { 404: "no active token has this name" },
};

const OVERLAP = "overlap_secs must be a whole number of seconds, 0 or more";

/** Replaces a token's secret, keeping the old one for a while. */
export const rotateToken: Endpoint<TokenRotation, CreatedToken> = {
  name: "token.rotate",
  summary: "Mint a new secret under the same name; the old one works on for a while",
  method: "POST",
  path: "/api/v1/tokens/{name}/rotate",
  allow: ADMIN_ONLY,
  status: 201,
  answer: "json",
  input: z.object({
    name: z.string(),
    overlap_secs: z.int({ error: OVERLAP }).min(0, OVERLAP).nullish(),
  }),
  output: createdTokenSchema,
  refusals: { 404: "no active token has this name" },
};
