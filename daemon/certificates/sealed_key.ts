/**
 * Private keys as records hold them: PKCS#8 PEM, sealed under the record's name, in base64; and the record of a certificate with one.
 *
 * @module
 */
import { importPrivateKey, type KeyPair } from "@helyos/pki";
import { type Sealer, SecretError } from "../secrets/mod.ts";
import type { JudgedCertificate } from "./judge.ts";
import { certificateKey, type StoredCertificate } from "./records.ts";

/** Opens a sealed key; undefined when it does not open, as after master.key was replaced: then another key is to be made. */
export async function unseal(sealer: Sealer, name: string, sealedKey: string): Promise<KeyPair | undefined> {
  let clear: Uint8Array;
  try {
    clear = await sealer.open(name, Uint8Array.fromBase64(sealedKey));
  } catch (error) {
    if (error instanceof SecretError && error.code === "sealed_invalid") return undefined;
    throw error;
  }
  return await importPrivateKey(new TextDecoder().decode(clear));
}

/** Seals a PEM under a record's name. */
export async function seal(sealer: Sealer, name: string, pem: string): Promise<string> {
  return (await sealer.seal(name, new TextEncoder().encode(pem))).toBase64();
}

/** The record of a certificate that was judged, its key sealed. */
export async function sealCertificate(
  sealer: Sealer,
  judged: JudgedCertificate,
  origin: Pick<StoredCertificate, "domain" | "source" | "directory" | "account"> & { readonly now: Date },
): Promise<StoredCertificate> {
  const { now, ...rest } = origin;
  const { names, chainPem, issuer, fingerprint, notBefore, notAfter } = judged;
  return {
    ...rest,
    names,
    chainPem,
    sealedKey: await seal(sealer, certificateKey(origin.domain), judged.keyPem),
    issuer,
    fingerprint,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    storedAt: now.toISOString(),
  };
}
