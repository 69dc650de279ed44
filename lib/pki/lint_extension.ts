/**
 * What is wrong inside the extensions of a certificate.
 *
 * @module
 */
import { bitStringOf, booleanOf, DerReader, readWhole, stringOf, Tag } from "./der.ts";
import { certificatePoliciesOf, type DistributionPoint, type Subtree } from "./extension.ts";
import { logPromisesOf, tlsFeaturesOf } from "./inspect_extension.ts";
import type { Linting } from "./lint.ts";
import { isHost } from "./lint_name.ts";
import { isHostName, mailboxOf } from "./matching.ts";
import { ANY_POLICY, ExtensionId, oidName, QualifierId } from "./oid.ts";
import { PkiError } from "./errors.ts";

/** @internal Rules about what extensions hold. */
export function lintExtensions(linting: Linting): void {
  lintSpelling(linting);
  lintPolicies(linting);
  const { certificate, warn, error, has } = linting;
  const { permitted = [], excluded = [] } = certificate.nameConstraints ?? {};
  for (const subtree of [...permitted, ...excluded]) lintSubtree(subtree, linting);
  const points = [...certificate.crlDistributionPoints ?? [], ...certificate.freshestCrl ?? []];
  for (const point of points) lintPoint(point, linting);
  const places = (certificate.authorityInfoAccess ?? []).filter(({ method }) => oidName(method) === "caIssuers");
  if (places.length > 0 && !places.some(({ location }) => location.kind === "uri")) {
    warn("access_location", "RFC 5280 §4.2.2.1", "it says where its issuer is found, and no URI");
  }
  try {
    if (has(ExtensionId.signedCertificateTimestamps) && logPromisesOf(certificate).length === 0) {
      error("log_promises", "RFC 6962 §3.3", "its list of log promises is empty");
    }
    tlsFeaturesOf(certificate);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    error("unreadable_extension", "RFC 5280 §4.2", cause.message);
  }
}

/** What the reader lets pass and DER does not. */
function lintSpelling({ error, has }: Linting): void {
  const usage = has(ExtensionId.keyUsage)?.value;
  if (usage !== undefined) {
    const { bytes, unusedBits } = bitStringOf(new DerReader(usage).next(), "keyUsage");
    const last = bytes.at(-1);
    // X.690 §11.2.2: a list of named bits ends with one that is set.
    if (last !== undefined && ((last >> unusedBits) & 1) === 0) {
      error("key_usage_encoding", "X.690 §11.2.2", "keyUsage ends with bits that are not set");
    }
    if (bytes.length * 8 - unusedBits > 9) {
      error("key_usage_encoding", "RFC 5280 §4.2.1.3", "keyUsage has more than nine bits");
    }
  }
  const constraints = has(ExtensionId.basicConstraints)?.value;
  const ca = constraints && readWhole(constraints, Tag.SEQUENCE, "basicConstraints").optional(Tag.BOOLEAN, "cA");
  if (ca && !booleanOf(ca, "cA")) {
    error("default_encoded", "X.690 §11.5", "basicConstraints spell out that it is no CA's, which is the default");
  }
}

const NOT_CONSTRAINED: readonly string[] = ["x400", "edi", "registered"];

function lintSubtree({ base: { kind, value }, bounded }: Subtree, { error, warn }: Linting): void {
  const section = "RFC 5280 §4.2.1.10";
  if (bounded) error("subtree_bounds", section, "a name constraint has a minimum or a maximum");
  if (NOT_CONSTRAINED.includes(kind)) warn("subtree_kind", section, `a name constraint is about names of kind ${kind}`);
  const host = value.toLowerCase();
  const domain = host.startsWith(".") ? host.slice(1) : host;
  const sound = kind === "dns"
    ? host === "" || isHostName(domain)
    : kind === "uri"
    ? isHostName(domain)
    : kind === "email"
    ? host === "" || isHostName(domain) || mailboxOf(value) !== undefined
    : true;
  if (!sound) error("subtree_name", section, `the name constraint ${JSON.stringify(value)} stands for no names`);
  if (kind === "dns" && host.startsWith(".")) {
    warn(
      "subtree_name",
      section,
      `the name constraint ${JSON.stringify(value)} begins with a dot, which readers differ about`,
    );
  }
}

function lintPoint({ name, crlIssuer }: DistributionPoint, { error, warn }: Linting): void {
  const section = "RFC 5280 §4.2.1.13";
  if (name === undefined && crlIssuer === undefined) {
    error("distribution_point", section, "a distribution point says neither where its list is nor who signs it");
  }
  if (name?.full !== undefined && !name.full.some(({ kind, value }) => kind === "uri" && isFetched(value))) {
    warn("distribution_point", section, "a distribution point names no place of HTTP or LDAP");
  }
}

function isFetched(uri: string): boolean {
  const [, host] = /^(?:https?|ldaps?):\/\/([^/?#:]*|\[[^\]]*\])(?::\d*)?(?:[/?#]|$)/i.exec(uri) ?? [];
  return host !== undefined && (host === "" || isHost(host.toLowerCase()));
}

function lintPolicies(linting: Linting): void {
  const { error, has } = linting;
  const extension = has(ExtensionId.certificatePolicies);
  if (extension === undefined) return;
  const known: readonly string[] = Object.values(QualifierId);
  for (const { id, qualifiers } of certificatePoliciesOf(extension.value)) {
    for (const { kind, value } of qualifiers) {
      if (id === ANY_POLICY && !known.includes(kind)) {
        error("policy_qualifier", "RFC 5280 §4.2.1.4", "anyPolicy has a qualifier that does not go with it");
      }
      if (kind === QualifierId.notice && value.tag === Tag.SEQUENCE) lintNotice(DerReader.inside(value), linting);
    }
  }
}

/** RFC 6818 §3: what a notice is written as. */
function lintNotice(notice: DerReader, { error, warn }: Linting): void {
  const section = "RFC 6818 §3";
  if (notice.optional(Tag.SEQUENCE, "a reference to a notice")) {
    warn("policy_notice", "RFC 5280 §4.2.1.4", "a policy refers to a notice, which nobody looks up");
  }
  if (notice.done) return;
  const text = notice.next("a notice");
  if (text.tag === Tag.IA5_STRING) error("policy_notice", section, "the notice of a policy must not be an IA5String");
  else if (text.tag !== Tag.UTF8_STRING) {
    warn("policy_notice", section, "the notice of a policy should be a UTF8String");
  }
  try {
    const shown = stringOf(text, "a notice");
    if ([...shown].length > 200) error("policy_notice", section, "the notice of a policy has more than 200 characters");
    if (/\p{Cc}/u.test(shown) || shown !== shown.normalize("NFC")) {
      warn("policy_notice", section, "the notice of a policy holds control characters, or is not in form C");
    }
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    error("policy_notice", section, cause.message);
  }
}
