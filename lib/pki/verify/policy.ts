/**
 * Certificate policies (RFC 5280 §6.1), with the valid policy graph of RFC 9618 in place of the tree: a node per policy
 * and certificate, so that mappings cannot make it grow without bound.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";
import { ANY_POLICY } from "../oid.ts";

/** The inputs of RFC 5280 §6.1.1 (c) to (f). */
export interface PolicyInputs {
  /**
   * The policies that are acceptable, as object identifiers.
   * @default any policy
   */
  readonly initialPolicySet?: Iterable<string>;
  /**
   * Whether the path must be valid for one of them.
   * @default {false}
   */
  readonly requireExplicitPolicy?: boolean;
  /**
   * Whether mappings of policies count for nothing.
   * @default {false}
   */
  readonly inhibitPolicyMapping?: boolean;
  /**
   * Whether anyPolicy in a certificate counts for nothing.
   * @default {false}
   */
  readonly inhibitAnyPolicy?: boolean;
}

/** What is wrong with the policies of a path. */
export interface PolicyFault {
  /** The certificate at which it shows. */
  readonly certificate: Certificate;
  /** The section of RFC 5280 with the rule. */
  readonly section: string;
  /** What to tell people. */
  readonly reason: string;
}

interface Node {
  readonly policy: string;
  expected: ReadonlySet<string>;
  readonly parents: readonly Node[];
}

type Level = Map<string, Node>;

/**
 * Processes the policies of a path.
 * @param path The certificates, from the one the anchor issued to the last.
 * @param inputs What the caller asks for.
 * @returns What is wrong, or nothing.
 */
export function policyFault(path: readonly Certificate[], inputs: PolicyInputs): PolicyFault | undefined {
  const n = path.length;
  // §6.1.2 (a), (d) to (f).
  let level: Level | undefined = new Map([[ANY_POLICY, node(ANY_POLICY, [])]]);
  let explicit = inputs.requireExplicitPolicy ? 0 : n + 1;
  let mapping = inputs.inhibitPolicyMapping ? 0 : n + 1;
  let inhibitAny = inputs.inhibitAnyPolicy ? 0 : n + 1;

  for (const [i, certificate] of path.entries()) {
    const last = i === n - 1;
    const selfIssued = certificate.isSelfIssued;
    // §6.1.3 (d) and (e).
    level = level === undefined || certificate.policies === undefined
      ? undefined
      : nextLevel(level, certificate.policies, inhibitAny > 0 || (!last && selfIssued));
    // (f)
    if (explicit === 0 && level === undefined) {
      return { certificate, section: "6.1.3(f)", reason: "an explicit policy is required and none is valid" };
    }
    if (last) break;

    // §6.1.4 (a) and (b).
    const mappings = certificate.policyMappings ?? [];
    if (mappings.some((pair) => pair.issuerDomain === ANY_POLICY || pair.subjectDomain === ANY_POLICY)) {
      return { certificate, section: "6.1.4(a)", reason: "a policy is mapped to or from anyPolicy" };
    }
    if (level !== undefined && mappings.length > 0) level = mapped(level, mappings, mapping > 0);
    // (h)
    if (!selfIssued) {
      explicit = Math.max(explicit - 1, 0);
      mapping = Math.max(mapping - 1, 0);
      inhibitAny = Math.max(inhibitAny - 1, 0);
    }
    // (i) and (j)
    explicit = Math.min(explicit, certificate.policyConstraints?.requireExplicitPolicy ?? Infinity);
    mapping = Math.min(mapping, certificate.policyConstraints?.inhibitPolicyMapping ?? Infinity);
    inhibitAny = Math.min(inhibitAny, certificate.inhibitAnyPolicy ?? Infinity);
  }

  // §6.1.5 (a) and (b).
  const leaf = path[n - 1]!;
  explicit = Math.max(explicit - 1, 0);
  if (leaf.policyConstraints?.requireExplicitPolicy === 0) explicit = 0;
  // (g)
  if (explicit === 0 && !isAcceptable(level, new Set(inputs.initialPolicySet ?? [ANY_POLICY]))) {
    const reason = "an explicit policy is required and the path is valid for none that is acceptable";
    return { certificate: leaf, section: "6.1.5(g)", reason };
  }
  return undefined;
}

function node(policy: string, parents: readonly Node[]): Node {
  return { policy, expected: new Set([policy]), parents };
}

/** RFC 9618 §5.2, §6.1.3 (d): the nodes of a certificate, or nothing when there are none. */
function nextLevel(above: Level, policies: readonly string[], anyCounts: boolean): Level | undefined {
  const expecting = new Map<string, Node[]>();
  for (const parent of above.values()) {
    for (const policy of parent.expected) {
      const parents = expecting.get(policy);
      if (parents === undefined) expecting.set(policy, [parent]);
      else parents.push(parent);
    }
  }
  const any = above.get(ANY_POLICY);
  const level: Level = new Map();
  for (const policy of policies) {
    if (policy === ANY_POLICY) continue;
    // (1) (i), else (ii)
    const parents = expecting.get(policy) ?? (any === undefined ? undefined : [any]);
    if (parents !== undefined) level.set(policy, node(policy, parents));
  }
  // (2)
  if (anyCounts && policies.includes(ANY_POLICY)) {
    for (const [policy, parents] of expecting) if (!level.has(policy)) level.set(policy, node(policy, parents));
  }
  return level.size > 0 ? level : undefined;
}

/** RFC 9618 §5.3, §6.1.4 (b): what the next certificate is expected to say. */
function mapped(
  level: Level,
  mappings: readonly { issuerDomain: string; subjectDomain: string }[],
  counts: boolean,
): Level | undefined {
  const any = level.get(ANY_POLICY);
  for (const [policy, pairs] of Map.groupBy(mappings, (pair) => pair.issuerDomain)) {
    const own = level.get(policy);
    if (!counts) {
      level.delete(policy);
      continue;
    }
    const expected = new Set(pairs.map((pair) => pair.subjectDomain));
    if (own !== undefined) own.expected = expected;
    else if (any !== undefined) level.set(policy, { policy, expected, parents: any.parents });
  }
  return level.size > 0 ? level : undefined;
}

/** RFC 9618 §5.4, §6.1.5 (g): whether the authorities and the user have a policy in common. */
function isAcceptable(level: Level | undefined, acceptable: ReadonlySet<string>): boolean {
  if (level === undefined) return false;
  if (acceptable.has(ANY_POLICY)) return true;
  if (level.has(ANY_POLICY)) return acceptable.size > 0;
  const seen = new Set<Node>();
  const open = [...level.values()];
  for (let own = open.pop(); own !== undefined; own = open.pop()) {
    if (seen.has(own)) continue;
    seen.add(own);
    // A policy is one of the user's domain where nothing above it has been mapped.
    const top = own.parents.some((parent) => parent.policy === ANY_POLICY);
    if (top && own.policy !== ANY_POLICY && acceptable.has(own.policy)) return true;
    for (const parent of own.parents) open.push(parent);
  }
  return false;
}
