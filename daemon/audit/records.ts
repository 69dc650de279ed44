/**
 * Audit records as they are stored: `audit/<time>-<sequence><random>`, so that byte order is the order of time.
 *
 * @module
 */
import type { AuditRecord } from "@helyos/api";
import type { Entry, Operation, Store } from "../store/store.ts";

const PREFIX = "audit/";

/** What somebody did. */
export interface AuditedChange {
  /** The token's name; `local` for what was done on the host, `helyosd` for what the daemon did by itself. */
  readonly actor: string;
  /** An endpoint's name such as `token.create`, or the daemon's own such as `certificate.renew`. */
  readonly action: string;
  /** What it was done to. Never a secret. */
  readonly target: string;
  /** The caller's address; null for what did not come over the network. */
  readonly address: string | null;
}

let lastTime = "";
let sequence = 0;

/**
 * The operation that records a change. Commit it together with the change, so that neither exists without the other.
 *
 * @param deps The clock.
 * @param change Who did what.
 */
export function auditOperation(deps: { readonly now: () => Date }, change: AuditedChange): Operation {
  const at = deps.now().toISOString();
  sequence = at === lastTime ? sequence + 1 : 0; // within one millisecond of one process, in the order they were asked for
  lastTime = at;
  const order = sequence.toString(16).padStart(4, "0");
  const { actor, action, target, address } = change;
  const value: AuditRecord = { at, actor, action, target, address };
  return { put: `${PREFIX}${at}-${order}${crypto.randomUUID().slice(0, 8)}`, value };
}

/** The newest records first. */
export async function newestRecords(store: Store, limit: number): Promise<AuditRecord[]> {
  const entries = await store.list<AuditRecord>(PREFIX, { reverse: true, limit });
  return entries.map((entry: Entry<AuditRecord>) => entry.value);
}

/** How much of the trail to keep. */
export interface Retention {
  /**
   * How many records, the newest.
   * @default {50000}
   */
  readonly keep?: number;
}

/** Records deleted by one commit: a long trail is cut in steps that hold nobody up. */
const STEP = 500;

/**
 * Deletes the oldest records beyond the bound.
 *
 * @returns How many were deleted.
 */
export async function trimRecords(store: Store, retention: Retention = {}): Promise<number> {
  const keep = retention.keep ?? 50_000;
  let until: string | undefined;
  // Walk down the newest `keep` in pages; what remains below is to go
  for (let left = keep; left > 0;) {
    const page = await store.list(PREFIX, { reverse: true, limit: Math.min(left, STEP), ...(until && { until }) });
    if (page.length === 0) return 0;
    until = page.at(-1)!.key;
    left -= page.length;
  }
  for (let deleted = 0;;) {
    const page = await store.list(PREFIX, { limit: STEP, ...(until && { until }) });
    if (page.length === 0) return deleted;
    await store.commit(page.map((entry) => ({ delete: entry.key })));
    deleted += page.length;
  }
}
