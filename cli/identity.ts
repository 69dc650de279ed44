/**
 * Whose token it is: the one question that is asked so often that it loads neither zod nor the rest of the contract.
 *
 * @module
 */
import { type Identity, whoamiRequest } from "@helyos/api/identity";
import type { Connection } from "./connect.ts";
import { CliError } from "./failure.ts";

/** What a daemon says, which an older one may say in part, and a newer one with more. */
export type Answer = Partial<Identity> & Readonly<Record<string, unknown>>;

/**
 * Asks the daemon whose token this is.
 *
 * @param connection The daemon.
 * @returns Its answer as it is; what is there of an {@linkcode Identity} is text or null.
 * @throws {CliError} If it refuses, cannot be reached, or answers something else.
 */
export async function readIdentity(connection: Connection): Promise<Answer> {
  const answer = await connection.call<Record<never, never>, unknown>(whoamiRequest, {});
  const isObject = typeof answer === "object" && answer !== null && !Array.isArray(answer);
  const fields = isObject ? answer as Record<string, unknown> : undefined;
  const known = ["name", "scope", "created_at", "expires_at", "last_used_at"];
  if (fields && known.every((key) => ["string", "undefined"].includes(typeof (fields[key] ?? undefined)))) {
    return fields;
  }
  throw new CliError(`cannot understand the answer to GET ${whoamiRequest.path}`, { code: "bad_answer" });
}
