/**
 * Makes the control plane's CA, lets a new one follow before it ends, and issues the server certificate under it.
 *
 * @module
 */
import {
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  issueCertificate,
  type KeyPair,
  parseCertificate,
} from "@helyos/pki";
import { TrustError } from "./errors.ts";
import { isIssuedBy, type JudgedPair, judgePair } from "./judge.ts";
import { type Authority, FILES } from "./material.ts";
import type { ServerNames } from "./names.ts";
import { linksNow } from "./plan.ts";

const CA_DAYS = 3650;
/** How long before its end a CA is followed by another one: so long do clients have to move their pin. */
const OVERLAP_DAYS = 730;
const LEAF_SECONDS = 90 * 86_400;
const DAY_MS = 86_400_000;
/** What @helyos/pki takes off the beginning of whatever it signs. */
const BACKDATE_MS = 300_000;
const COMMON_NAME = "helyos CA";

/** A CA nobody has pinned yet. */
export async function makeAuthority(now: Date): Promise<Authority> {
  const key = await generateKeyPair("ec-p256");
  const root = await createRootCa({
    commonName: COMMON_NAME,
    key,
    lifetimeDays: CA_DAYS,
    pathLength: "unlimited",
    now,
  });
  return { ca: root.pem, key: await exportPrivateKey(key), previous: [] };
}

/** Whether it is time for {@linkcode followAuthority}. After its end it is too late: nothing an ended CA signs counts. */
export function mustFollow(authority: Authority, now: Date): boolean {
  const left = parseCertificate(authority.ca).notAfter.getTime() - now.getTime();
  return left > 0 && left <= OVERLAP_DAYS * DAY_MS;
}

/**
 * Makes the next CA and a link certificate: its name and key, signed by the one before. Clients that pinned either verify
 * a server that shows leaf and link, so nobody has to pin anew before the old CA ends.
 *
 * Both begin when the old CA did: should this clock be far ahead, what it made is still good when it is set right.
 */
export async function followAuthority(authority: Authority, now: Date): Promise<Authority> {
  const old = parseCertificate(authority.ca);
  const begin = new Date(old.notBefore.getTime() + BACKDATE_MS);
  const key = await generateKeyPair("ec-p256");
  const lifetimeDays = CA_DAYS + Math.round((now.getTime() - begin.getTime()) / DAY_MS);
  const root = await createRootCa({ commonName: COMMON_NAME, key, lifetimeDays, pathLength: "unlimited", now: begin });
  const link = await issueCertificate({
    issuer: { certificate: authority.ca, key: await importPrivateKey(authority.key) },
    profile: "intermediate",
    publicKey: key.publicKey,
    commonName: COMMON_NAME,
    pathLength: "unlimited",
    lifetimeSeconds: Math.floor((old.notAfter.getTime() - begin.getTime()) / 1000),
    now: begin,
  });
  const alive = authority.previous.filter((predecessor) => parseCertificate(predecessor.ca).notAfter > now);
  return { ca: root.pem, key: await exportPrivateKey(key), previous: [{ ca: authority.ca, link: link.pem }, ...alive] };
}

/**
 * Issues a server certificate with a key of its own, followed by the links to earlier CAs.
 *
 * @throws {TrustError} `damaged` if the CA has ended or the key is not its.
 */
export async function issueLeaf(authority: Authority, names: ServerNames, now: Date): Promise<JudgedPair> {
  const issuer = parseCertificate(authority.ca);
  if (issuer.notAfter <= now) {
    throw new TrustError(
      "damaged",
      `Cannot serve TLS: the CA in ${FILES.ca} expired on ${issuer.notAfter.toISOString()} and this clock says ${now.toISOString()}; ` +
        `if the clock is right, delete the three http-*.pem files to get a new CA that clients must then pin`,
    );
  }
  const key: KeyPair = await generateKeyPair("ec-p256");
  const issued = await issueCertificate({
    issuer: { certificate: authority.ca, key: await importPrivateKey(authority.key) },
    profile: "server",
    publicKey: key.publicKey,
    commonName: "helyos",
    names,
    lifetimeSeconds: LEAF_SECONDS,
    now,
  });
  const pair = judgePair({
    cert: [issued.pem, ...linksNow(authority, now)].join(""),
    key: await exportPrivateKey(key),
    certLabel: FILES.cert,
    keyLabel: FILES.key,
  });
  if (!isIssuedBy(pair.leaf, issuer)) {
    throw new TrustError(
      "damaged",
      `Cannot serve TLS: the key in ${FILES.authority} is not that of the CA in ${FILES.ca}`,
    );
  }
  return pair;
}
