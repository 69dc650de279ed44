import { PinningError, type PinningErrorCode } from "@helyos/pinning";
import { equal, match } from "node:assert/strict";
import { ApiError, callEndpoint, listAudit } from "@helyos/api";
import { explainConnection, explainRefusal } from "../../cli/explain.ts";
import { CliError } from "../../cli/failure.ts";

function hintOf(code: PinningErrorCode, message: string, server = "https://h:6443"): string {
  const error = explainConnection(new PinningError(code, message), { server, tls: "pinned", context: "prod" });
  return error instanceof CliError ? error.hint ?? "" : "";
}

Deno.test("explainConnection() passes on what is no failed connection", () => {
  const error = new TypeError("a mistake");
  equal(explainConnection(error, { server: "https://h:6443", tls: "pinned", context: undefined }), error);
});

Deno.test("explainConnection() blames the way only for a server that was never reached", () => {
  match(hintOf("timeout", "Cannot connect to h:6443: no answer (timed out)"), /firewalls let port 6443 through$/);
  match(hintOf("unreachable", "Cannot connect to h: there is no way to it", "http://h"), /port 80 through$/);
  match(hintOf("unreachable", "Cannot connect to h: there is no way to it", "https://h"), /port 443 through$/);
  match(hintOf("timeout", "No answer from h:6443 within 30000 ms"), /^It is there but slow/);
  match(hintOf("timeout", "h:6443 went silent in the middle of its answer"), /^It is there but slow/);
});

Deno.test("explainConnection() names the context that would have to be pinned again", () => {
  for (const code of ["unknown_ca", "invalid_certificate", "invalid_ca"] as const) {
    match(hintOf(code, "Cannot trust h:6443"), /helyos login https:\/\/h:6443 --name prod$/, code);
  }
});

Deno.test("explainRefusal() tells what is missing from a request that an older daemon does not know", async () => {
  const target = {
    server: "https://h:6443",
    tls: "pinned",
    ca: undefined,
    token: "t",
    context: "prod",
    project: undefined,
    heldBack: undefined,
  } as const;
  const hint = async (body: string | null) => {
    const answer = () => Promise.resolve(new Response(body, { status: 404 }));
    const refused = await callEndpoint(answer, listAudit, {}).catch((error) => error);
    return explainRefusal(refused, target).hint ?? "";
  };
  const verify = "Verify the resource name and project with: helyos pods / helyos deployments";
  equal(await hint('{"error":"deployment not found: p/d"}'), verify);
  equal(await hint(null), `${verify}; or the daemon is older than this helyos and does not know the request`);
});

Deno.test("explainRefusal() says what to try: the listing of what is missing, another login", () => {
  const target = {
    server: "https://h:6443",
    tls: "pinned",
    ca: undefined,
    token: "t",
    context: "prod",
    project: undefined,
    heldBack: undefined,
  } as const;
  const hint = (message: string, status = 404) =>
    explainRefusal(new ApiError(message, { status, code: null }), target).hint;
  equal(hint("project not found: x"), "See what there is with: helyos project list");
  equal(hint("route not found: a.example"), "See what there is with: helyos routes --all-projects");
  equal(
    hint("no certificate for a.example: neither a stored one nor one on its way"),
    "See what there is with: helyos cert ls",
  );
  equal(hint("no active token named 'ci'"), "See what there is with: helyos auth token ls");
  match(hint("route already exists: a.example", 409) ?? "", /remove it first: helyos route rm/);
  equal(hint("project 'x' already exists", 409), undefined);
  equal(
    hint("missing or invalid bearer token", 401),
    "Check your authentication credentials, or log in with another token: helyos login https://h:6443 --name prod",
  );
});
