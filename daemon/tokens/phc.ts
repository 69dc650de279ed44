/**
 * Argon2id hashes as text: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`, base64 without padding (the PHC string format).
 *
 * @module
 */

/** What a hash was made with, and the hash. */
export interface Argon2Hash {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** What new hashes are made with: the defaults of the original (OWASP's second choice for Argon2id). */
export const PARAMETERS: { readonly memory: number; readonly passes: number; readonly lanes: number } = {
  memory: 19456,
  passes: 2,
  lanes: 1,
};

/** Above these a row of the database would be a way to stop the daemon. */
const MAX = { memory: 262_144, passes: 16, lanes: 16 };

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;

/** Reads a hash; undefined for text that is none, or would cost too much to check. */
export function parsePhc(text: string): Argon2Hash | undefined {
  const match = PHC.exec(text);
  if (match === null) return undefined;
  const [memory, passes, lanes] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (passes < 1 || lanes < 1 || memory < 8 * lanes) return undefined; // RFC 9106 §3.1
  if (memory > MAX.memory || passes > MAX.passes || lanes > MAX.lanes) return undefined;
  const [salt, hash] = [fromBase64(match[4]!), fromBase64(match[5]!)];
  if (salt === undefined || hash === undefined) return undefined;
  return { memory, passes, lanes, salt, hash };
}

/** Writes a hash. */
export function formatPhc({ memory, passes, lanes, salt, hash }: Argon2Hash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${toBase64(salt)}$${toBase64(hash)}`;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined; // a length that base64 cannot have
  }
}
