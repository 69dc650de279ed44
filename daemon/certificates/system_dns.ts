/**
 * DNS as the machine's resolver sees it.
 *
 * @module
 */
import type { Surroundings } from "./doctor.ts";

/** Asks the resolver of the operating system; a name without such records gives none. */
export function systemDns(): Pick<Surroundings, "addresses" | "caa"> {
  return {
    async addresses(name, signal) {
      const found = await Promise.all(
        (["A", "AAAA"] as const).map((kind) => none(Deno.resolveDns(name, kind, { signal }))),
      );
      return found.flat();
    },
    caa: (name, signal) => none(Deno.resolveDns(name, "CAA", { signal })),
  };
}

async function none<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
