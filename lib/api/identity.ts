/**
 * Who a token belongs to: the one question every login asks, in a module of its own that loads nothing else.
 *
 * @module
 */
import { ANY_SCOPE, type Endpoint } from "./endpoint.ts";

/** Who the caller is. */
export interface Identity {
  /** The token's name. */
  readonly name: string;
  /** What it may do. */
  readonly scope: string;
  /** When it was minted, RFC 3339; absent for a legacy token. */
  readonly created_at?: string | null | undefined;
  /** When it stops working; null or absent for never. */
  readonly expires_at?: string | null | undefined;
  /** When it was last seen; null or absent for never. */
  readonly last_used_at?: string | null | undefined;
}

/**
 * How to ask who the caller is, without a schema to judge the answer by: what an older daemon says may have fewer fields.
 * Importing this alone, as `@helyos/api/identity`, does not load the schemas of the whole contract.
 */
export const whoamiRequest: Endpoint<Record<never, never>, Identity> = {
  name: "identity.read",
  summary: "The identity of the calling token",
  method: "GET",
  path: "/api/v1/whoami",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
};
