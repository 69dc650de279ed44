/**
 * Revoking: a service's certificates no longer count, for whoever asks the list.
 *
 * @module
 */
import type { RevocationReason } from "@helyos/pki";
import { CliError } from "../failure.ts";
import type { CaSigner } from "./ca.ts";
import { signCrl, type SignedCrl } from "./crl.ts";
import { PAIR_TYPES, type PairType } from "./home.ts";
import { appendLedger, type IssuedEntry, readLedger, revocationsOf, type RevokedEntry } from "./ledger.ts";
import { isIssuedBy } from "./list.ts";
import { readPair } from "./store.ts";

/** Reasons that `revoke` takes (RFC 5280 §5.3.1), the default first. */
export const REASONS = [
  "unspecified",
  "keyCompromise",
  "superseded",
  "cessationOfOperation",
  "affiliationChanged",
  "privilegeWithdrawn",
] as const satisfies readonly RevocationReason[];

/** What to revoke. */
export interface RevokeOrder {
  /** Whose certificates. */
  readonly service: string;
  /** Of which kind; both, when left out. */
  readonly type?: PairType | undefined;
  /** Why. */
  readonly reason: (typeof REASONS)[number];
  /** Since when. */
  readonly now: Date;
}

/** What was revoked. */
export interface RevokeResult {
  /** The numbers that were put on the list now; none when all were on it. */
  readonly serials: readonly string[];
  /** The list. */
  readonly crl: SignedCrl;
}

/**
 * Revokes every certificate of a service that still counts: those on the disk, and those issued before them that have not
 * expired, for whoever has the newest key may have had the others. Then signs the list. Only for who holds the store's lock.
 *
 * @param signer The CA.
 * @param order What to revoke.
 * @returns What was revoked.
 * @throws {CliError} If the service never had a certificate.
 */
export async function revokeService(signer: CaSigner, order: RevokeOrder): Promise<RevokeResult> {
  const { home } = signer.ca;
  const { service, type, reason, now } = order;
  const ledger = await readLedger(home);
  const issued = ledger.filter((entry): entry is IssuedEntry =>
    entry.event === "issued" && entry.service === service && (type === undefined || entry.type === type)
  );
  const serials = new Set(issued.filter((entry) => new Date(entry.notAfter) >= now).map(({ serial }) => serial));
  const onDisk = await serialsOnDisk(signer, order);
  for (const serial of onDisk) serials.add(serial);
  if (issued.length === 0 && onDisk.length === 0) {
    throw new CliError(`no ${type ? `${type} ` : ""}certificate was ever issued to '${service}'`, {
      code: "nothing_issued",
      hint: "See what there is with: helyos certs list",
    });
  }
  const known = revocationsOf(ledger);
  const fresh = [...serials].filter((serial) => !known.has(serial));
  await appendLedger(
    home,
    fresh.map((serial): RevokedEntry => ({ event: "revoked", at: now.toISOString(), service, serial, reason })),
  );
  return { serials: fresh, crl: await signCrl(signer, { now }) };
}

/** Also what the ledger does not know: a folder that was put back from a copy. */
async function serialsOnDisk({ ca }: CaSigner, { service, type }: RevokeOrder): Promise<string[]> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(service)) return []; // A signed request's name: there is no folder of it.
  const types = type === undefined ? PAIR_TYPES : [type];
  const pairs = await Promise.all(types.map((one) => readPair(ca.home, service, one)));
  return pairs.flatMap((pair) =>
    pair?.certificate !== undefined && isIssuedBy(pair.certificate, ca) ? [pair.certificate.serial] : []
  );
}
