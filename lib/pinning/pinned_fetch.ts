/**
 * A `fetch`-shaped function for one origin.
 *
 * @module
 */
import { PinnedClient, type PinnedClientOptions } from "./pinned_client.ts";

/** Shaped like `fetch`; relative URLs are relative to the origin. */
export type PinnedFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * Makes a `fetch` for one origin that believes the CA it was given and nobody else.
 *
 * It is {@linkcode PinnedClient} for code that wants a function. Connections that wait do not keep a program from ending.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { pinnedFetch } from "@helyos/pinning";
 * import { rejects } from "node:assert/strict";
 *
 * const ca = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 * const fetch = pinnedFetch({ origin: "https://127.0.0.1:1", trust: { ca: ca.pem } });
 *
 * await rejects(() => fetch("https://elsewhere.example/"), TypeError);
 * ```
 * @param options Where to, and whom to believe.
 * @returns The function.
 * @throws {TypeError} If origin, trust and proxy make no sense, alone or together.
 * @throws {RangeError} If a limit is not a positive number.
 */
export function pinnedFetch(options: PinnedClientOptions): PinnedFetch {
  const client = new PinnedClient(options);
  return (input, init) => client.fetch(input, init);
}
