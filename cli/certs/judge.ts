/**
 * Judging the pairs on the disk: do they belong together, does the CA stand behind them, are they for the names of the registry.
 *
 * @module
 */
import { type Certificate, matchesName, verifyChain } from "@helyos/pki";
import { isIP } from "node:net";
import type { Ca } from "./ca.ts";
import type { LeafNames } from "./issue.ts";
import { isIssuedBy } from "./list.ts";
import { pairFault, type StoredPair } from "./store.ts";

/** What is wrong with a certificate. */
export interface Fault {
  /** The rule it broke, stable: one of `@helyos/pki`, or `pair` for halves that do not belong together. */
  readonly rule: string;
  /** Where the rule stands. */
  readonly section?: string;
  /** What to tell people. */
  readonly reason: string;
}

/** By what to judge. */
export interface Judges {
  /** The CA. */
  readonly ca: Ca;
  /** Its revocation lists, PEM. */
  readonly crls: readonly string[];
  /** The time. */
  readonly now: Date;
}

/**
 * Judges a pair.
 *
 * @param pair The pair.
 * @param judges By what.
 * @param names The names it must hold, if they are known.
 * @returns What is wrong with it; undefined when nothing is.
 */
export async function judgePair(pair: StoredPair, judges: Judges, names?: LeafNames): Promise<Fault | undefined> {
  const reason = await pairFault(pair);
  if (reason !== undefined) return { rule: "pair", reason };
  // A new CA has the name of the old one: all that verifying could say is that the signature is wrong.
  if (!isIssuedBy(pair.certificate!, judges.ca)) {
    return { rule: "issuer", section: "RFC 5280 §6.1.3", reason: "another CA issued it: issue and deploy it again" };
  }
  const fault = await judgeCertificate(pair.certPem!, judges, pair.type);
  if (fault !== undefined || names === undefined) return fault;
  const missing = missingNames(pair, names);
  if (missing.length === 0) return undefined;
  return {
    rule: "name",
    section: "RFC 9525 §6",
    reason: `it does not hold ${missing.join(", ")}, as the registry has it`,
  };
}

/**
 * Judges a certificate by itself.
 *
 * @param certificates The certificate, with what stands between it and the CA behind it; PEM, or read before.
 * @param judges By what.
 * @param purpose What it must serve for.
 * @returns What is wrong with it; undefined when nothing is.
 */
export async function judgeCertificate(
  certificates: string | readonly Certificate[],
  { ca, crls, now }: Judges,
  purpose: "client" | "server" | "any",
): Promise<Fault | undefined> {
  const [leaf, between] = typeof certificates === "string"
    ? [certificates, ca.between]
    : [certificates[0]!, [...certificates.slice(1), ...ca.between]];
  const result = await verifyChain(leaf, between, [ca.anchorPem], {
    at: now,
    purpose,
    ...(crls.length === 0 ? {} : { crls, revocation: "if-present" }),
  });
  if (result.ok) return undefined;
  return { rule: result.rule, section: result.section, reason: result.reason };
}

/**
 * Names a certificate should hold and does not.
 *
 * @param pair The pair.
 * @param wanted The names.
 * @returns Those that are missing.
 */
export function missingNames(pair: StoredPair, { names }: LeafNames): string[] {
  const { certificate } = pair;
  if (certificate === undefined) return [];
  return [...names.dns, ...names.ip].filter((name) => {
    try {
      return !matchesName(certificate, isIP(name) === 0 ? { dns: name } : { ip: name });
    } catch {
      return true; // The registry holds what is no name: no certificate can hold it.
    }
  });
}
