/**
 * What things the daemon has are called, for completions.
 *
 * @module
 */
import type { Endpoint } from "@helyos/api";
import type { Surroundings } from "./command.ts";
import { connect } from "./connect.ts";
import { type Loose, looseList, textOf, unjudged } from "./listing.ts";

/** Kinds of things that have names. */
export type Named = "project" | "token" | "route" | "certificate";

/** Whoever pressed Tab waits so long at most, in milliseconds. */
const PATIENCE_MS = 1_500;

/**
 * Asks the daemon for names. Over the connection that any command would use, and only for as long as somebody who pressed
 * Tab likes to wait: when it is not there, or refuses, there is nothing to offer.
 *
 * @param kind Which things.
 * @param surroundings What of the line says which daemon.
 * @returns The names.
 */
export async function namesOf(kind: Named, surroundings: Surroundings): Promise<string[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string[]>((resolve) => timer = setTimeout(resolve, PATIENCE_MS, []));
  return await Promise.race([ask(kind, surroundings).catch(() => []), late]).finally(() => clearTimeout(timer));
}

async function ask(kind: Named, surroundings: Surroundings): Promise<string[]> {
  const api = await import("@helyos/api");
  const lists: Readonly<Record<Named, Endpoint<Record<never, never>, unknown>>> = {
    project: api.listProjects,
    token: api.listTokens,
    route: api.listRoutes,
    certificate: api.listCertificates,
  };
  await using connection = await connect(surroundings);
  const things = looseList(await connection.call(unjudged(lists[kind]), {}), "things");
  const name = (thing: Loose) => textOf(thing, kind === "project" || kind === "token" ? "name" : "domain", "");
  return [...new Set(things.filter(({ revoked_at }) => typeof revoked_at !== "string").map(name))];
}
