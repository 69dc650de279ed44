/**
 * The CA's revocation list: made anew from the ledger.
 *
 * @module
 */
import { createCrl, type Crl, parseCrl, PkiError, type Revocation, type RevocationReason } from "@helyos/pki";
import { CliError } from "../failure.ts";
import type { CaSigner } from "./ca.ts";
import { PUBLIC, readText, replaceFile } from "./files.ts";
import type { PkiHome } from "./home.ts";
import { appendLedger, type LedgerEntry, readLedger, revocationsOf } from "./ledger.ts";

/** Days a list counts when nothing else is said. Long enough for a holiday, short enough that hosts notice a stale one. */
export const CRL_LIFETIME_DAYS = 30;

/** A list that was signed. */
export interface SignedCrl {
  /** Its file. */
  readonly path: string;
  /** Its number. */
  readonly number: number;
  /** How many certificates are on it. */
  readonly revoked: number;
  /** Until when it counts. */
  readonly nextUpdate: Date;
}

/**
 * Signs the list of everything revoked and puts it in place of the last one. Only for who holds the store's lock.
 *
 * @param signer The CA.
 * @param options How long it counts, and the time.
 * @returns The list.
 * @throws {CliError} If the ledger cannot be read or the list not be written.
 */
export async function signCrl(
  signer: CaSigner,
  options: { readonly lifetimeSeconds?: number | undefined; readonly now: Date },
): Promise<SignedCrl> {
  const { home } = signer.ca;
  const { now, lifetimeSeconds = CRL_LIFETIME_DAYS * 86_400 } = options;
  const ledger = await readLedger(home);
  const last = await currentCrl(home);
  const known = revocationsOf(ledger);
  const revoked = [...known.values()].map(({ serial, at, reason }): Revocation => (
    { serial, date: new Date(at), reason: reason as RevocationReason }
  ));
  // A ledger that got lost, or was put back from an older copy, gives nothing back that was taken away.
  for (const { serial, date, reason } of last?.revoked ?? []) {
    if (!known.has(serial)) revoked.push({ serial, date, ...(reason === undefined ? {} : { reason }) });
  }
  const number = Math.max(lastNumber(ledger), Number(last?.number ?? 0)) + 1;
  const nextUpdate = new Date(now.getTime() + lifetimeSeconds * 1000);
  const { pem } = await createCrl({ issuer: signer.issuer, number, revoked, nextUpdate, now }).catch((cause) => {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CliError(`cannot sign the revocation list: ${cause.message}`, { code: cause.code, cause });
  });
  await appendLedger(home, [
    { event: "crl", at: now.toISOString(), number, nextUpdate: nextUpdate.toISOString() },
  ]);
  await replaceFile(home.crl, pem, PUBLIC);
  return { path: home.crl, number, revoked: revoked.length, nextUpdate };
}

/**
 * The list as it stands.
 *
 * @param home The CA's files.
 * @param path Which list; the one that `crl` signs, when left out.
 * @returns The list; undefined when there is none that can be read.
 */
export async function currentCrl(home: PkiHome, path: string = home.crl): Promise<Crl | undefined> {
  const pem = await readText(path);
  try {
    return pem === undefined ? undefined : parseCrl(pem);
  } catch {
    return undefined; // What cannot be read is replaced by the next one.
  }
}

/**
 * The lists by which certificates of the CA are judged.
 *
 * @param home The CA's files.
 * @returns The PEM of those there are.
 */
export async function crlPems(home: PkiHome): Promise<string[]> {
  const pems = await Promise.all([readText(home.crl), readText(home.rootCrl)]);
  return pems.filter((pem) => pem !== undefined);
}

function lastNumber(ledger: readonly LedgerEntry[]): number {
  return ledger.reduce((most, entry) => entry.event === "crl" ? Math.max(most, entry.number) : most, 0);
}
