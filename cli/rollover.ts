/**
 * Moves a context's pin when the daemon has a new CA that the pinned one vouches for.
 *
 * @module
 */
import type { Connection } from "./connect.ts";
import type { ContextStore } from "./contexts.ts";

/** What a move of the pin needs. */
export interface MoveDeps {
  /** The contexts. */
  readonly store: ContextStore;
  /** Says what happened. */
  readonly say: (text: string) => void;
}

/**
 * Looks at what a pinned server presented; if it holds a CA other than the pinned one, asks over the same verified
 * connection which CA to pin from now on, and pins it if the old one signed for it.
 *
 * Whatever fails here fails silently: the old pin is good as long as the link is served, and the next command tries again.
 *
 * @param connection A pinned connection that has answered.
 * @param deps The contexts, and whom to tell.
 */
export async function movePin(connection: Connection, { store, say }: MoveDeps): Promise<void> {
  const { ca, context, tls } = connection;
  const presented = await connection.presented();
  // A server without a new CA shows its own certificate alone, and costs nothing here.
  if (tls !== "pinned" || ca === undefined || context === undefined || presented.length < 2) return;
  try {
    if (!await hasOtherCa(ca, presented)) return;
    const [{ callEndpoint, readCa }, { followRollover }] = await Promise.all([
      import("@helyos/api"),
      import("@helyos/pinning"),
    ]);
    const { pem: offered } = await callEndpoint(connection.fetch, readCa, {});
    if (offered === ca) return;
    const { pem, fingerprint } = await followRollover({ pinned: ca, offered, link: presented });
    const encode = (text: string) => new TextEncoder().encode(text).toBase64();
    let moved = false;
    await store.update((contexts) => {
      const now = contexts.get(context);
      moved = now.ca === encode(ca);
      return moved ? contexts.with({ ...now, ca: encode(pem), caSha256: fingerprint }) : contexts;
    });
    if (moved) {
      say(`the daemon of context '${context}' has a new CA, signed for by the old one; pinned it: ${fingerprint}`);
    }
  } catch {
    // See above.
  }
}

/** After a move the server still shows the link: it has the pinned CA's own key then. */
async function hasOtherCa(pinned: string, presented: readonly Uint8Array[]): Promise<boolean> {
  const { parseCertificate, parseCertificates } = await import("@helyos/pki/verify");
  const keys = parseCertificates(pinned).map(({ spki }) => spki.toHex());
  return presented.slice(1).map(parseCertificate).some(({ isCa, spki }) => isCa && !keys.includes(spki.toHex()));
}
