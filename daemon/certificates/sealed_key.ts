/**
 * Private keys as records hold them: PKCS#8 PEM, sealed under the record's name, in base64.
 *
 * @module
 */
import { importPrivateKey, type KeyPair } from "@helyos/pki";
import { type Sealer, SecretError } from "../secrets/mod.ts";

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
