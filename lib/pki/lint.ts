/**
 * What is wrong with the way a certificate is built: by RFC 5280, and by our own profiles.
 *
 * @module
 */
import { type Certificate, ParsedCertificate } from "./certificate.ts";
import { DerReader, Tag } from "./der.ts";
import { PkiError } from "./errors.ts";
import type { Extension, KeyUsage } from "./extension.ts";
import { lintExtensions } from "./lint_extension.ts";
import { lintNames } from "./lint_name.ts";
import { ANY_POLICY, ExtensionId, oidName, PurposeId } from "./oid.ts";
import { pemDecode } from "./pem.ts";
import { type ProfileName, PROFILES, ROOT } from "./profile.ts";
import { readPublicKey } from "./public_key.ts";
import { judgeKey, type KeyJudgement } from "./verify/signature.ts";

/** One thing that is wrong. */
export interface LintFinding {
  /** Stable, to match on. */
  readonly code: string;
  /** `error` for what a standard forbids, `warning` for what it advises against. */
  readonly severity: "error" | "warning";
  /** Where the rule stands, as in `RFC 5280 §4.1.2.2`. */
  readonly section: string;
  /** What to tell people. */
  readonly message: string;
}

/** Options for {@linkcode lint}. */
export interface LintOptions {
  /** One of our profiles to hold the certificate against as well. */
  readonly profile?: ProfileName | "root";
}

/** @internal Says that something is wrong. */
export type Report = (code: string, section: string, message: string) => void;

/** @internal What every rule looks at, and how it speaks. */
export interface Linting {
  readonly certificate: ParsedCertificate;
  readonly error: Report;
  readonly warn: Report;
  /** Finds an extension. */
  has(id: string): Extension | undefined;
}

/**
 * Names what breaks RFC 5280 in a certificate, and the RFCs it rests on, each with its section; and what breaks a profile of ours, when
 * asked. What zlint names by an RFC, this names, too; the rules of browsers' root programs are not looked at.
 *
 * It is about how a certificate is built, not about whether it can be trusted.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, lint } from "@helyos/pki";
 * import { deepEqual } from "node:assert/strict";
 *
 * const ca = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * deepEqual(lint(ca.pem, { profile: "root" }), []);
 * ```
 * @param input DER, or PEM text with exactly one certificate.
 * @param options A profile to hold it against.
 * @returns What is wrong, errors first; nothing, when nothing is.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_certificate` if not even its structure can be read.
 * @throws {TypeError} If the profile does not exist.
 */
export function lint(input: string | Uint8Array | Certificate, options: LintOptions = {}): LintFinding[] {
  const certificate = new ParsedCertificate(derOf(input));
  const findings: LintFinding[] = [];
  const report = (severity: LintFinding["severity"]): Report => (code, section, message) =>
    findings.push({ code, severity, section, message });
  const linting: Linting = {
    certificate,
    error: report("error"),
    warn: report("warning"),
    has: (id) => certificate.extensions.find((extension) => extension.id === id),
  };
  lintEncoding(linting);
  const ids = certificate.extensions.map((extension) => extension.id);
  for (const [id, same] of Map.groupBy(ids, (id) => id)) {
    if (same.length === 1) continue;
    linting.error("duplicate_extension", "RFC 5280 §4.2", `the extension ${oidName(id)} occurs twice`);
  }
  // Which of two counts, nobody can say: nothing more is to be learned.
  if (findings.some((finding) => finding.code === "duplicate_extension")) return findings;
  try {
    certificate.decodeExtensions();
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    linting.error("unreadable_extension", "RFC 5280 §4.2", error.message);
    return findings;
  }
  lintFields(linting);
  lintCritical(linting);
  lintAuthority(linting);
  lintPurposes(linting);
  lintNames(linting);
  lintExtensions(linting);
  if (options.profile !== undefined) lintProfile(linting, options.profile);
  return findings.sort((a, b) => (a.severity < b.severity ? -1 : a.severity > b.severity ? 1 : 0));
}

function derOf(input: string | Uint8Array | Certificate): Uint8Array {
  if (input instanceof Uint8Array) return input;
  if (typeof input !== "string") return input.der;
  const blocks = pemDecode(input, "CERTIFICATE");
  if (blocks.length !== 1) {
    throw new PkiError("invalid_pem", `Cannot lint one certificate: the text holds ${blocks.length}`);
  }
  return blocks[0]!.der;
}

/** How it is spelled: what the reader lets pass and DER does not. */
function lintEncoding({ certificate, error }: Linting): void {
  const tbs = new DerReader(certificate.tbs).enter(Tag.SEQUENCE, "tbsCertificate");
  const version = tbs.optional(0xa0, "version");
  if (version !== undefined && certificate.version === 1) {
    error("default_encoded", "X.690 §11.5", "version 1 is the default and is spelled out");
  }
  for (let i = 0; i < 3; i++) tbs.next();
  const validity = tbs.enter(Tag.SEQUENCE, "validity");
  for (const [field, date] of [["notBefore", certificate.notBefore], ["notAfter", certificate.notAfter]] as const) {
    const generalized = validity.next(field).tag === Tag.GENERALIZED_TIME;
    if (generalized !== date.getUTCFullYear() >= 2050) {
      error("time_form", "RFC 5280 §4.1.2.5", `${field} must be UTCTime through 2049 and GeneralizedTime from 2050`);
    }
  }
  tbs.next();
  tbs.next();
  if (tbs.peek() === 0x81 || tbs.peek() === 0x82) {
    error("unique_id", "RFC 5280 §4.1.2.8", "unique identifiers must not be used");
  }
  while (tbs.peek() !== 0xa3 && !tbs.done) tbs.next();
  if (tbs.done) return;
  const list = tbs.enter(0xa3, "extensions").enter(Tag.SEQUENCE, "extensions");
  while (!list.done) {
    const one = list.enter(Tag.SEQUENCE, "extension");
    one.next();
    if (one.peek() === Tag.BOOLEAN && one.next().content[0] === 0) {
      error("default_encoded", "X.690 §11.5", "an extension spells out that it is not critical, which is the default");
    }
  }
}

const isPss = (id: string) => oidName(id) === "rsassaPss";

/** Keys that are too weak, and numbers that are no sound key at all. */
function lintKey({ certificate, error }: Linting): void {
  const judgement = judgeKey(certificate.publicKey);
  if (judgement.kind === "refused") return error("weak_key", "NIST SP 800-57", judgement.reason);
  const { id, parameters } = certificate.publicKey.algorithm;
  if (oidName(id) === "rsaEncryption" && parameters === undefined) {
    error("key_parameters", "RFC 3279 §2.3.1", "the parameters of an RSA key must be NULL");
  }
  try {
    readPublicKey(certificate.spki);
  } catch (cause) {
    // Kinds of keys that only others use are none of our business here.
    if (!(cause instanceof PkiError) || cause.code !== "invalid_key") return;
    error("weak_key", "NIST SP 800-89", cause.message);
  }
}

function lintFields(linting: Linting): void {
  const { certificate, error, warn } = linting;
  const { serial, notBefore, notAfter, version, signatureAlgorithm } = certificate;
  if (serial.startsWith("-") || /^0+$/.test(serial)) {
    error("serial_not_positive", "RFC 5280 §4.1.2.2", `the serial number ${serial} is not positive`);
  }
  const octets = serial.replace("-", "").length / 2 + (parseInt(serial.slice(0, 2), 16) >= 0x80 ? 1 : 0);
  if (octets > 20) {
    error("serial_too_long", "RFC 5280 §4.1.2.2", `the serial number has ${octets} octets, 20 are the most`);
  }
  if (octets < 8) {
    warn("serial_guessable", "CA/Browser Forum BR §7.1", "the serial number has fewer than 64 random bits");
  }
  if (notAfter < notBefore) error("validity_empty", "RFC 5280 §4.1.2.5", "it ends before it begins");
  if (version !== 3) {
    warn("version", "RFC 5280 §4.1.2.1", `it is of version ${version}, which can say nothing about its use`);
  }
  lintKey(linting);
  const { id, parameters } = signatureAlgorithm;
  const isRsa = /^(md5|sha\d+)WithRSA/.test(oidName(id));
  if (isRsa ? parameters === undefined || parameters[0] !== Tag.NULL : !isPss(id) && parameters !== undefined) {
    error(
      "signature_parameters",
      "RFC 3279 §2.2",
      `the parameters of ${oidName(id)} must be ${isRsa ? "NULL" : "absent"}`,
    );
  }
  if (/md5|sha1/i.test(oidName(signatureAlgorithm.id))) {
    error("weak_signature", "RFC 9155", `it is signed with ${oidName(signatureAlgorithm.id)}`);
  }
}

/** Whether extensions are critical that must be, and only those. */
function lintCritical({ error, warn, has }: Linting): void {
  const must = [
    [ExtensionId.nameConstraints, "4.2.1.10"],
    [ExtensionId.policyConstraints, "4.2.1.11"],
    [ExtensionId.inhibitAnyPolicy, "4.2.1.14"],
  ] as const;
  for (const [id, section] of must) {
    if (has(id)?.critical === false) error("not_critical", `RFC 5280 §${section}`, `${oidName(id)} must be critical`);
  }
  const mustNot = [
    [ExtensionId.authorityKeyIdentifier, "4.2.1.1"],
    [ExtensionId.subjectKeyIdentifier, "4.2.1.2"],
    [ExtensionId.subjectDirectoryAttributes, "4.2.1.8"],
    [ExtensionId.freshestCrl, "4.2.1.15"],
    [ExtensionId.authorityInfoAccess, "4.2.2.1"],
    [ExtensionId.subjectInfoAccess, "4.2.2.2"],
  ] as const;
  for (const [id, section] of mustNot) {
    if (has(id)?.critical) error("critical", `RFC 5280 §${section}`, `${oidName(id)} must not be critical`);
  }
  if (has(ExtensionId.keyUsage)?.critical === false) {
    warn("not_critical", "RFC 5280 §4.2.1.3", "keyUsage should be critical");
  }
  if (has(ExtensionId.policyMappings)?.critical === false) {
    warn("not_critical", "RFC 5280 §4.2.1.5", "policyMappings should be critical");
  }
  for (const id of [ExtensionId.issuerAltName, ExtensionId.crlDistributionPoints]) {
    if (has(id)?.critical) warn("critical", "RFC 5280 §4.2.1", `${oidName(id)} should not be critical`);
  }
}

const ONLY_FOR_CA = [
  ExtensionId.nameConstraints,
  ExtensionId.policyMappings,
  ExtensionId.policyConstraints,
  ExtensionId.inhibitAnyPolicy,
];

/** What a CA's certificate must hold, and no other may. */
function lintAuthority({ certificate, error, warn, has }: Linting): void {
  const { isCa, keyUsage, basicConstraints, isSelfIssued, authorityKeyIdentifier } = certificate;
  const signs = keyUsage?.has("keyCertSign") ?? false;
  if (isCa) {
    if (has(ExtensionId.basicConstraints)?.critical === false) {
      error("not_critical", "RFC 5280 §4.2.1.9", "basicConstraints of a CA must be critical");
    }
    if (keyUsage === undefined) error("ca_key_usage", "RFC 5280 §4.2.1.3", "a CA must have keyUsage");
    else if (!signs) warn("ca_key_usage", "RFC 5280 §4.2.1.3", "the key of a CA may not sign certificates");
    if (certificate.subjectKeyIdentifier === undefined) {
      error("no_subject_key_identifier", "RFC 5280 §4.2.1.2", "a CA must name its key");
    }
    if (certificate.subject.isEmpty) error("no_subject", "RFC 5280 §4.1.2.6", "a CA must have a subject");
  } else {
    if (signs) error("key_cert_sign", "RFC 5280 §4.2.1.9", "its key may sign certificates, and it is no CA's");
    for (const id of ONLY_FOR_CA) {
      if (has(id)) error("only_for_ca", "RFC 5280 §4.2.1", `${oidName(id)} stands in a certificate that is no CA's`);
    }
  }
  if (basicConstraints?.pathLength !== undefined && !(isCa && (signs || keyUsage === undefined))) {
    error("path_length", "RFC 5280 §4.2.1.9", "it limits a path that its key cannot sign");
  }
  if (certificate.issuer.isEmpty) error("no_issuer", "RFC 5280 §4.1.2.4", "its issuer has no name");
  if (!isCa && certificate.version === 3 && certificate.subjectKeyIdentifier === undefined) {
    warn("no_subject_key_identifier", "RFC 5280 §4.2.1.2", "it should name its key");
  }
  if (authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfIssued) {
    error("no_authority_key_identifier", "RFC 5280 §4.2.1.1", "it does not name the key of its issuer");
  }
  if (authorityKeyIdentifier !== undefined) {
    if ((authorityKeyIdentifier.issuer === undefined) !== (authorityKeyIdentifier.serial === undefined)) {
      error("authority_key_identifier", "RFC 5280 §4.2.1.1", "issuer and serial must both be there, or neither");
    }
  }
  const mapped = certificate.policyMappings ?? [];
  if (mapped.some((pair) => pair.issuerDomain === ANY_POLICY || pair.subjectDomain === ANY_POLICY)) {
    error("any_policy_mapped", "RFC 5280 §4.2.1.5", "a policy is mapped to or from anyPolicy");
  }
  const policies = new Set(certificate.policies);
  if (mapped.some((pair) => !policies.has(pair.issuerDomain))) {
    warn("mapped_policy_missing", "RFC 5280 §4.2.1.5", "a policy is mapped that it was not issued under");
  }
}

/** The usages that go with a purpose (RFC 5280 §4.2.1.12). */
const FITTING: Readonly<Record<string, readonly string[]>> = {
  [PurposeId.serverAuth]: ["digitalSignature", "keyEncipherment", "keyAgreement"],
  [PurposeId.clientAuth]: ["digitalSignature", "keyAgreement"],
  [PurposeId.codeSigning]: ["digitalSignature"],
  [PurposeId.emailProtection]: ["digitalSignature", "nonRepudiation", "keyEncipherment", "keyAgreement"],
  [PurposeId.timeStamping]: ["digitalSignature", "nonRepudiation"],
  [PurposeId.ocspSigning]: ["digitalSignature", "nonRepudiation"],
};

/** What keys of a kind cannot be used for, and where that is said. */
const CANNOT: Readonly<Record<KeyJudgement["kind"], readonly [section: string, usages: readonly KeyUsage[]]>> = {
  rsa: ["RFC 3279 §2.3.1", ["keyAgreement"]],
  ec: ["RFC 8813 §3", ["keyEncipherment", "dataEncipherment"]],
  ed25519: ["RFC 9295 §3", ["keyEncipherment", "dataEncipherment", "keyAgreement"]],
  ed448: ["RFC 9295 §3", ["keyEncipherment", "dataEncipherment", "keyAgreement"]],
  agreement: ["RFC 9295 §3", [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyCertSign",
  ]],
  refused: ["", []],
};

function lintPurposes({ certificate, error, warn, has }: Linting): void {
  const { keyUsage, extendedKeyUsage, isCa, publicKey } = certificate;
  if (keyUsage?.size === 0) error("key_usage_empty", "RFC 5280 §4.2.1.3", "its key may be used for nothing");
  const agrees = keyUsage?.has("keyAgreement") ?? false;
  if (!agrees && (keyUsage?.has("encipherOnly") || keyUsage?.has("decipherOnly"))) {
    warn("key_usage", "RFC 5280 §4.2.1.3", "encipherOnly and decipherOnly mean nothing without keyAgreement");
  }
  const [section, cannot] = CANNOT[judgeKey(publicKey).kind];
  for (const usage of cannot) {
    if (keyUsage?.has(usage)) error("key_usage", section, `a key of its kind cannot be used for ${usage}`);
  }
  if (extendedKeyUsage === undefined) return;
  if (extendedKeyUsage.includes(PurposeId.any) && has(ExtensionId.extendedKeyUsage)?.critical) {
    warn("critical", "RFC 5280 §4.2.1.12", "extendedKeyUsage should not be critical with anyExtendedKeyUsage in it");
  }
  if (new Set(extendedKeyUsage).size < extendedKeyUsage.length) {
    warn("purpose_twice", "RFC 5280 §4.2.1.12", "a purpose occurs twice");
  }
  if (keyUsage === undefined || isCa) return;
  for (const purpose of extendedKeyUsage) {
    const fitting = Object.hasOwn(FITTING, purpose) ? FITTING[purpose]! : undefined;
    if (fitting !== undefined && !fitting.some((usage) => keyUsage.has(usage as never))) {
      error("inconsistent_usage", "RFC 5280 §4.2.1.12", `its keyUsage rules out ${oidName(purpose)}`);
    }
  }
}

function lintProfile({ certificate, error, warn, has }: Linting, name: ProfileName | "root"): void {
  if (name !== "root" && !Object.hasOwn(PROFILES, name)) {
    throw new TypeError(`There is no profile ${JSON.stringify(name)}`);
  }
  const profile = name === "root" ? ROOT : PROFILES[name];
  const section = `profile ${name}`;
  if (certificate.isCa !== profile.ca) {
    error("profile_ca", section, profile.ca ? "it must be a CA's" : "it must not be a CA's");
  }
  if (certificate.version !== 3) error("profile_version", section, "it must be of version 3");
  else if (!has(ExtensionId.basicConstraints)?.critical) {
    error("profile_basic_constraints", section, "it must say whether it is a CA's, and that must be critical");
  }
  if (certificate.subject.commonName === undefined) error("profile_subject", section, "it must have a common name");
  if (has(ExtensionId.extendedKeyUsage)?.critical) {
    warn("profile_purpose", section, "its purposes need not be critical");
  }
  if (certificate.authorityKeyIdentifier?.serial !== undefined) {
    warn("profile_authority", section, "it need not name the certificate of its issuer: a renewed one does not fit");
  }
  if (name === "root" && !certificate.isSelfIssued) error("profile_root", section, "it must be issued by itself");
  for (const usage of profile.keyUsage) {
    if (!certificate.keyUsage?.has(usage)) error("profile_key_usage", section, `its key must be usable for ${usage}`);
  }
  for (const usage of certificate.keyUsage ?? []) {
    if (!profile.keyUsage.includes(usage) && !profile.rsaKeyUsage.includes(usage)) {
      warn("profile_key_usage", section, `its key need not be usable for ${usage}`);
    }
  }
  for (const purpose of profile.purposes) {
    if (!certificate.extendedKeyUsage?.includes(purpose)) {
      error("profile_purpose", section, `it must serve ${oidName(purpose)}`);
    }
  }
  for (const purpose of certificate.extendedKeyUsage ?? []) {
    if (!profile.purposes.includes(purpose)) warn("profile_purpose", section, `it need not serve ${oidName(purpose)}`);
  }
  if (profile.namesRequired && certificate.names.length === 0) {
    error("profile_names", section, "it must hold a subject alternative name: common names are not looked at");
  }
  if (!profile.wildcard && certificate.names.some(({ kind, value }) => kind === "dns" && value.startsWith("*."))) {
    error("profile_wildcard", section, "it must not hold a wildcard");
  }
}
