/**
 * Private keys as OpenSSL encrypted them before PKCS#8: PEM with the headers of RFC 1421 §4.6. Read, never written: one
 * round of MD5 stands between the passphrase and whoever holds the file.
 *
 * @module
 */
import { canOpen, type Cipher, CIPHERS, openCbc } from "./cbc.ts";
import { PkiError } from "./errors.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { type PemBlock, pemDecode } from "./pem.ts";

const BLOCK = new RegExp(
  "^-----BEGIN (EC|RSA) PRIVATE KEY-----\\r?\\nProc-Type: 4,ENCRYPTED\\r?\\nDEK-Info: ([A-Z0-9-]+),([0-9A-Fa-f]+)\\r?\\n\\r?\\n",
  "m",
);

/** The ciphers OpenSSL wrote, by the name in `DEK-Info`. */
const NAMES: Readonly<Record<string, Cipher>> = {
  "AES-128-CBC": CIPHERS.aes128,
  "AES-192-CBC": CIPHERS.aes192,
  "AES-256-CBC": CIPHERS.aes256,
  "DES-EDE3-CBC": CIPHERS.tripleDes,
};

/**
 * Opens a private key in the old encrypted form.
 *
 * @param pem The text.
 * @param passphrase The passphrase, if there is one.
 * @returns The private keys as if they had never been encrypted; nothing if the text is not of that form.
 * @throws {PkiError} `invalid_pem`, `unsupported_key`, `passphrase_required`, `wrong_passphrase`.
 */
export async function openLegacyPem(pem: string, passphrase: string | undefined): Promise<PemBlock[] | undefined> {
  const found = BLOCK.exec(pem);
  if (found === null) return undefined;
  const [headers, kind, name, hex] = found as unknown as [string, string, string, string];
  const label = `${kind} PRIVATE KEY`;
  const plain = pem.replace(headers, () => `-----BEGIN ${label}-----\n`);
  const blocks = pemDecode(plain).filter((block) => block.label.endsWith("PRIVATE KEY"));
  const cipher = Object.hasOwn(NAMES, name) ? NAMES[name]! : undefined;
  if (cipher === undefined || !canOpen(cipher)) {
    throw new PkiError("unsupported_key", `Cannot open the private key: cipher ${name}`);
  }
  if (hex.length !== cipher.block * 2) throw new PkiError("invalid_pem", "Cannot read PEM: DEK-Info is malformed");
  if (passphrase === undefined) {
    throw new PkiError("passphrase_required", "Cannot open the private key: it is encrypted, give its passphrase");
  }
  const iv = Uint8Array.fromHex(hex);
  const key = deriveKey(passphrase, iv.subarray(0, 8), cipher.key);
  return await Promise.all(blocks.map(async ({ label, der }) => {
    try {
      return { label, der: await openCbc(cipher, { octets: der, key, iv }) };
    } catch (cause) {
      throw new PkiError("wrong_passphrase", "Cannot open the private key: the passphrase is wrong", { cause });
    }
  }));
}

/** OpenSSL's EVP_BytesToKey with MD5 and one round. */
function deriveKey(passphrase: string, salt: Uint8Array, length: number): Uint8Array {
  const key = new Uint8Array(length);
  let digest = new Uint8Array(0);
  for (let at = 0; at < length; at += 16) {
    digest = new Uint8Array(nodeCrypto().createHash("md5").update(digest).update(passphrase).update(salt).digest());
    key.set(digest.subarray(0, Math.min(16, length - at)), at);
  }
  return key;
}
