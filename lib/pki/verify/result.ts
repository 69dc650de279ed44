/**
 * What a verification says.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";

/**
 * The rule that a certificate broke. Stable: it may be matched on.
 *
 * - `parse` it cannot be read, or an extension in it cannot
 * - `structure` it is built in a way that RFC 5280 forbids
 * - `critical_extension` it has a critical extension that is not understood
 * - `validity` it is not valid at that time
 * - `key` its key is too weak, or of a kind that is not accepted
 * - `algorithm` it is signed with an algorithm that is not accepted
 * - `signature` its signature is wrong
 * - `issuer` nothing leads from it to a trust anchor
 * - `basic_constraints` it signed a certificate and is no CA's
 * - `path_length` more CAs follow it than it allows
 * - `depth` the path is longer than the caller allows
 * - `key_usage` its key may not be used like this
 * - `extended_key_usage` it does not serve this purpose
 * - `name_constraints` a CA above it does not allow its names
 * - `name` it does not hold the name that was asked for
 * - `policy` its policies are not acceptable
 * - `revoked` it is revoked
 * - `revocation` whether it is revoked cannot be told
 * - `crl` a CRL cannot be read or used
 * - `budget` finding out costs more work than it is worth
 */
export type Rule =
  | "parse"
  | "structure"
  | "critical_extension"
  | "validity"
  | "key"
  | "algorithm"
  | "signature"
  | "issuer"
  | "basic_constraints"
  | "path_length"
  | "depth"
  | "key_usage"
  | "extended_key_usage"
  | "name_constraints"
  | "name"
  | "policy"
  | "revoked"
  | "revocation"
  | "crl"
  | "budget";

/** Why a certificate is not accepted. */
export interface Refusal {
  /** Always `false`. */
  readonly ok: false;
  /** The certificate that is at fault; nothing, when it could not be read. */
  readonly certificate: Certificate | undefined;
  /** The rule it broke. */
  readonly rule: Rule;
  /** Where the rule stands, as in `RFC 5280 §6.1.3(a)(2)`. */
  readonly section: string;
  /** What to tell people. */
  readonly reason: string;
}

/** What {@linkcode verifyChain} found. */
export type VerifyResult =
  | {
    /** Always `true`. */
    readonly ok: true;
    /** The path: the certificate that was asked about first, the trust anchor last. */
    readonly path: readonly Certificate[];
  }
  | Refusal;

/** @internal Spells an instant, for messages. */
export function day(date: Date): string {
  return date.toISOString().replace(".000Z", "Z");
}

/** @internal Makes a refusal. */
export function refusal(
  certificate: Certificate | undefined,
  rule: Rule,
  { section, reason }: { readonly section: string; readonly reason: string },
): Refusal {
  return { ok: false, certificate, rule, section, reason: presentable(reason) };
}

/**
 * @internal Makes a message fit for people: what others have written into certificates may be endless, and may hold what
 * moves the cursor of a terminal or turns the direction of a text.
 */
export function presentable(message: string): string {
  const short = message.length > 1000 ? `${message.slice(0, 1000).toWellFormed()}…` : message;
  return short.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu,
    (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`,
  );
}
