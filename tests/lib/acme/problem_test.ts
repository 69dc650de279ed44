import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { explainProblem, readProblem } from "@helyos/acme";
import { problemError } from "../../../lib/acme/problem.ts";
import { readRetryAfter } from "../../../lib/acme/transport.ts";

/** Every type of RFC 8555 §6.7, RFC 9773 §7.4, RFC 9799 and the profiles draft, and the code it becomes. */
const TYPES = {
  accountDoesNotExist: "account",
  alreadyReplaced: "already_replaced",
  alreadyRevoked: "refused",
  badCSR: "refused",
  badNonce: "unavailable",
  badPublicKey: "refused",
  badRevocationReason: "refused",
  badSignatureAlgorithm: "refused",
  caa: "caa",
  compound: "refused",
  connection: "challenge_failed",
  dns: "challenge_failed",
  externalAccountRequired: "account",
  incorrectResponse: "challenge_failed",
  invalidContact: "refused",
  invalidProfile: "unsupported",
  malformed: "refused",
  onionCAARequired: "caa",
  orderNotReady: "order_lost",
  rateLimited: "rate_limited",
  rejectedIdentifier: "identifier_rejected",
  serverInternal: "unavailable",
  tls: "challenge_failed",
  unauthorized: "challenge_failed",
  unsupportedContact: "refused",
  unsupportedIdentifier: "identifier_rejected",
  userActionRequired: "account",
};

const problem = (type: string, more: Record<string, unknown> = {}, status = 400) =>
  readProblem({ type: `urn:ietf:params:acme:error:${type}`, detail: `about ${type}`, ...more }, status);

Deno.test("problemError() gives every registered type its code, and explainProblem() its own words", () => {
  const said = new Set<string>();
  for (const [type, code] of Object.entries(TYPES)) {
    const error = problemError("Cannot do it", problem(type));
    equal(error.code, code, type);
    equal(error.message, `Cannot do it: about ${type}`);
    const text = explainProblem(error.problem!);
    match(text, new RegExp(`about ${type}$`));
    said.add(text.replace(/ It said: .*/, ""));
  }
  equal(said.size, Object.keys(TYPES).length, "no two are explained alike");
  equal(said.has("The CA refused."), false, "none is left unexplained");
});

Deno.test("problemError() goes by the status where there is no type that says more", () => {
  const code = (json: unknown, status: number) => problemError("x", readProblem(json, status)).code;
  deepEqual([429, 503, 500, 502, 400, 404].map((status) => code({}, status)), [
    "rate_limited",
    "unavailable",
    "unavailable",
    "unavailable",
    "refused",
    "refused",
  ]);
});

Deno.test("problemError() and explainProblem() look into problems of several names", () => {
  const part = (type: string, value: string) => ({
    type: `urn:ietf:params:acme:error:${type}`,
    detail: "no",
    identifier: { type: "dns", value },
  });
  const same = problem("compound", { subproblems: [part("caa", "a.example"), part("caa", "b.example")] });
  equal(problemError("x", same).code, "caa");
  match(explainProblem(same), /\na\.example: .*CAA.*\nb\.example: /);
  const mixed = problem("compound", { subproblems: [part("caa", "a.example"), part("dns", "b.example")] });
  equal(problemError("x", mixed).code, "refused");
});

Deno.test("readProblem() reads whatever it is given", () => {
  for (
    const json of [null, undefined, 7, "text", [], { type: 7, detail: {}, status: "x", subproblems: [null, 7, {}] }]
  ) {
    const read = readProblem(json, 418);
    equal(read.type, "about:blank");
    equal(read.status, 418);
    notEqual(explainProblem(read), "");
  }
});

Deno.test("readRetryAfter() reads seconds and all three spellings of a date, and nothing else", () => {
  const now = new Date("2026-01-01T00:00:00Z");
  const read = (value: string | undefined) => readRetryAfter(value, now)?.toISOString();
  equal(read("0"), "2026-01-01T00:00:00.000Z");
  equal(read(" 120 "), "2026-01-01T00:02:00.000Z");
  for (const date of ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]) {
    equal(read(date), "1994-11-06T08:49:37.000Z", date);
  }
  equal(read("9".repeat(400))?.slice(0, 4), "2125", "no later than in a century");
  for (const value of [undefined, "", "soon", "-5", "1.5", "1e3", "0x10", "5 minutes", "Sun, 99 Nov", "2026-01-01"]) {
    equal(read(value), undefined, `${value}`);
  }
});
