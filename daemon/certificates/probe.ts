/**
 * Whether who looks for this daemon's answers to challenges finds them.
 *
 * @module
 */
import type { Solver } from "@helyos/acme";
import { ask } from "../proxy/challenges.ts";

/** Whom to ask. */
export interface ProbeRequest {
  readonly name: string;
  readonly address: string;
  readonly signal: AbortSignal;
}

/**
 * Puts an answer in place that nobody else has, and asks an address of the name for it, as a CA would.
 *
 * @throws {Error} If nobody answers there.
 */
export async function probe(
  { name, address, signal }: ProbeRequest,
  { http, port }: { readonly http: Solver; readonly port: number },
): Promise<"ours" | { readonly problem: string }> {
  const token = `helyos-${crypto.randomUUID()}`;
  const keyAuthorization = `${token}.${crypto.randomUUID()}`;
  const answer = { name, token, keyAuthorization, recordName: "", recordValue: "" };
  try {
    await http.present(answer, signal);
    const said = await ask({ host: address, port }, name, token, signal);
    if (said === keyAuthorization) return "ours";
    return { problem: said === undefined ? "something else answers there" : "it gives another answer" };
  } finally {
    await http.cleanUp(answer);
  }
}
