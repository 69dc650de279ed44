/**
 * Problem documents: how an ACME server says no (RFC 8555 §6.7, RFC 7807).
 *
 * @module
 */
import { AcmeError, type AcmeErrorCode } from "./errors.ts";

/** A problem document. */
export interface Problem {
  /** The kind, without the `urn:ietf:params:acme:error:` in front; `about:blank` when the server named none. */
  readonly type: string;
  /** What the server says about it, for people; may be empty. */
  readonly detail: string;
  /** HTTP status. */
  readonly status: number;
  /** Problems of single names (RFC 8555 §6.7.1). */
  readonly subproblems: readonly { readonly type: string; readonly detail: string; readonly identifier?: string }[];
}

const PREFIX = "urn:ietf:params:acme:error:";

/**
 * Reads a problem document as a server sends it.
 *
 * @example
 * ```ts
 * import { readProblem } from "@helyos/acme";
 * import { equal } from "node:assert/strict";
 *
 * equal(readProblem({ type: "urn:ietf:params:acme:error:caa", detail: "not you" }, 403).type, "caa");
 * ```
 * @param json The parsed body, or anything else: what is missing stays empty.
 * @param status HTTP status of the answer.
 * @returns The problem.
 */
export function readProblem(json: unknown, status: number): Problem {
  const fields = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const text = (value: unknown) => typeof value === "string" ? value : "";
  const kind = (value: unknown) => text(value).replace(PREFIX, "") || "about:blank";
  const subproblems = Array.isArray(fields.subproblems) ? fields.subproblems : [];
  return {
    type: kind(fields.type),
    detail: text(fields.detail),
    status: typeof fields.status === "number" ? fields.status : status,
    subproblems: subproblems.map((one) => {
      const identifier = text(one?.identifier?.value);
      return { type: kind(one?.type), detail: text(one?.detail), ...(identifier ? { identifier } : {}) };
    }),
  };
}

const CODES: Readonly<Record<string, AcmeErrorCode>> = {
  rateLimited: "rate_limited",
  rejectedIdentifier: "identifier_rejected",
  unsupportedIdentifier: "identifier_rejected",
  unauthorized: "challenge_failed",
  incorrectResponse: "challenge_failed",
  connection: "challenge_failed",
  dns: "challenge_failed",
  tls: "challenge_failed",
  caa: "caa",
  accountDoesNotExist: "account",
  userActionRequired: "account",
  externalAccountRequired: "account",
  alreadyReplaced: "already_replaced",
  onionCAARequired: "caa",
  invalidProfile: "unsupported",
  orderNotReady: "order_lost",
  serverInternal: "unavailable",
  badNonce: "unavailable",
};

function codeOf({ type, status, subproblems }: Problem): AcmeErrorCode {
  if (status === 503) return "unavailable";
  if (status === 429) return "rate_limited";
  const known = CODES[type];
  if (known !== undefined) return known;
  // RFC 8555 §6.7.1: several names at once; the kind is told where all are of one.
  const kinds = new Set(subproblems.map((one) => CODES[one.type] ?? "refused"));
  if (type === "compound" && kinds.size === 1) return [...kinds][0]!;
  return status >= 500 ? "unavailable" : "refused";
}

/** The error a problem document becomes. */
export function problemError(what: string, problem: Problem, retryAt?: Date): AcmeError {
  const said = problem.detail || problem.type;
  const code = codeOf(problem);
  return new AcmeError(code, `${what}: ${said}`, { problem, ...(retryAt ? { retryAt } : {}) });
}

/**
 * Explains a problem in plain words, with what to do about it.
 *
 * @example
 * ```ts
 * import { explainProblem } from "@helyos/acme";
 * import { match } from "node:assert/strict";
 *
 * match(explainProblem({ type: "dns", detail: "NXDOMAIN", status: 400, subproblems: [] }), /DNS/);
 * ```
 * @param problem What the server said.
 * @returns One or two sentences.
 */
export function explainProblem(problem: Problem): string {
  const said = `${EXPLANATIONS[problem.type] ?? "The CA refused."} It said: ${problem.detail || problem.type}`;
  const names = problem.subproblems.map(({ type, detail, identifier }) => {
    const why = EXPLANATIONS[type] ?? "The CA refused.";
    return `${identifier ? `${identifier}: ` : ""}${why}${detail ? ` It said: ${detail}` : ""}`;
  });
  return [said, ...names].join("\n");
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  dns: "The CA could not look the name up in DNS. Check that the name exists and that its name servers answer.",
  connection: "The CA could not connect to the name's address. Check that port 80 is reachable from the internet.",
  unauthorized: "The CA reached a server that gave another answer. Check that the name's address is this machine.",
  incorrectResponse: "The CA got an answer that does not match. Check that nothing in between rewrites it.",
  tls: "The CA's TLS connection failed. Check that nothing in between ends TLS before this machine.",
  caa: "The name's CAA records forbid this CA. Add a record that names it, or use another CA.",
  onionCAARequired: "The CA wants the CAA records of this onion service with the order. Use another CA.",
  rateLimited: "The CA's rate limit is reached. Nothing to do but wait; the next attempt is scheduled.",
  rejectedIdentifier: "The CA will not issue for this name, whoever asks. Check its spelling.",
  unsupportedIdentifier: "The CA does not issue for this kind of name.",
  compound: "The CA refused for several reasons, one for each name.",
  accountDoesNotExist: "The CA does not know the account. A new one is made at the next attempt.",
  userActionRequired: "The CA's terms have changed and must be agreed to.",
  externalAccountRequired: "The CA wants an account that was made elsewhere: give its key id and HMAC key.",
  invalidContact: "The CA does not accept the contact address. Check its spelling; example.com is refused everywhere.",
  unsupportedContact: "The CA does not accept this kind of contact. Give an e-mail address.",
  invalidProfile: "The CA has no such certificate profile.",
  alreadyReplaced: "The certificate that this one was to replace has a successor already.",
  alreadyRevoked: "The certificate is revoked already. There is nothing left to do.",
  badRevocationReason: "The CA does not take this reason for a revocation. Give another or none.",
  orderNotReady: "The CA still waits for a name to be proven. A new order is placed at the next attempt.",
  serverInternal: "The CA failed. Try again later.",
  badNonce: "The CA refused every number used once that it gave out. Try again later.",
  badCSR: "The CA does not like the request, most often the kind of key.",
  badPublicKey: "The CA does not take this kind of key. Use EC P-256.",
  badSignatureAlgorithm: "The CA does not take signatures of this kind. Its server is too old for RFC 8555.",
  malformed: "The CA did not understand the request. Check that the directory is that of an ACME server.",
};
