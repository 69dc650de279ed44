/**
 * A new intermediate, signed by the root that was fetched from where it is kept.
 *
 * @module
 */
import {
  importPrivateKey,
  type KeyAlgorithm,
  type KeyPair,
  parseCrl,
  type PermittedNames,
  PkiError,
  type Revocation,
} from "@helyos/pki";
import { CliError } from "../failure.ts";
import { type Ca, openCa } from "./ca.ts";
import { signCrl } from "./crl.ts";
import { orExplain, readText } from "./files.ts";
import type { PkiHome } from "./home.ts";
import { buildIntermediate } from "./init.ts";
import { withStore } from "./store.ts";

/** How the new intermediate is to be. */
export interface Replacement {
  /** The root's key, PEM. */
  readonly rootKey: string;
  /** What the root's key opens with, and the new intermediate's then has, too. */
  readonly passphrase?: string | undefined;
  /** The kind of its key. */
  readonly algorithm?: KeyAlgorithm | undefined;
  /** Whether the one before is revoked: its key is in other hands. */
  readonly revoke: boolean;
  /** The time. */
  readonly now: Date;
}

/**
 * Replaces the intermediate: it signs from now on. Certificates of the one before work on, for as long as it does and unless it is
 * revoked; `renew` replaces them.
 *
 * @param home The CA's files.
 * @param wanted How it is to be.
 * @throws {CliError} If there is no CA with an intermediate, or the key is not the root's; nothing was changed then.
 */
export async function replaceIntermediate(home: PkiHome, wanted: Replacement): Promise<void> {
  await withStore(home, async () => {
    const ca = await openCa(home);
    if (ca.between.length === 0) {
      throw new CliError(`the CA in ${home.ca} signs without an intermediate`, {
        code: "no_intermediate",
        hint: "Nothing was changed",
      });
    }
    const { now, algorithm, passphrase } = wanted;
    const key = await rootKeyOf(wanted);
    const root = { certificate: ca.anchorPem, key };
    try {
      const { issuer } = await buildIntermediate(home, {
        root,
        at: (path) => `${path}.tmp`,
        algorithm,
        lifetimeSeconds: (ca.anchor.notAfter.getTime() - ca.anchor.notBefore.getTime()) / 1000,
        permit: permittedBy(ca),
        passphrase: passphrase === undefined ? {} : { passphrase },
        revoked: await revokedSoFar(ca, wanted),
        now,
      });
      await orExplain(`cannot replace ${home.intermediateCert}`, () => {
        for (const path of [home.intermediateKey, home.intermediateCert, home.rootCrl]) {
          Deno.renameSync(`${path}.tmp`, path);
        }
        return Promise.resolve();
      });
      await signCrl({ ca, issuer }, { now });
    } catch (cause) {
      if (!(cause instanceof PkiError)) throw cause;
      throw new CliError(`cannot sign a new intermediate: ${cause.message}`, { code: cause.code, cause });
    }
  });
}

async function rootKeyOf({ rootKey, passphrase }: Replacement): Promise<KeyPair> {
  try {
    return await importPrivateKey(rootKey, passphrase === undefined ? {} : { passphrase });
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CliError(`cannot open the root's key: ${cause.message}`, { code: cause.code, cause });
  }
}

/** What the root may speak for: an intermediate that says so itself refuses to sign what nobody would accept. */
function permittedBy({ anchor }: Ca): PermittedNames | undefined {
  const bases = anchor.nameConstraints?.permitted.map(({ base }) => base) ?? [];
  const dns = bases.flatMap(({ kind, value }) => kind === "dns" ? [value] : []);
  const ip = bases.flatMap(({ kind, value, bytes }) =>
    kind === "ip" ? [`${value.split("/")[0]}/${bitsIn(bytes.subarray(bytes.length / 2))}`] : []
  );
  if (dns.length + ip.length === 0) return undefined;
  return { ...(dns.length === 0 ? {} : { dns }), ...(ip.length === 0 ? {} : { ip }) };
}

/** The length of a mask. */
function bitsIn(mask: Uint8Array): number {
  return mask.reduce((sum, octet) => sum + octet.toString(2).replaceAll("0", "").length, 0);
}

/** What the root took back before stays so. */
async function revokedSoFar({ home, signing }: Ca, { revoke, now }: Replacement): Promise<Revocation[]> {
  const pem = await readText(home.rootCrl);
  const before = pem === undefined ? [] : parseCrl(pem).revoked.map(({ serial, date, reason }): Revocation => (
    { serial, date, ...(reason === undefined ? {} : { reason }) }
  ));
  return revoke ? [...before, { serial: signing.serial, date: now, reason: "keyCompromise" }] : before;
}
