/**
 * The CA's ledger: a line of JSON for every certificate issued, revocation and revocation list. Lines are only added, and are on
 * the disk before what they tell of is seen.
 *
 * @module
 */
import { CliError } from "../failure.ts";
import { orExplain, readText, SECRET } from "./files.ts";
import type { PairType, PkiHome } from "./home.ts";

/** A certificate that was issued. */
export interface IssuedEntry {
  readonly event: "issued";
  /** When, RFC 3339. */
  readonly at: string;
  /** The service; for a signed request its common name. */
  readonly service: string;
  /** What for; `peer` for a signed request that serves both. */
  readonly type: PairType | "peer";
  /** Its number, lower-case hex. */
  readonly serial: string;
  /** Its last second, RFC 3339. */
  readonly notAfter: string;
  /** SHA-256 of its DER, lower-case hex. */
  readonly sha256: string;
  /** Where its key was made: `here`, or `elsewhere` when a request was signed. */
  readonly key: "here" | "elsewhere";
}

/** A certificate that was revoked. */
export interface RevokedEntry {
  readonly event: "revoked";
  /** Since when, RFC 3339. */
  readonly at: string;
  /** The service it was issued to. */
  readonly service: string;
  /** Its number, lower-case hex. */
  readonly serial: string;
  /** Why, as RFC 5280 §5.3.1 calls it. */
  readonly reason: string;
}

/** A revocation list that was signed. */
export interface CrlEntry {
  readonly event: "crl";
  /** When, RFC 3339. */
  readonly at: string;
  /** Its number. */
  readonly number: number;
  /** Until when it counts, RFC 3339. */
  readonly nextUpdate: string;
}

/** A line of the ledger. */
export type LedgerEntry = IssuedEntry | RevokedEntry | CrlEntry;

/**
 * Reads the ledger. A last line without its end was being written when the power went, and tells of nothing that happened.
 *
 * @param home The CA's files.
 * @returns Its entries, oldest first; none when there is no ledger.
 * @throws {CliError} If it cannot be read.
 */
export async function readLedger(home: PkiHome): Promise<LedgerEntry[]> {
  return await entriesOf(home, () => true);
}

/** As {@linkcode appendLedger} writes what is no revocation: nearly all there is, where certificates live for hours. */
const NO_REVOCATION = /^\{"event":"(issued|crl)"/;

/**
 * What is revoked, by the ledger: its other lines are not looked into, so that years of them cost nothing.
 *
 * @param home The CA's files.
 * @returns The revocations.
 * @throws {CliError} If the ledger cannot be read.
 */
export async function readRevocations(home: PkiHome): Promise<Revocations> {
  return revocationsOf(await entriesOf(home, (line) => !NO_REVOCATION.test(line)));
}

async function entriesOf(home: PkiHome, wanted: (line: string) => boolean): Promise<LedgerEntry[]> {
  const text = await readText(home.ledger) ?? "";
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(0, -1);
  return lines.flatMap((line, index) => {
    if (!wanted(line)) return [];
    try {
      return [JSON.parse(line) as LedgerEntry];
    } catch (cause) {
      throw new CliError(`cannot read ${home.ledger}: line ${index + 1} is not JSON`, {
        code: "bad_ledger",
        hint: "Put the file back from a copy, or take that line out; what it told of cannot be revoked by name then",
        cause,
      });
    }
  });
}

/**
 * Adds lines to the ledger and waits until they are on the disk. Only for who holds the store's lock.
 *
 * @param home The CA's files.
 * @param entries What happened.
 * @throws {CliError} If that fails.
 */
export async function appendLedger(home: PkiHome, entries: readonly LedgerEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await orExplain(`cannot write ${home.ledger}`, async () => {
    using file = await Deno.open(home.ledger, { read: true, write: true, create: true, mode: SECRET });
    const end = await endOfLastLine(file);
    await file.truncate(end);
    await file.seek(end, Deno.SeekMode.Start);
    let bytes = new TextEncoder().encode(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    while (bytes.length > 0) bytes = bytes.subarray(await file.write(bytes));
    await file.syncData();
  });
}

const LINE_BREAK = 0x0a;
const LONGEST_LINE = 4096;

/** Almost always the end of the file; further up when a line was cut short. */
async function endOfLastLine(file: Deno.FsFile): Promise<number> {
  // Not stat(): Deno asks permission for where links lead then, and a home may be reached through one.
  const size = await file.seek(0, Deno.SeekMode.End);
  const start = Math.max(0, size - LONGEST_LINE);
  await file.seek(start, Deno.SeekMode.Start);
  const tail = new Uint8Array(size - start);
  for (let read = 0; read < tail.length;) {
    const count = await file.read(tail.subarray(read));
    if (count === null) break;
    read += count;
  }
  return start + tail.lastIndexOf(LINE_BREAK) + 1;
}

/** What is revoked, by number. */
export type Revocations = ReadonlyMap<string, RevokedEntry>;

/**
 * What is revoked.
 *
 * @param entries The ledger.
 * @returns By number. What was on hold and is then revoked in earnest has the later entry.
 */
export function revocationsOf(entries: readonly LedgerEntry[]): Revocations {
  return new Map(entries.flatMap((entry) => entry.event === "revoked" ? [[entry.serial, entry]] : []));
}
