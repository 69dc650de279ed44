/**
 * `verifyChain`: RFC 5280 §6, whole.
 *
 * @module
 */
import { type Certificate, ParsedCertificate } from "../certificate.ts";
import type { Crl } from "../crl.ts";
import { hexOf, sameBytes } from "../der.ts";
import { PkiError } from "../errors.ts";
import { matchesName, type ReferenceName, referenceOf } from "../matching.ts";
import { BudgetExceeded, Context, type Request } from "./context.ts";
import { type CertificateInput, type CrlInput, readCertificates, readCrls, type Unreadable } from "./input.ts";
import { type Purpose, targetFault } from "./judge.ts";
import type { PolicyInputs } from "./policy.ts";
import { type Refusal, refusal, type VerifyResult } from "./result.ts";
import { Revocation } from "./revocation.ts";
import { PathSearch } from "./search.ts";

/** Options for {@linkcode verifyChain}. */
export interface VerifyOptions {
  /**
   * The instant at which the path must be valid, to the second.
   * @default now
   */
  readonly at?: Date;
  /** A name the certificate must hold in its subject alternative name (RFC 9525). */
  readonly name?: ReferenceName;
  /**
   * What the certificate must serve for. `any` asks nothing.
   * @default {"any"}
   */
  readonly purpose?: Purpose;
  /** The revocation lists at hand; of any issuers, complete and delta, in any order. */
  readonly crls?: readonly CrlInput[];
  /**
   * `require`: for every certificate below the anchor, the lists must prove that it is not revoked. `if-present`:
   * a certificate about which there is no list passes; one whose lists prove nothing does not.
   * @default `require` when `crls` is given; without, nothing is asked
   */
  readonly revocation?: "require" | "if-present";
  /** Which certificate policies are acceptable. */
  readonly policies?: PolicyInputs;
  /**
   * How many certificates may stand between the certificate and the anchor; as in path lengths, those that a CA issued
   * to itself are not counted.
   * @default {100}
   */
  readonly maxDepth?: number;
}

/**
 * Finds a path from a certificate to a trust anchor that is valid by RFC 5280 §6.1, and by its CRLs §6.3.
 *
 * It refuses what it cannot judge, and says which certificate broke which rule. Work is bounded: a hostile heap of
 * certificates ends in a refusal with the rule `budget`, not in a hang. Anchors are certificates, and what they say
 * about themselves (dates, constraints, purposes) counts. Nothing is fetched.
 *
 * @example
 * ```ts
 * import { createRootCa, generateKeyPair, issueCertificate, verifyChain } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const ca = await createRootCa({ commonName: "Example CA", key });
 * const leaf = await issueCertificate({
 *   issuer: { certificate: ca.pem, key },
 *   profile: "server",
 *   publicKey: (await generateKeyPair()).publicKey,
 *   commonName: "db.internal",
 *   names: { dns: ["db.internal"] },
 * });
 *
 * const good = await verifyChain(leaf.pem, [], [ca.pem], { name: { dns: "db.internal" }, purpose: "server" });
 * equal(good.ok, true);
 *
 * const wrong = await verifyChain(leaf.pem, [], [ca.pem], { name: { dns: "mail.internal" } });
 * equal(wrong.ok ? "" : wrong.rule, "name");
 * ```
 * @param leaf The certificate, in DER or PEM. What follows it in PEM counts as intermediates.
 * @param intermediates Certificates that may help, in any order, also those of CRL signers.
 * @param roots The trust anchors.
 * @param options What to ask of the path.
 * @returns The path; or the certificate, the rule it broke, where that stands, and why. What cannot be read is refused.
 * @throws {TypeError} If an argument is of the wrong type.
 * @throws {RangeError} If `at` is no date, or `maxDepth` no count.
 */
export async function verifyChain(
  leaf: CertificateInput,
  intermediates: readonly CertificateInput[],
  roots: readonly CertificateInput[],
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const asked = checkOptions(options);
  const inputs = readInputs({ leaf, intermediates, roots, crls: options.crls ?? [] });
  if ("reason" in inputs) return refusal(undefined, inputs.rule, { section: inputs.section, reason: inputs.reason });

  const { target, pool, anchors, crls } = inputs;
  const broken = new Map<Certificate, Refusal>();
  for (const certificate of [target, ...pool]) {
    const fault = decodingFault(certificate);
    if (fault !== undefined) broken.set(certificate, fault);
  }
  const { name } = options;
  const { at, purpose } = asked;
  const fault = broken.get(target) ?? targetFault(target, { at, purpose });
  if (fault !== undefined) return fault;
  if (name !== undefined && !matchesName(target, name)) return nameRefusal(target, name);

  const context = new Context({ ...asked, crls }, { pool, anchors, broken });
  try {
    return await judgePaths(context, target);
  } catch (error) {
    if (!(error instanceof BudgetExceeded)) throw error;
    const reason = "too many certificates, names or constraints to find a path among them";
    return refusal(target, "budget", { section: "RFC 4158 §2.4.2", reason });
  } finally {
    await context.settle();
  }
}

async function judgePaths(context: Context, target: Certificate): Promise<VerifyResult> {
  const revocation = new Revocation(context);
  const accept = async (path: readonly Certificate[]): Promise<Refusal | undefined> =>
    context.policyFault(path, context.request.policies) ?? await revocation.fault(path);
  // An anchor is a name and a key (§6.1.1 (d)). What it has signed for itself is valid, and nobody above it is asked.
  if (
    context.anchors.has(target) && target.isSelfIssued && await context.signatureFault(target, target) === undefined
  ) {
    return await accept([target]) ?? { ok: true, path: [target] };
  }
  const path = await new PathSearch(context, context.anchors, accept).run(target);
  return Array.isArray(path) ? { ok: true, path } : path;
}

function nameRefusal(target: Certificate, name: ReferenceName): Refusal {
  const [kind, value] = referenceOf(name);
  const held = target.names.map((held) => `${held.kind} ${JSON.stringify(held.value)}`);
  const shown = held.length > 8 ? `${held.slice(0, 8).join(", ")} and ${held.length - 8} more` : held.join(", ");
  const reason = `it does not hold the ${kind} name ${JSON.stringify(value)} but ${shown || "no alternative name"}`;
  return refusal(target, "name", { section: "RFC 9525 §6", reason });
}

function decodingFault(certificate: Certificate): Refusal | undefined {
  if (!(certificate instanceof ParsedCertificate)) return undefined;
  try {
    certificate.decodeExtensions();
    return undefined;
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return refusal(certificate, "parse", { section: "RFC 5280 §4.2", reason: error.message });
  }
}

interface Inputs {
  readonly target: Certificate;
  readonly pool: readonly Certificate[];
  readonly anchors: ReadonlySet<Certificate>;
  readonly crls: readonly Crl[];
}

function readInputs(given: {
  readonly leaf: CertificateInput;
  readonly intermediates: readonly CertificateInput[];
  readonly roots: readonly CertificateInput[];
  readonly crls: readonly CrlInput[];
}): Inputs | (Unreadable & { rule: "parse" | "crl"; section: string }) {
  for (const [name, list] of [["intermediates", given.intermediates], ["roots", given.roots], ["crls", given.crls]]) {
    if (!Array.isArray(list)) throw new TypeError(`${name} must be an array`);
  }
  const parse = { rule: "parse", section: "RFC 5280 §4.1" } as const;
  // Certificates once each, the anchors first: one that is both is an anchor.
  const unique = new Map<string, Certificate>();
  const add = (certificate: Certificate): void => {
    const key = hexOf(certificate.signature.bytes);
    const same = unique.get(key);
    if (same === undefined) unique.set(key, certificate);
    else if (!sameBytes(same.der, certificate.der)) unique.set(`${key} ${hexOf(certificate.der)}`, certificate);
  };
  for (const input of given.roots) {
    const read = readCertificates(input, "A trust anchor");
    if ("reason" in read) return { ...parse, ...read };
    read.forEach(add);
  }
  const anchors = new Set(unique.values());
  const leaf = readCertificates(given.leaf, "The certificate");
  if ("reason" in leaf) return { ...parse, ...leaf };
  const others: Certificate[] = leaf.slice(1);
  for (const input of given.intermediates) {
    const read = readCertificates(input, "An intermediate certificate");
    if ("reason" in read) return { ...parse, ...read };
    for (const certificate of read) others.push(certificate);
  }
  others.forEach(add);
  const crls: Crl[] = [];
  for (const input of given.crls) {
    const read = readCrls(input);
    if ("reason" in read) return { rule: "crl", section: "RFC 5280 §5.1", ...read };
    for (const crl of read) crls.push(crl);
  }
  const pool = [...unique.values()];
  const [first] = leaf as [Certificate];
  const target = pool.find((certificate) => sameBytes(certificate.der, first.der)) ?? first;
  return { target, pool, anchors, crls };
}

function checkOptions(options: VerifyOptions): Omit<Request, "crls"> {
  if (typeof options !== "object" || options === null) throw new TypeError("The options must be an object");
  const { at = new Date(), purpose = "any", maxDepth = 100, policies = {}, revocation, crls, name } = options;
  if (!(at instanceof Date)) throw new TypeError("at must be a Date");
  if (Number.isNaN(at.getTime())) throw new RangeError("at is no valid date");
  if (!["server", "client", "any"].includes(purpose)) {
    throw new TypeError(`purpose must be "server", "client" or "any", not ${JSON.stringify(purpose)}`);
  }
  if (!Number.isInteger(maxDepth) || maxDepth < 0) throw new RangeError(`maxDepth must be a count, not ${maxDepth}`);
  if (revocation !== undefined && revocation !== "require" && revocation !== "if-present") {
    throw new TypeError(`revocation must be "require" or "if-present", not ${JSON.stringify(revocation)}`);
  }
  if (typeof policies !== "object" || policies === null) throw new TypeError("policies must be an object");
  const accepted = policies.initialPolicySet;
  const set = accepted === undefined ? undefined : [...accepted];
  if (typeof accepted === "string" || set?.some((policy) => !/^[0-2](\.\d+)+$/.test(policy))) {
    throw new TypeError("initialPolicySet must hold object identifiers in dotted decimal");
  }
  if (name !== undefined) referenceOf(name);
  return {
    // RFC 5280 §4.1.2.5: times are whole seconds; within one, it is that second.
    at: Math.floor(at.getTime() / 1000) * 1000,
    purpose,
    maxDepth,
    policies: { ...policies, ...(set === undefined ? {} : { initialPolicySet: set }) },
    revocation: revocation ?? (crls === undefined ? "off" : "require"),
  };
}
