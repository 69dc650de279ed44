/**
 * Names that an issuer may not speak for are refused before they are signed, not when they are used.
 *
 * @module
 */
import type { NameConstraints, Subtree } from "./extension.ts";
import { PkiError } from "./errors.ts";
import type { JudgedName } from "./subject.ts";

/**
 * Holds names against the constraints of the CA that is to sign them (RFC 5280 §4.2.1.10): hosts and addresses, the kinds
 * that {@linkcode PermittedNames} can limit. What else a foreign CA is limited to, `verifyChain` tells.
 *
 * @param names The names.
 * @param constraints What the CA is limited to, if it is.
 * @throws {PkiError} `name_not_permitted` for the first name that lies outside.
 */
export function refuseOutside(names: readonly JudgedName[], constraints: NameConstraints | undefined): void {
  if (constraints === undefined) return;
  for (const name of names) {
    const permitted = constraints.permitted.filter(({ base }) => base.kind === name.kind);
    const within = permitted.length === 0 || permitted.some((subtree) => covers(subtree, name));
    const excluded = constraints.excluded.some((subtree) => subtree.base.kind === name.kind && touches(subtree, name));
    if (!within || excluded) {
      throw new PkiError("name_not_permitted", `Cannot sign "${name.value}": the CA may not speak for that name`);
    }
  }
}

/**
 * Adds the common name to the names that are held against constraints where some verifiers (OpenSSL is one) do so: when there
 * is no host name beside it and it looks like one. They would refuse the chain later.
 *
 * @param names The names.
 * @param commonName The common name.
 * @returns The names to hold against constraints.
 */
export function withCommonName(names: readonly JudgedName[], commonName: string): readonly JudgedName[] {
  // An IPv4 address looks like a host to them, too.
  const looksLikeHost = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(commonName);
  if (!looksLikeHost || names.some(({ kind }) => kind === "dns")) return names;
  return [...names, { kind: "dns", value: commonName, bytes: new Uint8Array(0) }];
}

function covers({ base }: Subtree, name: JudgedName): boolean {
  switch (name.kind) {
    case "dns":
      return isBelow(name.value.replace(/^\*\./, ""), base.value);
    case "ip":
      return holds(base.bytes, name.bytes);
    default:
      return true;
  }
}

/** A wildcard may stand for names below an excluded one, too. */
function touches(subtree: Subtree, name: JudgedName): boolean {
  if (name.kind !== "dns" && name.kind !== "ip") return false;
  const wildcard = name.kind === "dns" && name.value.startsWith("*.");
  return covers(subtree, name) || (wildcard && isBelow(subtree.base.value, name.value.slice(2)));
}

function isBelow(host: string, base: string): boolean {
  const top = base.toLowerCase();
  const name = host.toLowerCase();
  return top === "" || name === top || name.endsWith(top.startsWith(".") ? top : `.${top}`);
}

function holds(block: Uint8Array, address: Uint8Array): boolean {
  const half = block.length / 2;
  return half === address.length && address.every((octet, i) => ((octet ^ block[i]!) & block[half + i]!) === 0);
}
