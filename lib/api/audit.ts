/**
 * The audit trail on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ADMIN_ONLY, type Endpoint } from "./endpoint.ts";

/** One change: who did what to what, when and from where. Never a secret. */
export interface AuditRecord {
  /** When, RFC 3339 UTC. */
  readonly at: string;
  /** The token's name; `local` for what was done on the host, `helyosd` for what the daemon did by itself. */
  readonly actor: string;
  /** What was done: an endpoint's name such as `token.create`, or the daemon's own `certificate.renew`. */
  readonly action: string;
  /** What it was done to. */
  readonly target: string;
  /** The caller's address; null for what did not come over the network. */
  readonly address: string | null;
}

/** Which records to list. */
export interface AuditQuery {
  /**
   * How many, newest first, 1 to 1000.
   * @default {100}
   */
  readonly limit?: number | undefined;
}

const LIMIT = "limit must be a whole number from 1 to 1000";

/** The newest changes. */
export const listAudit: Endpoint<AuditQuery, AuditRecord[]> = {
  name: "audit.list",
  summary: "The newest changes: who, what, when, from where",
  method: "GET",
  path: "/api/v1/audit",
  allow: ADMIN_ONLY,
  status: 200,
  answer: "json",
  input: z.object({
    limit: z.coerce.number({ error: LIMIT }).int(LIMIT).min(1, LIMIT).max(1000, LIMIT).optional(),
  }),
  output: z.array(z.object({
    at: z.string(),
    actor: z.string(),
    action: z.string(),
    target: z.string(),
    address: z.string().nullable(),
  })),
};
