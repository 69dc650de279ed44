/**
 * Is the server who it should be? Decided from the certificates it presented in the handshake, before a request leaves.
 *
 * @module
 */
import type { Certificate } from "@helyos/pki";
import { readAnchors, readPresented } from "./certificates.ts";
import { PinningError } from "./errors.ts";
import { explainRefusal, isValidAt, verify } from "./refusal.ts";
import { anchorsFor, systemRoots } from "./system_roots.ts";
import type { Target, Trust } from "./target.ts";

/** What a judgement is about, beside the certificates. */
export interface Occasion {
  /** The server, as people write it. */
  readonly place: string;
  /** The name it must prove. */
  readonly name: Target["name"];
  /** Whether the platform's TLS accepts the certificates too. */
  readonly authorized: boolean;
  /** What the server's clock says, if it said so. */
  readonly serverDate?: Date | undefined;
}

/** Decides about servers. */
export interface Judge {
  /** What goes to the platform's TLS as `ca`; undefined for its own list. Never left out for a pinned CA. */
  readonly ca: readonly string[] | undefined;
  /**
   * Resolves if the server may be believed.
   *
   * @param presented What it presented, in DER, its own certificate first.
   * @param occasion What is known beside them.
   * @throws {PinningError} If not, and why.
   */
  judge(presented: readonly Uint8Array[], occasion: Occasion): Promise<void>;
}

/**
 * The judge for a trust.
 *
 * @param trust Whom to believe.
 * @param now The clock.
 * @returns The judge; undefined for plain HTTP, where there is nothing to judge.
 * @throws {PinningError} `invalid_ca` if the CA to pin is none, or the system's roots cannot be read.
 */
export function judgeFor(trust: Trust, now: () => Date): Judge | undefined {
  switch (trust) {
    case "none":
      return undefined;
    case "insecure":
      return { ca: [], judge: () => Promise.resolve() };
    case "system": {
      const roots = systemRoots();
      return {
        ca: roots,
        judge: (presented, occasion) => {
          const [leaf, ...rest] = readPresented(presented);
          return judge(leaf, rest, anchorsFor(roots, [leaf, ...rest], occasion.authorized), { ...occasion, at: now() });
        },
      };
    }
    default: {
      const anchors = readAnchors(trust.ca);
      return {
        ca: [trust.ca],
        judge: (presented, occasion) => {
          const [leaf, ...rest] = readPresented(presented);
          return judge(leaf, rest, anchors, { ...occasion, at: now() });
        },
      };
    }
  }
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
