/**
 * Decides from the certificates a server presented, before a request leaves.
 *
 * @module
 */
import { type Certificate, parseCertificate, verifyChain } from "@helyos/pki/verify";
import { Buffer } from "node:buffer";
import { readAnchors, readPresented } from "./certificates.ts";
import { PinningError } from "./errors.ts";
import type { Occasion } from "./judge.ts";
import { explainRefusal, isValidAt, verify } from "./refusal.ts";

/** Resolves if the server may be believed, else rejects with the reason. */
export type Court = (
  presented: readonly Uint8Array[],
  occasion: Occasion & { readonly at: Date },
) => Promise<void>;

/**
 * The court that believes one CA.
 *
 * @param pem The CA, or a bundle of several.
 * @returns The court.
 * @throws {PinningError} `invalid_ca` if the text holds no CA.
 */
export async function pinnedCourt(pem: string): Promise<Court> {
  const anchors = readAnchors(pem);
  // The first verification loads what it needs. It may as well do so while the server is busy with the handshake.
  await verifyChain(anchors[0]!.der, [], [anchors[0]!.der]);
  return async (presented, occasion) => {
    const [leaf, ...rest] = readPresented(presented);
    await judge(leaf, rest, anchors, occasion);
  };
}

/**
 * The court that believes the system's roots.
 *
 * @param roots Each in PEM; undefined for the runtime's own list, which cannot be read.
 * @returns The court.
 */
export function systemCourt(roots: readonly string[] | undefined): Court {
  return async (presented, occasion) => {
    const [leaf, ...rest] = readPresented(presented);
    await judge(leaf, rest, candidates(roots, [leaf, ...rest], occasion.authorized), occasion);
  };
}

/** The roots a chain could end in, so that not all of them are read. */
function candidates(
  roots: readonly string[] | undefined,
  chain: readonly Certificate[],
  authorized: boolean,
): Certificate[] {
  // The platform hands over the chain it built; its last certificate is the root it found, if it found one.
  if (roots === undefined) return authorized ? chain.slice(-1) : [];
  return roots.flatMap((pem) => {
    const der = Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ""), "base64");
    // A hundred roots and more: only those that hold the name of an issuer are read.
    if (!chain.some((certificate) => der.includes(certificate.issuer.der))) return [];
    try {
      return [parseCertificate(new Uint8Array(der))];
    } catch {
      // A system may hold roots that break the rules of DER; they vouch for nobody here.
      return [];
    }
  });
}

async function judge(
  leaf: Certificate,
  rest: readonly Certificate[],
  anchors: readonly Certificate[],
  occasion: Occasion & { readonly at: Date },
): Promise<void> {
  // RFC 5280 §6.1.1 (d) leaves a trust anchor's dates to us: a dead CA vouches for nobody.
  const alive = anchors.filter((anchor) => isValidAt(anchor, occasion.at));
  const verdict = await verify(leaf, rest, alive, occasion);
  if (!verdict.ok) throw await explainRefusal(leaf, rest, { ...occasion, anchors, verdict });
  if (!occasion.authorized) {
    const message = `Cannot trust ${occasion.place}: the TLS of this runtime refuses its certificate`;
    throw new PinningError("invalid_certificate", message);
  }
}
