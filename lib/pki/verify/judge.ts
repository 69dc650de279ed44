/**
 * What can be said of a certificate by itself, whatever path it stands in.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";
import { ExtensionId, oidName, PurposeId, QualifierId } from "../oid.ts";
import { day, type Refusal, refusal } from "./result.ts";
import { judgeKey } from "./signature.ts";

/** What a certificate is to be used for. */
export type Purpose = "server" | "client" | "any";

/**
 * The extensions that are processed. Critical ones that only help to find things (key identifiers, access information)
 * are refused as unknown ones are: RFC 5280 forbids them, and nobody can say what their issuer meant.
 */
const PROCESSED: ReadonlySet<string> = new Set([
  ExtensionId.keyUsage,
  ExtensionId.basicConstraints,
  ExtensionId.subjectAltName,
  ExtensionId.nameConstraints,
  ExtensionId.certificatePolicies,
  ExtensionId.policyMappings,
  ExtensionId.policyConstraints,
  ExtensionId.inhibitAnyPolicy,
  ExtensionId.extendedKeyUsage,
  ExtensionId.crlDistributionPoints,
]);

const KNOWN_QUALIFIERS: ReadonlySet<string> = new Set(Object.values(QualifierId));

/** What a judgement depends on. */
export interface JudgeOptions {
  /** The instant, in milliseconds, at a whole second. */
  readonly at: number;
  /** The purpose. */
  readonly purpose: Purpose;
}

/** What goes for every certificate of a path, the anchor included. */
function commonFault(certificate: Certificate, { at, purpose }: JudgeOptions): Refusal | undefined {
  for (const { id, critical } of certificate.extensions) {
    if (!critical) continue;
    const known = PROCESSED.has(id) &&
      (id !== ExtensionId.certificatePolicies ||
        [...certificate.policyQualifiers ?? []].every((kind) => KNOWN_QUALIFIERS.has(kind)));
    if (!known) {
      const reason = `the critical extension ${oidName(id)} is not understood`;
      return refusal(certificate, "critical_extension", { section: "RFC 5280 §4.2", reason });
    }
  }
  if (at < certificate.notBefore.getTime()) {
    const reason = `it is not valid before ${day(certificate.notBefore)}`;
    return refusal(certificate, "validity", { section: "RFC 5280 §6.1.3(a)(2)", reason });
  }
  if (at > certificate.notAfter.getTime()) {
    const reason = `it has expired on ${day(certificate.notAfter)}`;
    return refusal(certificate, "validity", { section: "RFC 5280 §6.1.3(a)(2)", reason });
  }
  if (certificate.issuer.isEmpty) {
    const reason = "its issuer has no name";
    return refusal(certificate, "structure", { section: "RFC 5280 §4.1.2.4", reason });
  }
  const key = judgeKey(certificate.publicKey);
  if (key.kind === "refused") {
    return refusal(certificate, "key", { section: "RFC 5280 §4.1.2.7", reason: key.reason });
  }
  if (certificate.keyUsage?.has("keyCertSign") && !certificate.isCa) {
    const reason = "its key may sign certificates, and it is no CA's";
    return refusal(certificate, "structure", { section: "RFC 5280 §4.2.1.9", reason });
  }
  if (certificate.nameConstraints !== undefined && !certificate.isCa) {
    const reason = "it has name constraints, and it is no CA's";
    return refusal(certificate, "structure", { section: "RFC 5280 §4.2.1.10", reason });
  }
  return purposeFault(certificate, purpose);
}

/**
 * Holds the extended key usage against the purpose. CAs are held to theirs as well: RFC 5280 leaves open what it means
 * there, and everybody reads it as a limit on what they issue.
 */
function purposeFault(certificate: Certificate, purpose: Purpose): Refusal | undefined {
  const purposes = certificate.extendedKeyUsage;
  if (purpose === "any" || purposes === undefined || purposes.includes(PurposeId.any)) return undefined;
  if (purposes.includes(purpose === "server" ? PurposeId.serverAuth : PurposeId.clientAuth)) return undefined;
  const reason = `it serves ${purposes.map(oidName).join(", ")}, not to authenticate a ${purpose}`;
  return refusal(certificate, "extended_key_usage", { section: "RFC 5280 §4.2.1.12", reason });
}

/** RFC 5280 §4.1.2.2: users handle serials of up to 20 octets; a longer one was not made by a CA of this profile. */
function serialFault(certificate: Certificate): Refusal | undefined {
  if (certificate.serial.replace("-", "").length <= 40) return undefined;
  const reason = "its serial number is longer than 20 octets";
  return refusal(certificate, "structure", { section: "RFC 5280 §4.1.2.2", reason });
}

/**
 * Judges the last certificate of a path.
 * @param certificate The certificate.
 * @param options When, and for which purpose.
 * @returns What is wrong with it, or nothing.
 */
export function targetFault(certificate: Certificate, options: JudgeOptions): Refusal | undefined {
  const fault = commonFault(certificate, options) ?? serialFault(certificate);
  if (fault !== undefined) return fault;
  if (certificate.subject.isEmpty) {
    const san = certificate.extensions.find((extension) => extension.id === ExtensionId.subjectAltName);
    if (!san?.critical || certificate.isCa) {
      const reason = "it has no subject, and no critical subject alternative name instead";
      return refusal(certificate, "structure", { section: "RFC 5280 §4.1.2.6", reason });
    }
  }
  const usage = certificate.keyUsage;
  if (usage !== undefined && options.purpose !== "any") {
    // §4.2.1.12 names the usages that are consistent with each purpose.
    const fits = usage.has("digitalSignature") || usage.has("keyAgreement") ||
      (options.purpose === "server" && usage.has("keyEncipherment"));
    if (!fits) {
      const reason = `its key may be used for ${
        [...usage].join(", ") || "nothing"
      }, not to authenticate a ${options.purpose}`;
      return refusal(certificate, "key_usage", { section: "RFC 5280 §4.2.1.3", reason });
    }
  }
  return undefined;
}

/**
 * Judges a certificate as one that issued another.
 * @param certificate The certificate.
 * @param options When, for which purpose, and whether it is a trust anchor.
 * @returns What is wrong with it, or nothing.
 */
export function issuerFault(
  certificate: Certificate,
  options: JudgeOptions & { readonly anchor: boolean },
): Refusal | undefined {
  const fault = commonFault(certificate, options) ?? (options.anchor ? undefined : serialFault(certificate));
  if (fault !== undefined) return fault;
  if (certificate.subject.isEmpty) {
    const reason = "it is a CA's and has no subject";
    return refusal(certificate, "structure", { section: "RFC 5280 §4.1.2.6", reason });
  }
  // §6.1.4(k): of versions 1 and 2 it must be known otherwise, as it is of an anchor that was chosen.
  if (!certificate.isCa && !(options.anchor && certificate.version < 3)) {
    const reason = "it is not a CA's, and signed a certificate";
    return refusal(certificate, "basic_constraints", { section: "RFC 5280 §6.1.4(k)", reason });
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.has("keyCertSign")) {
    const reason = "its key may not sign certificates";
    return refusal(certificate, "key_usage", { section: "RFC 5280 §6.1.4(n)", reason });
  }
  return undefined;
}
