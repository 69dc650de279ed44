/**
 * The CA itself: what is there of it, and its key when something is to be signed.
 *
 * @module
 */
import { type Certificate, holdsKey, importPrivateKey, type Issuer, parseCertificate, PkiError } from "@helyos/pki";
import type { Surroundings } from "../command.ts";
import { CliError } from "../failure.ts";
import { fileInfo, readText } from "./files.ts";
import type { PkiHome } from "./home.ts";
import { findPassphrase } from "./passphrase.ts";

/** A CA that is there. */
export interface Ca {
  /** Its files. */
  readonly home: PkiHome;
  /** What every host trusts, as it stands in `ca-cert.pem`. */
  readonly anchorPem: string;
  /** The same, read. */
  readonly anchor: Certificate;
  /** What signs: the anchor, or the intermediate. */
  readonly signing: Certificate;
  /** The same as PEM. */
  readonly signingPem: string;
  /** The certificates between a leaf and the anchor: none, or the intermediate. */
  readonly between: readonly string[];
  /** The file of the key that signs. */
  readonly keyPath: string;
}

/** A CA that can sign. */
export interface CaSigner {
  /** The CA. */
  readonly ca: Ca;
  /** What `@helyos/pki` signs with. */
  readonly issuer: Issuer;
}

/** Which files of a CA there are. */
export type CaState =
  | { readonly state: "absent" }
  | { readonly state: "present"; readonly intermediate: boolean }
  | { readonly state: "partial"; readonly intermediate: boolean; readonly missing: readonly string[] };

/**
 * Looks which files of the CA there are; none is read.
 *
 * @param home The CA's files.
 * @returns Whether it is there, whole.
 * @throws {CliError} If that cannot be told.
 */
export async function caState(home: PkiHome): Promise<CaState> {
  const is = async (path: string) => await fileInfo(path) !== undefined;
  const [cert, key, rootKey, middleCert, middleKey] = await Promise.all(
    [home.caCert, home.caKey, home.rootKey, home.intermediateCert, home.intermediateKey].map(is),
  );
  const intermediate = Boolean(rootKey || middleCert || middleKey);
  if (!cert && !key && !intermediate) return { state: "absent" };
  // The root's own key may be away: that is what the intermediate is for.
  const wanted: [path: string, is: boolean | undefined][] = intermediate
    ? [[home.caCert, cert], [home.intermediateCert, middleCert], [home.intermediateKey, middleKey]]
    : [[home.caCert, cert], [home.caKey, key]];
  const missing = wanted.filter(([, present]) => !present).map(([path]) => path);
  return missing.length > 0 ? { state: "partial", intermediate, missing } : { state: "present", intermediate };
}

/**
 * Opens the CA without its key, which may be away: kept on a stick, it is needed for signing alone.
 *
 * @param home The CA's files.
 * @returns The CA.
 * @throws {CliError} If there is none, a certificate of it is missing, or cannot be read.
 */
export async function openCa(home: PkiHome): Promise<Ca> {
  const found = await caState(home);
  if (found.state === "absent") {
    throw new CliError(`there is no CA in ${home.ca}`, { code: "no_ca", hint: "Make one with: helyos certs init-ca" });
  }
  const keyPath = found.intermediate ? home.intermediateKey : home.caKey;
  if (found.state === "partial" && found.missing.some((path) => path !== keyPath)) {
    throw partialCa(home, found.missing);
  }
  const anchorPem = await textOf(home.caCert);
  const signingPath = found.intermediate ? home.intermediateCert : home.caCert;
  const signingPem = found.intermediate ? await textOf(signingPath) : anchorPem;
  return {
    home,
    anchorPem,
    anchor: readCertificate(anchorPem, home.caCert),
    signing: readCertificate(signingPem, signingPath),
    signingPem,
    between: found.intermediate ? [signingPem] : [],
    keyPath,
  };
}

/**
 * Opens the CA, or says that there is none: for lists, which work without.
 *
 * @param home The CA's files.
 * @returns The CA, or undefined.
 * @throws {CliError} If it is there and cannot be read.
 */
export async function openCaIfAny(home: PkiHome): Promise<Ca | undefined> {
  return (await caState(home)).state === "absent" ? undefined : await openCa(home);
}

/**
 * Opens the CA with its key, asking for the passphrase if the key has one.
 *
 * @param surroundings The invocation.
 * @param home The CA's files.
 * @param options Where the passphrase stands.
 * @returns What signs.
 * @throws {CliError} If there is no CA, or its key cannot be opened or is another's.
 */
export async function unlockCa(
  surroundings: Surroundings,
  home: PkiHome,
  options: { readonly passphraseFile?: string | undefined } = {},
): Promise<CaSigner> {
  const ca = await openCa(home);
  const keyPem = await readText(ca.keyPath);
  if (keyPem === undefined) throw partialCa(home, [ca.keyPath]);
  const passphrase = isEncrypted(keyPem)
    ? await findPassphrase(surroundings, { file: options.passphraseFile, of: "the CA's key" })
    : undefined;
  try {
    const key = await importPrivateKey(keyPem, passphrase === undefined ? {} : { passphrase });
    if (!await holdsKey(ca.signing, key.publicKey)) {
      throw new CliError(`${ca.keyPath} is not the key of the CA's certificate`, {
        code: "key_mismatch",
        hint: KEY_HINT,
      });
    }
    return { ca, issuer: { certificate: ca.signingPem, key } };
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new CliError(`cannot open the CA's key ${ca.keyPath}: ${cause.message}`, {
      code: cause.code,
      hint: passphrase === undefined ? KEY_HINT : undefined,
      cause,
    });
  }
}

/**
 * Whether the file of the key that signs is what it should be, as far as that can be told without its passphrase.
 *
 * @param ca The CA.
 * @returns What is wrong with it; undefined when nothing is.
 * @throws {CliError} If it cannot be read.
 */
export async function keyFault(ca: Ca): Promise<string | undefined> {
  const pem = await readText(ca.keyPath);
  if (pem === undefined) return `${ca.keyPath} is missing`;
  if (isEncrypted(pem)) return undefined;
  try {
    const { publicKey } = await importPrivateKey(pem);
    return await holdsKey(ca.signing, publicKey) ? undefined : `${ca.keyPath} is not the key of the CA's certificate`;
  } catch (error) {
    return `${ca.keyPath} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What to do about a key that is none. */
export const KEY_HINT = "Nothing was changed. Put the right file back, from your copy of the folder";

/**
 * Refuses to issue outside of the CA's own dates, before anything is begun.
 *
 * @param ca The CA.
 * @param now The time.
 * @throws {CliError} If it has expired, or is not valid yet.
 */
export function refuseExpired({ anchor, between, signing }: Ca, now: Date): void {
  const { notBefore, notAfter } = signing;
  if (notAfter <= now) {
    throw new CliError(`cannot issue anything: the CA expired at ${notAfter.toISOString()}`, {
      code: "ca_expired",
      hint: between.length > 0 && anchor.notAfter > now
        ? "Make a new intermediate with: helyos certs init-ca --root-key FILE"
        : "Remove the folder ca, make a new CA with: helyos certs init-ca, and issue and deploy everything again",
    });
  }
  if (notBefore > now) {
    throw new CliError(`cannot issue anything: the CA is valid from ${notBefore.toISOString()} only`, {
      code: "ca_not_yet_valid",
      hint: `Is the clock of this machine right? It says ${now.toISOString()}`,
    });
  }
}

/**
 * Says which half of a CA is missing.
 *
 * @param home The CA's files.
 * @param missing The files that are missing.
 * @returns The failure.
 */
export function partialCa(home: PkiHome, missing: readonly string[]): CliError {
  return new CliError(`the CA in ${home.ca} is not whole: ${missing.join(" and ")} missing`, {
    code: "partial_ca",
    hint:
      "Nothing was changed. Put the missing file back, or remove the folder to start a new CA and issue everything again",
  });
}

/**
 * Whether a key needs a passphrase.
 *
 * @param pem The key.
 * @returns Whether it is encrypted.
 */
export function isEncrypted(pem: string): boolean {
  return /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: *4,ENCRYPTED/.test(pem);
}

function readCertificate(pem: string, path: string): Certificate {
  try {
    return parseCertificate(pem);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`cannot read the CA's certificate ${path}: ${why}`, { code: "bad_ca", cause });
  }
}

async function textOf(path: string): Promise<string> {
  const text = await readText(path);
  if (text !== undefined) return text;
  throw new CliError(`cannot read ${path}: no such file or folder`, { code: "unreadable" });
}
