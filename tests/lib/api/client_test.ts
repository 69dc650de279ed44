import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import {
  ApiError,
  callEndpoint,
  createToken,
  ENDPOINTS,
  listAudit,
  listNodes,
  listPods,
  listProjects,
  openApiDocument,
  requestFor,
  revokeToken,
  rotateToken,
} from "@helyos/api";

const answering = (response: Response) => () => Promise.resolve(response);

Deno.test("requestFor() puts placeholders in the path and the rest in the body of a POST", () => {
  const { path, init } = requestFor(rotateToken, { name: "a b/ü", overlap_secs: 60 });
  equal(path, "/api/v1/tokens/a%20b%2F%C3%BC/rotate");
  equal(init.body, '{"overlap_secs":60}');
});

Deno.test("requestFor() puts what is left of a GET in the query and drops what is undefined", () => {
  equal(requestFor(listPods, { project: "a&b" }).path, "/api/v1/pods?project=a%26b");
  equal(requestFor(listPods, { project: undefined }).path, "/api/v1/pods");
  equal(requestFor(listAudit, { limit: 5 }).path, "/api/v1/audit?limit=5");
});

Deno.test("requestFor() refuses a name that no path can carry", () => {
  for (const name of ["", ".", ".."]) throws(() => requestFor(revokeToken, { name }), TypeError);
});

Deno.test("callEndpoint() throws the daemon's sentence, code and delay", async () => {
  const refusal = Response.json({ error: "too many failed attempts", code: "rate_limited" }, {
    status: 429,
    headers: { "retry-after": "17" },
  });
  await rejects(() => callEndpoint(answering(refusal), listProjects, {}), {
    name: "ApiError",
    message: "too many failed attempts",
    status: 429,
    code: "rate_limited",
    retryAfterSeconds: 17,
  });
});

Deno.test("callEndpoint() words a refusal without a body by its status", async () => {
  const cases: [number, string][] = [[404, "Resource not found"], [409, "Resource already exists or conflict"]];
  for (const [status, message] of cases) {
    await rejects(() => callEndpoint(answering(new Response(null, { status })), listProjects, {}), {
      message,
      code: null,
    });
  }
});

Deno.test("callEndpoint() refuses an answer that is not JSON or not of the schema", async () => {
  for (const body of ["<html>", '[{"name":"a","status":"paused","created_at":"x"}]', "{}"]) {
    await rejects(() => callEndpoint(answering(new Response(body)), listProjects, {}), { code: "bad_answer" });
  }
});

Deno.test("callEndpoint() drops unknown fields and reads absent optional ones", async () => {
  const created = { id: "1", name: "ci", token: "t", scope: "admin", created_at: "x", later: true };
  const token = await callEndpoint(answering(Response.json(created)), createToken, { name: "ci" });
  deepEqual(token, { id: "1", name: "ci", token: "t", scope: "admin", created_at: "x", expires_at: null });
});

Deno.test("callEndpoint() leaves the body of an empty answer unread", async () => {
  equal(await callEndpoint(answering(new Response(null, { status: 204 })), revokeToken, { name: "ci" }), undefined);
});

Deno.test("ApiError keeps its cause", () => {
  const cause = new Error("below");
  equal(new ApiError("x", { status: 500, code: "internal" }, { cause }).cause, cause);
});

Deno.test("ENDPOINTS has no two of one name or of one method and path", () => {
  equal(new Set(ENDPOINTS.map((one) => one.name)).size, ENDPOINTS.length);
  equal(new Set(ENDPOINTS.map((one) => `${one.method} ${one.path}`)).size, ENDPOINTS.length);
});

Deno.test("createToken's input refuses names and lifetimes that break the rules", () => {
  const judge = (input: unknown) => createToken.input!.safeParse(input).success;
  equal(judge({ name: "ci", ttl_secs: 60, scope: null }), true);
  equal(judge({ name: "x".repeat(253) }), true);
  for (
    const bad of [
      {},
      { name: "  " },
      { name: "x".repeat(254) },
      { name: "a\u0000b" },
      { name: "a\u202eb" },
      { name: "a\u2028b" },
      { name: "ci", ttl_secs: 1.5 },
      { name: "ci", ttl_secs: "60" },
      { name: "ci", scope: "root" },
    ]
  ) equal(judge(bad), false, JSON.stringify(bad));
});

Deno.test("openApiDocument() names every endpoint, its refusals and who may call it", () => {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, Record<string, unknown>>> };
  for (const { path, method, name } of ENDPOINTS) equal(paths[path]?.[method.toLowerCase()]?.operationId, name);
  const mint = paths["/api/v1/tokens"]!.post!;
  deepEqual(mint["x-scopes"], ["admin"]);
  deepEqual(Object.keys(mint.responses as object), ["201", "400", "401", "403", "409", "422", "429"]);
  deepEqual(paths["/health"]!.get!.security, []);
});

Deno.test("listNodes refuses a status outside its closed set", () => {
  equal(listNodes.output!.safeParse([{ name: "a", status: "Ready" }]).success, false);
});
