/**
 * The audit trail's endpoint.
 *
 * @module
 */
import { listAudit } from "@helyos/api";
import { bind, type Binding } from "../server/bind.ts";
import type { Store } from "../store/store.ts";
import { newestRecords } from "./records.ts";

const DEFAULT_LIMIT = 100;

/** What serves the audit trail. */
export function auditBindings(deps: { readonly store: Store }): Binding[] {
  return [bind(listAudit, ({ input }) => newestRecords(deps.store, input.limit ?? DEFAULT_LIMIT))];
}
