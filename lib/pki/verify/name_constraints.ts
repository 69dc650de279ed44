/**
 * Name constraints (RFC 5280 §4.2.1.10): whether the names of a certificate lie where a CA above it allows.
 *
 * A constraint nobody can make sense of refuses every name of its kind, for the critical extension it stands in asks
 * to process or to refuse. Work is bounded: names times constraints, in a certificate and a CA.
 *
 * @module
 */
import type { Certificate } from "../certificate.ts";
import { DerReader, hexOf, stringOf, Tag } from "../der.ts";
import type { Name } from "../distinguished_name.ts";
import type { NameConstraints, Subtree } from "../extension.ts";
import type { GeneralName, GeneralNameKind } from "../general_name.ts";
import { addressOctets } from "../general_name.ts";
import { isHostName, mailboxOf, uriOf } from "../matching.ts";

/** How many comparisons a certificate may cost against one CA: OpenSSL's and BoringSSL's limit. */
const MAX_COMPARISONS = 1 << 20;

const EMAIL_ATTRIBUTE = "1.2.840.113549.1.9.1";
const SMTP_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9";

/** A name that is constrained, taken apart once. */
type Constrained =
  /** Labels from the top: `["com", "example"]`; for `*.example.com` those of `example.com`. */
  | { readonly kind: "dns"; readonly labels: readonly string[]; readonly wildcard: boolean }
  | { readonly kind: "email"; readonly local: string; readonly host: string }
  | { readonly kind: "uri"; readonly host: string }
  | { readonly kind: "ip"; readonly octets: Uint8Array }
  | { readonly kind: "directory"; readonly name: Name }
  /** A name that cannot be taken apart, or of a kind whose constraints nobody has defined. */
  | { readonly kind: "opaque"; readonly of: GeneralNameKind };

interface Shown {
  readonly kind: GeneralNameKind;
  readonly text: string;
  readonly parsed: Constrained;
}

const shownNames = new WeakMap<Certificate, readonly Shown[]>();
const compiledConstraints = new WeakMap<NameConstraints, Compiled>();

/** What is wrong with the names of a certificate. */
export interface NameViolation {
  /** `names` when a name lies outside, `budget` when there is too much to compare. */
  readonly rule: "names" | "budget";
  /** What to tell people. */
  readonly reason: string;
}

/**
 * Holds the names of a certificate against the constraints of a CA above it.
 * @param certificate The certificate.
 * @param constraints The constraints.
 * @returns What is wrong, or nothing.
 */
export function violatedConstraint(
  certificate: Certificate,
  constraints: NameConstraints,
): NameViolation | undefined {
  const names = constrainedNames(certificate);
  const count = constraints.permitted.length + constraints.excluded.length;
  if (names.length * count > MAX_COMPARISONS) {
    return { rule: "budget", reason: `${names.length} names under ${count} name constraints are too many to compare` };
  }
  let compiled = compiledConstraints.get(constraints);
  if (compiled === undefined) compiledConstraints.set(constraints, compiled = compile(constraints));
  for (const { kind, text, parsed } of names) {
    const own = compiled[kind];
    if (own === undefined) continue;
    if (own.unusable !== undefined) return { rule: "names", reason: own.unusable };
    if (parsed.kind === "opaque") {
      return { rule: "names", reason: `the ${kind} name "${text}" is constrained and cannot be judged` };
    }
    if (own.excluded.some((subtree) => subtree.overlaps(parsed))) {
      return { rule: "names", reason: `the ${kind} name "${text}" is excluded by a name constraint` };
    }
    if (own.permitted !== undefined && !own.permitted.some((subtree) => subtree.contains(parsed))) {
      return { rule: "names", reason: `the ${kind} name "${text}" is not permitted by the name constraints` };
    }
  }
  return undefined;
}

/** The names of the subject (RFC 5280 §6.1.3 (b) and (c)): its own, its alternative ones, addresses inside its own. */
function constrainedNames(certificate: Certificate): readonly Shown[] {
  let names = shownNames.get(certificate);
  if (names === undefined) shownNames.set(certificate, names = collectNames(certificate));
  return names;
}

function collectNames({ subject, names }: Certificate): Shown[] {
  const shown: Shown[] = names.map((name) => ({ kind: name.kind, text: name.value, parsed: takeApart(name) }));
  // RFC 9598 §6: what is said of mailboxes goes for international ones, which are names of another kind.
  for (const name of names) {
    if (name.type !== SMTP_UTF8_MAILBOX) continue;
    const text = utf8Of(name.bytes);
    shown.push({ kind: "email", text: text ?? name.value, parsed: emailOf(text ?? "") });
  }
  // An empty subject is no name.
  if (!subject.isEmpty) {
    shown.push({ kind: "directory", text: subject.toString(), parsed: { kind: "directory", name: subject } });
  }
  if (!names.some((name) => name.kind === "email")) {
    for (const text of subject.values(EMAIL_ATTRIBUTE)) shown.push({ kind: "email", text, parsed: emailOf(text) });
  }
  return shown;
}

function takeApart(name: GeneralName): Constrained {
  switch (name.kind) {
    case "dns": {
      const text = name.value.toLowerCase();
      const wildcard = text.startsWith("*.");
      const host = wildcard ? text.slice(2) : text;
      if (!isHostName(host)) return { kind: "opaque", of: "dns" };
      return { kind: "dns", labels: host.split(".").reverse(), wildcard };
    }
    case "email":
      return emailOf(name.value);
    case "uri": {
      // "…does not include an authority component with a host name specified as a fully qualified domain name": refuse.
      const host = uriOf(name.value)?.host;
      if (host === undefined || !isHostName(host) || addressOctets(host) !== undefined) {
        return { kind: "opaque", of: "uri" };
      }
      return { kind: "uri", host };
    }
    case "ip":
      return { kind: "ip", octets: name.bytes };
    case "directory":
      return { kind: "directory", name: name.directory! };
    default:
      return { kind: "opaque", of: name.kind };
  }
}

/** The UTF8String inside an `otherName`, or nothing when there is none. */
function utf8Of(otherName: Uint8Array): string | undefined {
  try {
    const inside = new DerReader(otherName);
    inside.next();
    return stringOf(new DerReader(inside.next().content).read(Tag.UTF8_STRING, "a mailbox"), "a mailbox");
  } catch {
    return undefined;
  }
}

function emailOf(text: string): Constrained {
  const mailbox = mailboxOf(text);
  return mailbox === undefined ? { kind: "opaque", of: "email" } : { kind: "email", ...mailbox };
}

/** A set of subtrees of one kind. */
interface Region {
  /** Whether the whole of a name lies inside. */
  contains(name: Constrained): boolean;
  /** Whether any of a name lies inside: a wildcard is many names. */
  overlaps(name: Constrained): boolean;
}

interface KindConstraints {
  /** What makes constraints of this kind impossible to process. */
  unusable?: string;
  /** Nothing when there are no permitted subtrees of this kind. */
  permitted?: Region[];
  excluded: Region[];
}

type Compiled = { [kind in GeneralNameKind]?: KindConstraints };

function compile(constraints: NameConstraints): Compiled {
  const compiled: Compiled = {};
  for (const side of ["permitted", "excluded"] as const) {
    const byKind = Map.groupBy(constraints[side], (subtree) => subtree.base.kind);
    for (const [kind, subtrees] of byKind) {
      const own: KindConstraints = compiled[kind] ??= { excluded: [] };
      const region = regionOf(kind, subtrees);
      if (typeof region === "string") own.unusable = region;
      else if (side === "excluded") own.excluded.push(region);
      else own.permitted = [region];
    }
  }
  return compiled;
}

function regionOf(kind: GeneralNameKind, subtrees: readonly Subtree[]): Region | string {
  if (subtrees.some((subtree) => subtree.bounded)) {
    return `a name constraint on ${kind} names has a minimum or maximum, which nobody processes`;
  }
  const bases = subtrees.map((subtree) => subtree.base);
  switch (kind) {
    case "dns":
      return dnsRegion(bases);
    case "email":
      return emailRegion(bases);
    case "uri":
      return uriRegion(bases);
    case "ip":
      return ipRegion(bases);
    case "directory":
      return directoryRegion(bases);
    default:
      return `a name constraint on ${kind} names cannot be processed`;
  }
}

function malformed(kind: GeneralNameKind, value: string): string {
  return `the name constraint "${value}" on ${kind} names is malformed`;
}

/** "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side". */
function dnsRegion(bases: readonly GeneralName[]): Region | string {
  const tops = new Set<string>();
  for (const { value } of bases) {
    const host = value.toLowerCase();
    // A leading dot means something for URIs and mailboxes alone; an asterisk, nowhere.
    if (host !== "" && !isHostName(host)) return malformed("dns", value);
    tops.add(host);
  }
  const covers = (labels: readonly string[]): boolean => {
    let host = "";
    if (tops.has(host)) return true;
    for (const label of labels) {
      host = host === "" ? label : `${label}.${host}`;
      if (tops.has(host)) return true;
    }
    return false;
  };
  /** The hosts one label below a top, by what they stand under: what a wildcard there could turn out to be. */
  const parents = new Set([...tops].filter((top) => top.includes(".")).map((top) => top.slice(top.indexOf(".") + 1)));
  return {
    contains: (name) => name.kind === "dns" && covers(name.labels),
    overlaps: (name) =>
      name.kind === "dns" &&
      (covers(name.labels) || (name.wildcard && parents.has(name.labels.toReversed().join(".")))),
  };
}

/** A mailbox, all mailboxes of a host, or with a leading dot those of every host below. */
function emailRegion(bases: readonly GeneralName[]): Region | string {
  const mailboxes = new Set<string>();
  const hosts: string[] = [];
  for (const { value } of bases) {
    if (value.includes("@")) {
      const mailbox = mailboxOf(value);
      if (mailbox === undefined) return malformed("email", value);
      mailboxes.add(`${mailbox.local}@${mailbox.host}`);
    } else {
      hosts.push(value);
    }
  }
  const region = hostRegion(hosts);
  if (region === undefined) return malformed("email", hosts.join(", "));
  const contains = (name: Constrained): boolean =>
    name.kind === "email" && (mailboxes.has(`${name.local}@${name.host}`) || region(name.host));
  return { contains, overlaps: contains };
}

/** A host, or with a leading dot every host below. */
function uriRegion(bases: readonly GeneralName[]): Region | string {
  const region = hostRegion(bases.map((base) => base.value));
  if (region === undefined) return malformed("uri", bases.map((base) => base.value).join(", "));
  const contains = (name: Constrained): boolean => name.kind === "uri" && region(name.host);
  return { contains, overlaps: contains };
}

function hostRegion(hosts: readonly string[]): ((host: string) => boolean) | undefined {
  const whole = new Set<string>();
  const below = new Set<string>();
  for (const value of hosts) {
    const host = value.toLowerCase();
    if (host === "") below.add("");
    else if (host.startsWith(".") && isHostName(host.slice(1))) below.add(host.slice(1));
    else if (isHostName(host)) whole.add(host);
    else return undefined;
  }
  return (host) => {
    if (whole.has(host) || below.has("")) return true;
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      if (below.has(host.slice(dot + 1))) return true;
    }
    return false;
  };
}

/** Addresses with a mask, as RFC 4632 writes them: the ones in front. */
function ipRegion(bases: readonly GeneralName[]): Region | string {
  /** The networks by their mask: there are few masks, however many networks. */
  const networks = new Map<string, { mask: Uint8Array; addresses: Set<string> }>();
  for (const { bytes, value } of bases) {
    const half = bytes.length / 2;
    const mask = bytes.subarray(half);
    if (!isPrefix(mask)) return malformed("ip", value);
    const key = hexOf(mask);
    let same = networks.get(key);
    if (same === undefined) networks.set(key, same = { mask, addresses: new Set() });
    same.addresses.add(masked(bytes.subarray(0, half), mask));
  }
  const contains = (name: Constrained): boolean =>
    name.kind === "ip" &&
    networks.values().some(({ mask, addresses }) =>
      mask.length === name.octets.length && addresses.has(masked(name.octets, mask))
    );
  return { contains, overlaps: contains };
}

function masked(address: Uint8Array, mask: Uint8Array): string {
  return hexOf(address.map((octet, i) => octet & mask[i]!));
}

function isPrefix(mask: Uint8Array): boolean {
  let ended = false;
  for (const octet of mask) {
    if (ended ? octet !== 0 : ![0, 0x80, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc, 0xfe, 0xff].includes(octet)) return false;
    ended ||= octet !== 0xff;
  }
  return true;
}

/** The parts of names, and whether a subtree begins where they have led. */
interface Branch {
  top: boolean;
  readonly below: Map<string, Branch>;
}

function directoryRegion(bases: readonly GeneralName[]): Region {
  const tree: Branch = { top: false, below: new Map() };
  for (const base of bases) {
    let at = tree;
    for (const part of base.directory!.partKeys) {
      let next = at.below.get(part);
      if (next === undefined) at.below.set(part, next = { top: false, below: new Map() });
      at = next;
    }
    at.top = true;
  }
  const contains = (name: Constrained): boolean => {
    if (name.kind !== "directory") return false;
    let at: Branch | undefined = tree;
    for (const part of name.name.partKeys) {
      if (at.top) return true;
      at = at.below.get(part);
      if (at === undefined) return false;
    }
    return at.top;
  };
  return { contains, overlaps: contains };
}
