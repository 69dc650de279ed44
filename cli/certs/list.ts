/**
 * What `certs list` tells: a row for every certificate, the CA's included.
 *
 * @module
 */
import type { Certificate } from "@helyos/pki";
import { readStates } from "./agent/attempts.ts";
import { type Ca, openCaIfAny } from "./ca.ts";
import { fileInfo } from "./files.ts";
import { pairKey, type PkiHome } from "./home.ts";
import { readRevocations, type Revocations } from "./ledger.ts";
import { listPairs, settleIfNeeded, type StoredPair } from "./store.ts";

/** A certificate as the list has it. What cannot be read has no more than its place. */
export interface ListRow {
  /** The service; `ca` for the CA. */
  readonly service: string;
  /** What it is for. */
  readonly type: "ca" | "intermediate" | "client" | "server";
  /** Its file. */
  readonly path: string;
  /** Whether the key is there. Of a root kept offline it is not, and should not be. */
  readonly hasKey: boolean;
  readonly subject: string | null;
  readonly issuer: string | null;
  /** Its first second, RFC 3339. */
  readonly notBefore: string | null;
  /** Its last second, RFC 3339. */
  readonly notAfter: string | null;
  readonly cn: string | null;
  /** Its names. */
  readonly sans: readonly string[];
  readonly serial: string | null;
  /** Whole days left; negative when it is over. */
  readonly daysLeft: number | null;
  /** What is wrong with it, shortest first to read: `expired`, `no key`, `revoked`, `other CA`, …; null when nothing is. */
  readonly note: string | null;
  /** Why the agent failed last to renew or deploy it; null when it did not, or there is no agent. */
  readonly lastError: string | null;
  /** When the agent tries next, RFC 3339. */
  readonly nextTry: string | null;
}

const DAY_MS = 86_400_000;

/**
 * Lists every certificate.
 *
 * @param home The CA's files.
 * @param now The time.
 * @returns The CA first, then the services' by name.
 * @throws {CliError} If a file cannot be read.
 */
export async function listRows(home: PkiHome, now: Date): Promise<ListRow[]> {
  await settleIfNeeded(home);
  const ca = await openCaIfAny(home);
  const [pairs, revoked, states] = await Promise.all([listPairs(home), readRevocations(home), readStates(home)]);
  const tried = (pair: StoredPair) => {
    const state = states.get(pairKey(pair.service, pair.type));
    return { lastError: state?.lastError ?? null, nextTry: state?.nextTry ?? null };
  };
  return [
    ...(ca === undefined ? [] : await caRows(ca, now)),
    ...pairs.map((pair) => ({ ...pairRow(pair, { ca, revoked, now }), ...tried(pair) })),
  ];
}

async function caRows(ca: Ca, now: Date): Promise<ListRow[]> {
  const { home } = ca;
  const signs = ca.between.length === 0 ? home.caCert : home.intermediateCert;
  const hasKey = async (path: string) => await fileInfo(path) !== undefined;
  const row = (certificate: Certificate, place: Pick<ListRow, "type" | "path" | "hasKey">): ListRow => ({
    service: "ca",
    ...place,
    ...facts(certificate, now),
    note: signs === place.path && !place.hasKey ? "no key" : dateNote(certificate, now),
    ...UNTRIED,
  });
  if (ca.between.length === 0) {
    return [row(ca.anchor, { type: "ca", path: home.caCert, hasKey: await hasKey(home.caKey) })];
  }
  return [
    row(ca.anchor, { type: "ca", path: home.caCert, hasKey: await hasKey(home.rootKey) }),
    row(ca.signing, { type: "intermediate", path: home.intermediateCert, hasKey: await hasKey(home.intermediateKey) }),
  ];
}

interface Known {
  readonly ca: Ca | undefined;
  readonly revoked: Revocations;
  readonly now: Date;
}

type Judged = Omit<ListRow, keyof typeof UNTRIED>;

/** The CA is no business of the agent's. */
const UNTRIED = { lastError: null, nextTry: null };

function pairRow(pair: StoredPair, known: Known): Judged {
  const { certificate, service, type, cert: path, hasKey } = pair;
  const place = { service, type, path, hasKey };
  if (certificate !== undefined) return { ...place, ...facts(certificate, known.now), note: noteOf(pair, known) };
  const note = pair.unreadable === undefined ? "no certificate" : "unreadable";
  const nothing = {
    subject: null,
    issuer: null,
    notBefore: null,
    notAfter: null,
    cn: null,
    serial: null,
    daysLeft: null,
  };
  return { ...place, ...nothing, sans: [], note };
}

function facts(certificate: Certificate, now: Date): Omit<Judged, "service" | "type" | "path" | "hasKey" | "note"> {
  return {
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    cn: certificate.subject.commonName ?? null,
    sans: certificate.names.map(({ value }) => value),
    serial: certificate.serial,
    daysLeft: Math.floor((certificate.notAfter.getTime() - now.getTime()) / DAY_MS),
  };
}

function noteOf({ certificate, hasKey }: StoredPair, { ca, revoked, now }: Known): string | null {
  if (certificate === undefined) return null;
  if (!hasKey) return "no key";
  if (ca !== undefined && !isIssuedBy(certificate, ca)) return "other CA";
  if (revoked.has(certificate.serial)) return "revoked";
  return dateNote(certificate, now);
}

function dateNote({ notBefore, notAfter }: Certificate, now: Date): string | null {
  if (notAfter < now) return "expired";
  return notBefore > now ? "not yet valid" : null;
}

/**
 * Whether a certificate says that this CA signed it: by name and key identifier. Whether it is true, `verifyChain` tells.
 *
 * @param certificate The certificate.
 * @param ca The CA.
 * @returns Whether it says so.
 */
export function isIssuedBy(certificate: Certificate, { signing }: Pick<Ca, "signing">): boolean {
  const key = certificate.authorityKeyIdentifier?.keyIdentifier;
  return certificate.issuer.equals(signing.subject) &&
    (key === undefined || signing.subjectKeyIdentifier === undefined || key === signing.subjectKeyIdentifier);
}
