/**
 * CAA records: whether they let a CA issue, and how to change that. Pure.
 *
 * @module
 */
import type { DoctorFinding } from "@helyos/api";

/** A CAA record (RFC 8659 §4.1). */
export interface CaaRecord {
  /** A CA that does not know such a tag must not issue. */
  readonly critical?: boolean;
  readonly tag: string;
  readonly value: string;
}

/** Who wants to issue, and how. */
export interface CaaQuestion {
  /** Where the records are: the domain, or the closest name above it that has any. */
  readonly name: string;
  readonly wildcard: boolean;
  /** What the CA is called in such records; empty when it does not say. */
  readonly identities: readonly string[];
  /** How the name is proven, such as `http-01`. */
  readonly method: string;
  /** Address of the account that orders; undefined before there is one. */
  readonly account: string | undefined;
}

/** Tags that say nothing about who may issue for websites, so that no CA stumbles over them. */
const OTHER_TAGS = ["iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/** Judges the records of one name, of which there is at least one. */
export function judgeCaa(records: readonly CaaRecord[], question: CaaQuestion): DoctorFinding {
  const { name, wildcard, identities } = question;
  const of = (tag: string) => records.filter((record) => record.tag.toLowerCase() === tag);
  const strange = records.find(({ critical, tag }) =>
    critical && !["issue", "issuewild", ...OTHER_TAGS].includes(tag.toLowerCase())
  );
  if (strange !== undefined) {
    return problem(`CAA at ${name} has a critical record ${strange.tag}, which CAs refuse to go by. Remove it.`);
  }
  const tag = wildcard && of("issuewild").length > 0 ? "issuewild" : "issue";
  const relevant = of(tag).map(({ value }) => readIssuer(value));
  if (relevant.length === 0) return ok(`The CAA records at ${name} do not limit who may issue.`);
  const allowed = relevant.map(({ issuer }) => issuer === "" ? "nobody" : issuer).join(", ");
  if (identities.length === 0) {
    return { ...ok(`CAA at ${name} allows ${allowed}; the CA does not say what it is called.`), result: "warning" };
  }
  const ours = relevant.filter(({ issuer }) => identities.includes(issuer));
  if (ours.length === 0) {
    return problem(`CAA at ${name} allows ${allowed} alone. Add: ${name}. CAA 0 ${tag} "${identities[0]}"`);
  }
  const reasons = ours.map((one) => whyNot(one, question));
  return reasons.includes(undefined)
    ? ok(`CAA at ${name} allows the CA (${allowed}).`)
    : problem(`CAA at ${name} allows the CA, but ${reasons[0]}.`);
}

interface Issuer {
  /** Domain name of the CA, lower-case; empty for nobody. */
  readonly issuer: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** RFC 8659 §4.2: a name, then parameters, each behind a semicolon. */
function readIssuer(value: string): Issuer {
  const [issuer = "", ...rest] = value.split(";").map((part) => part.trim());
  const parameters = rest.filter((part) => part.includes("=")).map((part): [string, string] => {
    const at = part.indexOf("=");
    return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
  });
  return { issuer: issuer.toLowerCase(), parameters: new Map(parameters) };
}

/** RFC 8657: a record may hold for certain accounts and ways of proof alone. */
function whyNot({ issuer, parameters }: Issuer, { method, account }: CaaQuestion): string | undefined {
  const methods = parameters.get("validationmethods")?.split(",").map((one) => one.trim().toLowerCase());
  if (methods !== undefined && !methods.includes(method)) {
    return `only by ${methods.join(", ")}, and this name is proven by ${method}. Add ${method} to validationmethods`;
  }
  const uri = parameters.get("accounturi");
  if (uri !== undefined && account !== undefined && uri !== account) {
    return `only for the account ${uri}. Add: issue "${issuer}; accounturi=${account}"`;
  }
  return undefined;
}

function ok(detail: string): DoctorFinding {
  return { check: "caa", result: "ok", detail };
}

function problem(detail: string): DoctorFinding {
  return { check: "caa", result: "problem", detail };
}
