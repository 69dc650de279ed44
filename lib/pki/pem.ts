/**
 * PEM as RFC 7468 has it: the strict form is written, and what is read may differ from it in line length and white space alone.
 *
 * @module
 */
import { PkiError } from "./errors.ts";

/** One block of a PEM text. */
export interface PemBlock {
  /** What the block says it holds, as in `CERTIFICATE`. */
  readonly label: string;
  /** The bytes inside. */
  readonly der: Uint8Array;
}

// RFC 7468 §3: printable characters but "-", in words joined by single spaces or hyphens.
const LABEL = /^[!-,.-~](?:[- ]?[!-,.-~])*$/;

function refuse(why: string): never {
  throw new PkiError("invalid_pem", `Cannot read PEM: ${why}`);
}

/**
 * Writes bytes as one PEM block, in lines of 64 characters (RFC 7468 §2).
 *
 * @example
 * ```ts
 * import { pemEncode } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * equal(pemEncode("X509 CRL", new Uint8Array(3)), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
 * ```
 * @param label What the bytes are, as in `CERTIFICATE`.
 * @param der The bytes.
 * @returns The block, with a final line feed.
 * @throws {SyntaxError} If `label` could not stand between the dashes.
 */
export function pemEncode(label: string, der: Uint8Array): string {
  if (!LABEL.test(label)) throw new SyntaxError(`Cannot write PEM: ${JSON.stringify(label)} is not a label`);
  const base64 = der.toBase64();
  let text = `-----BEGIN ${label}-----\n`;
  for (let at = 0; at < base64.length; at += 64) text += base64.slice(at, at + 64) + "\n";
  return `${text}-----END ${label}-----\n`;
}

/**
 * Reads every block of a PEM text.
 *
 * Lines outside blocks are explanatory text and are skipped, and inside one white space around lines and blank lines are
 * ignored, as editors and clipboards leave them (RFC 7468 §2). Otherwise nothing but canonical base64 is accepted there:
 * no headers, no missing padding.
 *
 * @example A bundle
 * ```ts
 * import { pemDecode, pemEncode } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const bundle = "# ours\n" + pemEncode("CERTIFICATE", new Uint8Array([1])) + pemEncode("CERTIFICATE", new Uint8Array([2]));
 * equal(pemDecode(bundle, "CERTIFICATE").length, 2);
 * ```
 * @param text The text.
 * @param label The only label that may occur; any, when left out.
 * @returns The blocks in order, at least one.
 * @throws {PkiError} `invalid_pem` if there is no block, one is malformed, or one has another label.
 */
export function pemDecode(text: string, label?: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: string | undefined;
  let base64 = "";
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (open === undefined) {
      if (!line.startsWith("-----")) continue;
      open = boundary(line, "BEGIN") ?? refuse(`${shown(line)} is no beginning of a block`);
      if (label !== undefined && open !== label) refuse(`expected ${label}, found ${open}`);
      base64 = "";
    } else if (line.startsWith("-----")) {
      if (boundary(line, "END") !== open) refuse(`a block that begins as ${open} ends as ${shown(line)}`);
      blocks.push({ label: open, der: decode(base64, open) });
      open = undefined;
    } else {
      if (line.includes(":")) refuse(`the ${open} block has headers (RFC 7468 §2 allows none)`);
      const digits = line.trim();
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) refuse(`the ${open} block holds ${shown(line)}, which is not base64`);
      base64 += digits;
    }
  }
  if (open !== undefined) refuse(`the ${open} block does not end`);
  if (blocks.length === 0) refuse(label === undefined ? "there is no block" : `there is no ${label} block`);
  return blocks;
}

function boundary(line: string, word: "BEGIN" | "END"): string | undefined {
  const label = new RegExp(`^-----${word} (.*)-----[ \\t]*$`).exec(line)?.[1];
  return label !== undefined && LABEL.test(label) ? label : undefined;
}

function decode(base64: string, label: string): Uint8Array {
  if (base64 === "") refuse(`the ${label} block is empty`);
  try {
    // RFC 4648 §3.5: padding must be there and the bits it leaves over must be zero.
    return Uint8Array.fromBase64(base64, { lastChunkHandling: "strict" });
  } catch (cause) {
    throw new PkiError("invalid_pem", `Cannot read PEM: the ${label} block is not canonical base64`, { cause });
  }
}

/** A line as an error may show it: never enough of it to give a key away. */
function shown(line: string): string {
  return JSON.stringify(line.length > 20 ? `${line.slice(0, 16)}…` : line);
}
