import { PinningError, type PinningErrorCode } from "@helyos/pinning";
import { equal, match } from "node:assert/strict";
import { explainConnection } from "../../cli/explain.ts";
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
