/**
 * Moving a pin to a new CA without anybody comparing fingerprints again.
 *
 * @module
 */
import type { Certificate } from "@helyos/pki/verify";
import { PinningError } from "./errors.ts";
import { type Fingerprint, fingerprintOfPem } from "./fingerprint.ts";

/** What {@linkcode followRollover} decides on. */
export interface Rollover {
  /** The CA that is pinned now, in PEM. */
  readonly pinned: string;
  /** The CA that wants to take its place, in PEM, as the daemon serves it. */
  readonly offered: string;
  /** Where the link certificate may be: what the server presented, in DER, or PEM text. */
  readonly link: string | readonly Uint8Array[];
}

/** Options for {@linkcode followRollover}. */
export interface RolloverOptions {
  /**
   * When.
   * @default {new Date()}
   */
  readonly at?: Date;
}

/** The new pin. */
export interface NewPin {
  /** The new CA, exactly as it was offered. */
  readonly pem: string;
  /** SHA-256 of that text. */
  readonly fingerprint: Fingerprint;
}

/**
 * Verifies that the pinned CA itself names its successor.
 *
 * When a daemon gets a new CA, the old one signs a *link certificate*: the new CA's name and key, under the old CA's
 * signature. The server presents it during the overlap, so old pins keep verifying, and here a client proves with it that
 * the new CA is the old one's choice, and moves its pin.
 *
 * The link must be a CA's certificate, valid now, signed by the pinned CA, with exactly the name and the key of the
 * offered CA, which must be valid now and signed by its own key. A client that missed the whole overlap has to log in
 * again. Whoever stole the old CA's key can name a successor, too.
 *
 * @example A CA that nobody vouches for
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { followRollover } from "@helyos/pinning";
 * import { rejects } from "node:assert/strict";
 *
 * const pinned = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 * const offered = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * await rejects(
 *   () => followRollover({ pinned: pinned.pem, offered: offered.pem, link: offered.pem }),
 *   { code: "invalid_link" },
 * );
 * ```
 * @param rollover The old CA, the new one, and the link between them.
 * @param options When.
 * @returns The new pin.
 * @throws {PinningError} `invalid_ca` if either CA is none, `invalid_link` if nothing leads from one to the other.
 */
export async function followRollover(rollover: Rollover, options: RolloverOptions = {}): Promise<NewPin> {
  const { readAnchors, readCertificates, readPresented, whyNoCa } = await import("./certificates.ts");
  const { isValidAt, printable } = await import("./refusal.ts");
  const { verifyChain } = await import("@helyos/pki/verify");
  const at = options.at ?? new Date();
  const anchors = readAnchors(rollover.pinned).filter((anchor) => isValidAt(anchor, at));
  const [offered] = readCertificates(rollover.offered, { exactly: 1 }) as [Certificate];
  const reason = whyNoCa(offered) ?? (isValidAt(offered, at) ? undefined : "is not valid now");
  if (reason) throw new PinningError("invalid_ca", `Cannot pin the new CA: its certificate ${reason}`);
  const candidates = typeof rollover.link === "string" ? readCertificates(rollover.link) : readPresented(rollover.link);
  let why = "no certificate with the new CA's name and key was presented";
  for (const link of candidates.filter((candidate) => isSameAuthority(candidate, offered))) {
    const broken = whyNoCa(link);
    if (broken) {
      why = `the link certificate ${broken}`;
      continue;
    }
    const others = candidates.filter((other) => other !== link).map(({ der }) => der);
    const verdict = await verifyChain(link.der, others, anchors.map(({ der }) => der), { at, purpose: "any" });
    if (!verdict.ok) {
      why = verdict.reason;
      continue;
    }
    // The link holds the new CA's key: with it the new CA's own signature is verified, and so all that it says.
    const own = await verifyChain(offered.der, [], [link.der], { at, purpose: "any" });
    if (!own.ok) throw new PinningError("invalid_ca", `Cannot pin the new CA: ${printable(own.reason)}`);
    return { pem: rollover.offered, fingerprint: await fingerprintOfPem(rollover.offered) };
  }
  throw new PinningError("invalid_link", `Cannot move the pin to the new CA: ${printable(why)}`);
}

/** A name and a key are what a CA is (RFC 5280 §6.1.1 (d)). */
function isSameAuthority(a: Certificate, b: Certificate): boolean {
  return a.subject.equals(b.subject) && a.spki.length === b.spki.length &&
    a.spki.every((byte, at) => byte === b.spki[at]);
}
