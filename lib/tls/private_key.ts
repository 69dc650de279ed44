/** Reading a private key eagerly: the platform would take a bad one and fail late, without a word. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { TlsConfigError } from "./errors.ts";

const BLOCK = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----\r?\n[\s\S]*?-----END \1-----/g;

/**
 * Reads the one private key in a PEM text.
 *
 * @throws {TlsConfigError} `invalid_key`, `passphrase_required` or `bad_passphrase`.
 */
export function readPrivateKey(
  text: string,
  o: { readonly path: string; readonly passphrase: string | Uint8Array | undefined },
): KeyObject {
  const { path, passphrase } = o;
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.length !== 1) {
    const found = blocks.length === 0 ? "no PEM private key" : `${blocks.length} private keys`;
    throw new TlsConfigError("invalid_key", `Cannot use the key: "${path}" holds ${found}`, { path });
  }
  const [pem, label] = blocks[0]!;
  const isEncrypted = label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type:\s*4,ENCRYPTED/m.test(pem);
  if (isEncrypted && passphrase === undefined) {
    throw new TlsConfigError("passphrase_required", `Cannot use the key: "${path}" is encrypted; give keyPassword`, {
      path,
    });
  }
  try {
    // An empty passphrase must be tried as one; and the platform never gets to prompt for it.
    const key = isEncrypted
      ? createPrivateKey({ key: pem, passphrase: bytesOf(passphrase!) as unknown as string })
      : createPrivateKey(pem);
    return checkKind(key, path);
  } catch (cause) {
    if (cause instanceof TlsConfigError) throw cause;
    // A wrong passphrase and a damaged encrypted key cannot be told apart. The cause stays out: nothing may leak.
    throw isEncrypted
      ? new TlsConfigError("bad_passphrase", `Cannot decrypt the key "${path}" with the given passphrase`, { path })
      : new TlsConfigError("invalid_key", `Cannot read the key "${path}"`, { path });
  }
}

const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** What the platform's TLS can sign with; it would accept others and then fail every handshake. */
function checkKind(key: KeyObject, path: string): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const isUsable = type === "ed25519" || (type === "ec" && CURVES.has(details?.namedCurve ?? "")) ||
    (type === "rsa" && (details?.modulusLength ?? 0) >= 2048);
  if (isUsable) return key;
  const size = details?.namedCurve ?? details?.modulusLength;
  throw new TlsConfigError(
    "invalid_key",
    `Cannot use the key "${path}": ${type}${size === undefined ? "" : ` ${size}`} is not served; use EC P-256, ` +
      "P-384 or P-521, Ed25519, or RSA of at least 2048 bits",
    { path },
  );
}

function bytesOf(passphrase: string | Uint8Array): Uint8Array {
  return typeof passphrase === "string" ? new TextEncoder().encode(passphrase) : passphrase;
}
