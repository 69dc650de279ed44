/**
 * `verifyCrl`: whether a revocation list is one of a CA, and good for now.
 *
 * @module
 */
import { type Certificate, parseCertificate } from "../certificate.ts";
import { type Crl, parseCrl } from "../crl.ts";
import { PkiError } from "../errors.ts";
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
    readonly rule: "parse" | "issuer" | "key_usage" | "algorithm" | "signature" | "validity" | "critical_extension";
    /** Where the rule stands. */
    readonly section: string;
    /** What to tell people. */
    readonly reason: string;
  };

/**
 * Verifies one revocation list by itself: issuer, signature, the right to sign it, dates, critical extensions.
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
    if (error instanceof PkiError) return { ok: false, rule: "parse", section: "RFC 5280 §5.1", reason: error.message };
    throw error;
  }
  if (!list.issuer.equals(signer.subject)) {
    const reason = `it was issued by "${list.issuer}", not by "${signer.subject}"`;
    return { ok: false, rule: "issuer", section: "RFC 5280 §6.3.3(b)", reason };
  }
  if (signer.keyUsage !== undefined && !signer.keyUsage.has("cRLSign")) {
    const reason = `the key of "${signer.subject}" may not sign CRLs`;
    return { ok: false, rule: "key_usage", section: "RFC 5280 §6.3.3(f)", reason };
  }
  const { tbs: data, signatureAlgorithm: algorithm, signature } = list;
  const verdict = await verifySignature(signer.publicKey, { data, algorithm, signature });
  if (verdict !== "good") {
    const section = "RFC 5280 §6.3.3(g)";
    return verdict === "bad"
      ? { ok: false, rule: "signature", section, reason: `its signature is not one of "${signer.subject}"` }
      : { ok: false, rule: "algorithm", section, reason: verdict.unsupported };
  }
  if (list.unknownCritical.length > 0) {
    const reason = `it has critical extensions that are not understood: ${list.unknownCritical.join(", ")}`;
    return { ok: false, rule: "critical_extension", section: "RFC 5280 §5.2", reason };
  }
  const { thisUpdate, nextUpdate } = list;
  if (thisUpdate.getTime() > at || nextUpdate === undefined || nextUpdate.getTime() < at) {
    const reason = thisUpdate.getTime() > at
      ? `it was issued for ${thisUpdate.toISOString()}, which is yet to come`
      : `it is out of date since ${nextUpdate?.toISOString() ?? "it was issued: it names no next update"}`;
    return { ok: false, rule: "validity", section: "RFC 5280 §5.1.2.5", reason };
  }
  return { ok: true, crl: list };
}
