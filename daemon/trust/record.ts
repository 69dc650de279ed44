/**
 * Audit records of what happened to the control plane's certificates.
 *
 * @module
 */
import { auditOperation } from "../audit/records.ts";
import type { Store } from "../store/store.ts";
import type { TrustLog } from "./trust.ts";

/** What recording needs. */
export interface RecordDeps {
  readonly store: Store;
  readonly now: () => Date;
  readonly log: TrustLog;
}

/** The files are what counts: a trail that cannot be written must not keep a certificate from being renewed. */
export async function record(deps: RecordDeps, action: string, target: string): Promise<void> {
  try {
    await deps.store.commit([auditOperation(deps, { actor: "helyosd", action, target, address: null })]);
  } catch (error) {
    deps.log.error(`no audit record of ${action} ${target}: ${error}`);
  }
}
