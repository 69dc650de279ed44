/**
 * The CA made: built beside its place and moved there whole, so that half of one never comes to be.
 *
 * @module
 */
import {
  createCrl,
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  type IssuedCertificate,
  type Issuer,
  type KeyAlgorithm,
  type PermittedNames,
  PkiError,
  type Revocation,
} from "@helyos/pki";
import { join } from "node:path";
import { CliError } from "../failure.ts";
import { type CaSigner, caState, KEY_HINT, keyFault, openCa, partialCa } from "./ca.ts";
import { signCrl } from "./crl.ts";
import { makeFolder, namesIn, orExplain, PUBLIC, SECRET, syncFolderOf, writeNew } from "./files.ts";
import type { PkiHome } from "./home.ts";
import { withStore } from "./store.ts";

/** What the CA, and with an intermediate the root, is called. */
export const CA_NAME = "Helyos Service CA";
/** What the intermediate is called. */
export const INTERMEDIATE_NAME = "Helyos Service Intermediate CA";

/** How the CA is to be. */
export interface NewCa {
  /** The kind of its keys. */
  readonly algorithm?: KeyAlgorithm | undefined;
  /** How long it lives; ten years, when left out. An intermediate lives half as long. */
  readonly lifetimeSeconds?: number | undefined;
  /** Whether an intermediate signs, so that the root's key can be carried away. */
  readonly intermediate: boolean;
  /** What it may speak for; everything, when left out. */
  readonly permit?: PermittedNames | undefined;
  /** What its keys are encrypted under, asked for only when they are made; undefined for nothing. */
  readonly passphrase: () => Promise<string | undefined>;
  /** The time. */
  readonly now: Date;
}

/** What came of it. */
export interface InitResult {
  /** Whether it was made now, or was there already. */
  readonly created: boolean;
  /** Whether an intermediate signs. */
  readonly intermediate: boolean;
  /** Whether its keys have a passphrase; undefined when it was there already. */
  readonly encrypted?: boolean;
}

const DEFAULT_LIFETIME_SECONDS = 3650 * 86_400;

/**
 * Makes the CA, unless there is one.
 *
 * @param home Where.
 * @param wanted How it is to be.
 * @returns Whether it was made.
 * @throws {CliError} If half of one is there, or a permitted name makes no sense; nothing was changed then.
 */
export async function initCa(home: PkiHome, wanted: NewCa): Promise<InitResult> {
  // A person thinks about a passphrase for as long as it takes: nobody should have to wait for that.
  const before = await present(home);
  if (before !== undefined) return before;
  const passphrase = await wanted.passphrase();
  return await withStore(home, async () => {
    const meanwhile = await present(home);
    if (meanwhile !== undefined) return meanwhile;
    const temporary = `${home.ca}.tmp`;
    await orExplain(`cannot make ${home.ca}`, async () => {
      await removeFolder(temporary);
      await makeFolder(temporary);
    });
    try {
      await build(home, { ...wanted, temporary, passphrase: passphrase === undefined ? {} : { passphrase } });
      await orExplain(`cannot make ${home.ca}`, () => Deno.rename(temporary, home.ca));
    } catch (error) {
      await removeFolder(temporary);
      throw error;
    }
    await syncFolderOf(home.ca);
    return { created: true, intermediate: wanted.intermediate, encrypted: passphrase !== undefined };
  });
}

async function present(home: PkiHome): Promise<InitResult | undefined> {
  const found = await caState(home);
  if (found.state === "partial") throw partialCa(home, found.missing);
  if (found.state === "present") {
    const fault = await keyFault(await openCa(home));
    if (fault !== undefined) throw new CliError(fault, { code: "key_mismatch", hint: KEY_HINT });
    return { created: false, intermediate: found.intermediate };
  }
  const left = await namesIn(home.ca);
  if (left.length === 0) return undefined;
  throw new CliError(`${home.ca} holds neither certificate nor key of a CA, but ${left.join(", ")}`, {
    code: "partial_ca",
    hint: "Nothing was changed. Put certificate and key back, or remove the folder to start a new CA",
  });
}

interface Build extends Omit<NewCa, "passphrase"> {
  readonly temporary: string;
  readonly passphrase: { readonly passphrase?: string };
}

async function build(home: PkiHome, wanted: Build): Promise<void> {
  const { now, permit, temporary, intermediate, lifetimeSeconds = DEFAULT_LIFETIME_SECONDS } = wanted;
  const at = (path: string) => join(temporary, path.slice(home.ca.length));
  const key = await generateKeyPair(wanted.algorithm);
  const anchor = await judged(() =>
    createRootCa({
      commonName: CA_NAME,
      key,
      lifetimeDays: lifetimeSeconds / 86_400,
      pathLength: intermediate ? 1 : 0,
      now,
      ...(permit === undefined ? {} : { permit }),
    })
  );
  const root: Issuer = { certificate: anchor.pem, key };
  await writeNew(at(intermediate ? home.rootKey : home.caKey), await exportPrivateKey(key, wanted.passphrase), SECRET);
  await writeNew(at(home.caCert), anchor.pem, PUBLIC);
  const signing = intermediate
    ? await buildIntermediate(home, { ...wanted, root, at })
    : { issuer: root, made: anchor };
  await writeNew(at(home.serial), `${signing.made.serial.toUpperCase()}\n`, SECRET);
  await writeNew(at(home.ledger), "", SECRET);
  // An empty list from the first day: servers can be told of it before there is anything on it.
  const moved = { ...home, ledger: at(home.ledger), crl: at(home.crl) };
  await signCrl({ ca: { home: moved } as CaSigner["ca"], issuer: signing.issuer }, { now });
}

/** An intermediate to be made. */
export interface NewIntermediate {
  /** The root. */
  readonly root: Issuer;
  /** Where its files go, given where they belong. */
  readonly at: (path: string) => string;
  /** The kind of its key. */
  readonly algorithm?: KeyAlgorithm | undefined;
  /** How long the root lives; the intermediate lives half as long. */
  readonly lifetimeSeconds?: number | undefined;
  /** What it may speak for; everything the root may, when left out. */
  readonly permit?: PermittedNames | undefined;
  /** What its key is encrypted under. */
  readonly passphrase: { readonly passphrase?: string };
  /** The intermediates that count no longer. */
  readonly revoked?: readonly Revocation[];
  /** The time. */
  readonly now: Date;
}

/**
 * Makes an intermediate: its key, its certificate, and the root's list, on which it is not.
 *
 * @param home The CA's files.
 * @param wanted How it is to be.
 * @returns What signs from now on.
 * @throws {CliError} If a file cannot be written.
 */
export async function buildIntermediate(
  home: PkiHome,
  wanted: NewIntermediate,
): Promise<{ issuer: Issuer; made: IssuedCertificate }> {
  const { root, at, now, permit, lifetimeSeconds = DEFAULT_LIFETIME_SECONDS } = wanted;
  const key = await generateKeyPair(wanted.algorithm);
  const made = await issueCertificate({
    issuer: root,
    profile: "intermediate",
    publicKey: key.publicKey,
    commonName: INTERMEDIATE_NAME,
    lifetimeSeconds: Math.ceil(lifetimeSeconds / 2),
    now,
    ...(permit === undefined ? {} : { permit }),
  });
  await writeNew(at(home.intermediateKey), await exportPrivateKey(key, wanted.passphrase), SECRET);
  await writeNew(at(home.intermediateCert), made.pem, PUBLIC);
  // The root will be away: what it has to say of the intermediate is said for as long as that lives. Nobody counts its lists, so
  // the time is their number.
  const number = Math.floor(now.getTime() / 1000);
  const { pem } = await createCrl({
    issuer: root,
    number,
    revoked: wanted.revoked ?? [],
    nextUpdate: made.notAfter,
    now,
  });
  await writeNew(at(home.rootCrl), pem, PUBLIC);
  return { issuer: { certificate: made.pem, key }, made };
}

async function judged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CliError(cause.message, { code: cause.code, cause });
  }
}

async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
