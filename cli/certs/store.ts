/**
 * The services' certificates and keys on the disk.
 *
 * A pair is swapped as a whole: both halves are on the disk under names nobody reads before the first one moves, and what a crash
 * interrupted is finished or undone by whoever holds the lock next. What is staged, and when it counts:
 *
 * | left behind by a crash        | means                                  | is then  |
 * | ----------------------------- | -------------------------------------- | -------- |
 * | a folder `.SERVICE.TYPE.new`  | the service's first pair, not whole    | undone   |
 * | the new key, or key and cert  | the old pair is still in place         | undone   |
 * | the new certificate alone     | the new key is in place already        | finished |
 *
 * @module
 */
import { type Certificate, holdsKey, importPrivateKey, parseCertificate, parseCertificates } from "@helyos/pki";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CliError, reasonOf } from "../failure.ts";
import {
  fileInfo,
  ifUnlocked,
  makeFolder,
  namesIn,
  orExplain,
  PUBLIC,
  readText,
  remove,
  SECRET,
  syncFolderOf,
  withLock,
  writeNew,
} from "./files.ts";
import { PAIR_TYPES, type PairPaths, type PairType, type PkiHome } from "./home.ts";

/** A certificate of a service with its key, as they lie on the disk. */
export interface StoredPair extends PairPaths {
  /** The certificate's file; undefined when there is none. */
  readonly certPem?: string;
  /** The first certificate in it; undefined when that cannot be read. */
  readonly certificate?: Certificate;
  /** Why one of the two cannot be read. */
  readonly unreadable?: string;
  /** Whether the key's file is there. */
  readonly hasKey: boolean;
}

/** A new pair, to be put in place. */
export interface NewPair extends PairPaths {
  /** The certificate, with those that stand between it and the CA behind it. */
  readonly certPem: string;
  /** The key. */
  readonly keyPem: string;
}

/**
 * Does something to the CA's files while nobody else does. What an earlier one left half done is put right first.
 *
 * @param home The files.
 * @param work What to do.
 * @returns What it returns.
 * @throws {CliError} If the lock is not to be had, or the work fails.
 */
export async function withStore<T>(home: PkiHome, work: () => Promise<T>): Promise<T> {
  await refuseForeign(home.folder);
  await makeFolder(home.folder);
  return await withLock(home.lock, async () => {
    await settle(home);
    return await work();
  }, { what: home.folder });
}

const OURS = new Set(["agent", "ca", "ca.tmp", "caddy", "certs", "lock", "swapping"]);

/** Our folder is closed to others. Where others keep things, as in `/tmp` or a home, that would shut them out. */
async function refuseForeign(folder: string): Promise<void> {
  const mode = await Deno.stat(folder).then(({ mode }) => mode ?? 0, () => 0);
  if ((mode & 0o077) === 0) return;
  const foreign = (await namesIn(folder)).filter((name) => !OURS.has(name));
  if (foreign.length === 0) return;
  throw new CliError(`${folder} is no folder for the CA alone: others may enter it, and there is ${foreign[0]} in it`, {
    code: "foreign_folder",
    hint: `Set HELYOS_PKI_HOME to a folder of its own, such as ${join(folder, "pki")}`,
  });
}

/** There while pairs are being swapped, and after a crash in the middle of it. */
const marker = (home: PkiHome) => join(home.folder, "swapping");

const STAGED = /^\.(client|server)-(cert|key)\.pem\.new$/;
const staged = (pair: PairPaths, half: "cert" | "key") => join(pair.folder, `.${pair.type}-${half}.pem.new`);
const firstFolder = (home: PkiHome, pair: PairPaths) => join(home.certs, `.${pair.service}.${pair.type}.new`);

/**
 * Puts right what a crash left half done, if anything. For readers, who wait for nobody: while somebody is at work, what is half
 * done is not left but underway.
 *
 * @param home The files.
 * @throws {CliError} If that fails.
 */
export async function settleIfNeeded(home: PkiHome): Promise<void> {
  if (await fileInfo(marker(home)) !== undefined) await ifUnlocked(home.lock, () => settle(home));
}

async function settle(home: PkiHome): Promise<void> {
  if (await fileInfo(marker(home)) === undefined) return;
  await orExplain(`cannot put right what was left half done in ${home.certs}`, async () => {
    for (const name of await namesIn(home.certs)) {
      const folder = join(home.certs, name);
      if (/^\..*\.new$/.test(name)) {
        await Deno.remove(folder, { recursive: true });
        continue;
      }
      if (!(await Deno.lstat(folder)).isDirectory) continue;
      const left = (await namesIn(folder)).filter((file) => STAGED.test(file));
      for (const type of PAIR_TYPES) {
        const [cert, key] = [`.${type}-cert.pem.new`, `.${type}-key.pem.new`];
        if (left.includes(cert) && !left.includes(key)) {
          await Deno.rename(join(folder, cert), join(folder, `${type}-cert.pem`));
          continue;
        }
        // The certificate first: alone it would mean that the key is in place.
        for (const file of [cert, key]) if (left.includes(file)) await remove(join(folder, file));
      }
    }
    await remove(marker(home));
  });
}

/**
 * Says that pairs are about to be swapped, until the work is done. Only for who holds the store's lock.
 *
 * @param home The files.
 * @param work What stages and puts in place; when it fails, what it left is put right.
 * @returns What the work returns.
 */
export async function swapping<T>(home: PkiHome, work: () => Promise<T>): Promise<T> {
  await makeFolder(home.certs);
  await writeNew(marker(home), "", SECRET);
  let done = false;
  try {
    const result = await work();
    done = true;
    return result;
  } finally {
    await (done ? remove(marker(home)) : settle(home));
  }
}

/** A pair that lies beside its place, on the disk. */
export interface StagedPair {
  /** Moves it to its place, at once; nothing else runs in between. */
  commit(): void;
  /** Waits until the move itself would outlast a power cut. */
  settled(): Promise<void>;
}

/**
 * Writes a pair beside its place. Only within {@linkcode swapping}.
 *
 * @param home The files.
 * @param pair The pair.
 * @returns What moves it to its place.
 * @throws {CliError} If that fails; nothing was changed.
 */
export async function stagePair(home: PkiHome, pair: NewPair): Promise<StagedPair> {
  const first = await fileInfo(pair.folder) === undefined;
  const folder = first ? firstFolder(home, pair) : pair.folder;
  const key = first ? join(folder, `${pair.type}-key.pem`) : staged(pair, "key");
  const cert = first ? join(folder, `${pair.type}-cert.pem`) : staged(pair, "cert");
  try {
    await makeFolder(folder);
    await writeNew(key, pair.keyPem, SECRET);
    await writeNew(cert, pair.certPem, PUBLIC);
  } catch (error) {
    for (const path of [cert, key]) await remove(path).catch(ignore);
    if (first) await remove(folder).catch(ignore);
    throw error;
  }
  return {
    commit() {
      if (first) return Deno.renameSync(folder, pair.folder);
      Deno.renameSync(key, pair.key);
      Deno.renameSync(cert, pair.cert);
    },
    settled: () => syncFolderOf(first ? pair.folder : pair.cert),
  };
}

/** For what may fail: the disk is full, and what could not be written is not there. */
function ignore(): void {}

/**
 * The services that have a folder.
 *
 * @param home The files.
 * @returns Their names, in order; what is no name of a service is passed over.
 * @throws {CliError} If the folder cannot be read.
 */
export async function storedServices(home: PkiHome): Promise<string[]> {
  return (await namesIn(home.certs)).filter((name) => /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name));
}

/**
 * Every pair there is, also those that miss a half.
 *
 * @param home The files.
 * @returns The pairs by service, the client's first.
 * @throws {CliError} If the folder cannot be read; a pair that cannot is one that says so.
 */
export async function listPairs(home: PkiHome): Promise<StoredPair[]> {
  const services = await storedServices(home);
  const pairs = await Promise.all(
    services.flatMap((service) => PAIR_TYPES.map((type) => readPair(home, service, type))),
  );
  return pairs.filter((pair) => pair !== undefined);
}

/**
 * Reads a service's pair; the key itself is left alone.
 *
 * @param home The files.
 * @param service Whose.
 * @param type What for.
 * @returns The pair; undefined when neither half is there.
 */
export function readPair(home: PkiHome, service: string, type: PairType): Promise<StoredPair | undefined> {
  return readAt(home.pair(service, type));
}

async function readAt({ service, type, folder, cert, key: keyPath }: PairPaths): Promise<StoredPair | undefined> {
  const paths: PairPaths = { service, type, folder, cert, key: keyPath };
  let certPem: string | undefined;
  let hasKey = false;
  try {
    hasKey = await fileInfo(paths.key) !== undefined;
    certPem = await readText(paths.cert);
  } catch (error) {
    return { ...paths, hasKey, unreadable: reasonOf(error instanceof CliError ? error.cause : error) };
  }
  if (certPem === undefined) return hasKey ? { ...paths, hasKey } : undefined;
  try {
    return { ...paths, hasKey, certPem, certificate: firstCertificate(certPem) };
  } catch (error) {
    return { ...paths, hasKey, certPem, unreadable: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * The first certificate of a PEM file.
 *
 * @param pem The file.
 * @returns The certificate.
 * @throws {PkiError} If it cannot be read.
 */
export function firstCertificate(pem: string): Certificate {
  return parseCertificates(pem)[0] ?? parseCertificate(pem);
}

/**
 * Whether a pair is one: the key is there, can be read and is the certificate's. A pair that is swapped right now is looked at again.
 *
 * @param pair The pair.
 * @returns Why it is none; undefined when it is.
 */
export async function pairFault(pair: StoredPair): Promise<string | undefined> {
  const first = await faultOf(pair);
  if (first === undefined) return undefined;
  await new Promise((resolve) => setTimeout(resolve, SWAP_MS));
  return await faultOf(await readAt(pair) ?? pair);
}

/** Longer than it takes to move two files. */
const SWAP_MS = 5;

async function faultOf(pair: StoredPair): Promise<string | undefined> {
  if (pair.certPem === undefined && pair.unreadable === undefined) return `${pair.cert} is missing`;
  if (pair.certificate === undefined) return `${pair.cert} cannot be read: ${pair.unreadable}`;
  const keyPem = await readText(pair.key);
  if (keyPem === undefined) return `${pair.key} is missing`;
  try {
    const { publicKey } = await importPrivateKey(keyPem);
    return await holdsKey(pair.certificate, publicKey) ? undefined : `${pair.key} is not the certificate's key`;
  } catch (error) {
    return `${pair.key} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * SHA-256 of a certificate's DER: by this it is recognised, whatever stands around it.
 *
 * @param certificate The certificate, or its DER.
 * @returns Lower-case hex.
 */
export function fingerprint(certificate: Certificate | Uint8Array): string {
  const der = certificate instanceof Uint8Array ? certificate : certificate.der;
  return createHash("sha256").update(der).digest("hex");
}
