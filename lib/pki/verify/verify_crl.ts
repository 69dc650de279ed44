/**
 * `verifyCrl`: whether a revocation list is one of a CA, and good for now.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "../certificate.ts";
import { type Crl, parseCrl } from "../crl.ts";
import { PkiError } from "../errors.ts";
import { day, presentable } from "./result.ts";
import { verifySignature } from "./signature.ts";

/** What {@linkcode verifyCrl} found. */
export type CrlResult =
  | {
    /** Always `true`. */
    readonly ok: true;
    /** The list. */
    readonly crl: Crl;
  }
  | {
    /** Always `false`. */
    readonly ok: false;
    /** The rule that is broken. */
    readonly rule:
      | "parse"
      | "issuer"
      | "key_usage"
      | "algorithm"
      | "signature"
      | "structure"
      | "validity"
      | "critical_extension";
    /** Where the rule stands. */
    readonly section: string;
    /** What to tell people. */
    readonly reason: string;
  };

/**
 * Verifies one revocation list by itself: issuer, signature, the right to sign it, dates, number, critical extensions.
 *
 * It does not ask whether the issuer can be trusted, nor what the list says of a certificate: `verifyChain` does both.
 *
 * @example
 * ```ts
 * import { createCrl, createRootCa, generateKeyPair, verifyCrl } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem: certificate } = await createRootCa({ commonName: "Example CA", key });
 * const nextUpdate = new Date(Date.now() + 86_400_000);
 * const crl = await createCrl({ issuer: { certificate, key }, number: 1, revoked: [], nextUpdate });
 *
 * equal((await verifyCrl(crl.pem, certificate)).ok, true);
 * ```
 * @param crl The list, in DER or PEM, or read before.
 * @param issuer The certificate of the CA that signed it.
 * @param options When: `at`, by default now.
 * @returns The list; or the rule that is broken, where that stands, and why. What cannot be read is refused.
 * @throws {TypeError} If an argument is of the wrong type.
 * @throws {RangeError} If `at` is no date.
 */
export async function verifyCrl(
  crl: string | Uint8Array | Crl,
  issuer: string | Uint8Array | Certificate,
  options: { readonly at?: Date } = {},
): Promise<CrlResult> {
  const at = Math.floor((options.at ?? new Date()).getTime() / 1000) * 1000;
  if (Number.isNaN(at)) throw new RangeError("at is no valid date");
  let list: Crl;
  let signer: Certificate;
  try {
    list = typeof crl === "string" || crl instanceof Uint8Array ? parseCrl(crl) : crl;
    signer = typeof issuer === "string" || issuer instanceof Uint8Array ? parseCertificate(issuer) : issuer;
  } catch (error) {
    if (error instanceof PkiError) return refused("parse", "RFC 5280 §5.1", error.message);
    throw error;
  }
  if (!list.issuer.equals(signer.subject)) {
    return refused("issuer", "RFC 5280 §6.3.3(b)", `it was issued by "${list.issuer}", not by "${signer.subject}"`);
  }
  if (signer.keyUsage !== undefined && !signer.keyUsage.has("cRLSign")) {
    return refused("key_usage", "RFC 5280 §6.3.3(f)", `the key of "${signer.subject}" may not sign CRLs`);
  }
  const { tbs: data, signatureAlgorithm: algorithm, signature } = list;
  const verdict = await verifySignature(signer.publicKey, { data, algorithm, signature });
  if (verdict !== "good") {
    const section = "RFC 5280 §6.3.3(g)";
    return verdict === "bad"
      ? refused("signature", section, `its signature is not one of "${signer.subject}"`)
      : refused("algorithm", section, verdict.unsupported);
  }
  const fault = crlFault(list, at);
  return fault === undefined ? { ok: true, crl: list } : refused(fault.rule, fault.section, fault.reason);
}

type CrlRefusal = Extract<CrlResult, { ok: false }>;

function refused(rule: CrlRefusal["rule"], section: string, reason: string): CrlRefusal {
  return { ok: false, rule, section, reason: presentable(reason) };
}

/**
 * Judges a revocation list by itself: whether it may be used at all, and now.
 * @internal
 * @param crl The list.
 * @param at The instant, in milliseconds, at a whole second.
 * @returns What is wrong with it, or nothing.
 */
export function crlFault(
  crl: Crl,
  at: number,
): { rule: "critical_extension" | "structure" | "validity"; section: string; reason: string } | undefined {
  if (crl.unknownCritical.length > 0) {
    const reason = `it has critical extensions that are not understood: ${crl.unknownCritical.join(", ")}`;
    return { rule: "critical_extension", section: "RFC 5280 §5.2", reason };
  }
  // A list without any extension has nowhere to put its number, and §5 asks to process those as well.
  if (crl.number === undefined && crl.extensions.length > 0) {
    return { rule: "structure", section: "RFC 5280 §5.2.3", reason: "it has no number" };
  }
  const section = "RFC 5280 §5.1.2.5";
  if (crl.thisUpdate.getTime() > at) {
    const reason = `it was issued for ${day(crl.thisUpdate)}, which is yet to come`;
    return { rule: "validity", section: "RFC 5280 §5.1.2.4", reason };
  }
  // CAs MUST say when the next comes; of a list that does not, nobody can tell how old is too old.
  if (crl.nextUpdate === undefined) return { rule: "validity", section, reason: "it does not say when the next comes" };
  if (crl.nextUpdate.getTime() >= at) return undefined;
  return { rule: "validity", section, reason: `it is out of date since ${day(crl.nextUpdate)}` };
}
