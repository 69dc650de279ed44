/**
 * Is the server who it should be? This much is known before it has been asked; `court.ts` decides.
 *
 * Reading and verifying certificates takes as long to load as a handshake takes, so it is loaded during the first one.
 *
 * @module
 */
import { getCACertificates } from "node:tls";
import type { Court } from "./court.ts";
import { PinningError } from "./errors.ts";
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
   * Gets ready for {@linkcode judge}.
   *
   * @throws {PinningError} `invalid_ca` if the CA to pin is none.
   */
  prepare(): Promise<void>;
  /**
   * Resolves if the server may be believed.
   *
   * @param presented What it presented, in DER, its own certificate first.
   * @param occasion What is known beside them.
   * @throws {PinningError} If not, and why.
   */
  judge(presented: readonly Uint8Array[], occasion: Occasion): Promise<void>;
}

/** Whole blocks alone, and at least one. What is in them is read later. */
const PEM =
  /^(?:(?!-----)[^\n]*\n)*-----BEGIN CERTIFICATE-----\r?\n[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----\s*(?:\n|$)/;

/**
 * The judge for a trust.
 *
 * @param trust Whom to believe.
 * @param now The clock.
 * @returns The judge; undefined for plain HTTP, where there is nothing to judge.
 * @throws {PinningError} `invalid_ca` if the text to pin is no PEM, or the system's roots cannot be read.
 */
export function judgeFor(trust: Trust, now: () => Date): Judge | undefined {
  if (trust === "none") return undefined;
  if (trust === "insecure") return { ca: [], prepare: () => Promise.resolve(), judge: () => Promise.resolve() };
  if (typeof trust === "object" && !PEM.test(trust.ca)) {
    throw new PinningError("invalid_ca", "Cannot read the CA: its text is not that of certificates in PEM");
  }
  const roots = trust === "system" ? systemRoots() : undefined;
  let court: Promise<Court> | undefined;
  const convene = (): Promise<Court> => {
    court ??= import("./court.ts").then(({ systemCourt, pinnedCourt }) =>
      trust === "system" ? systemCourt(roots) : pinnedCourt(trust.ca)
    );
    return court;
  };
  return {
    ca: trust === "system" ? roots : [trust.ca],
    prepare: async () => void await convene(),
    judge: async (presented, occasion) => await (await convene())(presented, { ...occasion, at: now() }),
  };
}

/**
 * Reads the system's roots, or the file that `SSL_CERT_FILE` names: those of the operating system and of the company, not a
 * list that a runtime brought along. Without permission to read them (`--allow-sys`) the runtime's list has to do.
 */
function systemRoots(): string[] | undefined {
  let roots: string[];
  try {
    roots = getCACertificates("system");
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NotCapable") return undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PinningError("invalid_ca", `Cannot read the system's roots: ${reason}`, { cause });
  }
  if (roots.length === 0) throw new PinningError("invalid_ca", "Cannot use the system's roots: there are none");
  return roots;
}
