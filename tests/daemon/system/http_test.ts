import { deepEqual, equal, match } from "node:assert/strict";
import { ENDPOINTS } from "@helyos/api";
import { appBindings } from "../../../daemon/app.ts";
import type { Deps } from "../../../daemon/deps.ts";
import { createMetrics } from "../../../daemon/metrics/metrics.ts";
import { createHandler } from "../../../daemon/server/handler.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { OfferedCa } from "../../../daemon/trust/trust.ts";

async function open(ca?: OfferedCa) {
  const store = await openSqliteStore(":memory:");
  const metrics = createMetrics();
  const caller = { name: "alice", scope: "read", tokenId: null } as const;
  // Listings and the daemon's own endpoints use only these
  const edge = { routes: { fare: () => ({ status: "served", reason: null }) } };
  const deps = { store, metrics, edge, trust: { mode: "off", ca }, now: () => new Date() } as unknown as Deps;
  const bindings = appBindings(deps);
  const handler = createHandler(bindings, { authenticate: () => caller, meter: metrics.meter, onError: () => {} });
  return {
    bindings,
    store,
    get: (path: string) =>
      Promise.resolve(handler(new Request(`http://x${path}`, { headers: { authorization: "Bearer x" } }), {
        remoteAddr: { transport: "tcp", hostname: "::1", port: 1 },
      })),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

Deno.test("appBindings() serves every endpoint of the contract once", async () => {
  await using app = await open();
  deepEqual(app.bindings.map(({ endpoint }) => endpoint.name).sort(), ENDPOINTS.map(({ name }) => name).sort());
});

Deno.test("GET /api/v1/ca answers 404 when there is none to pin, else the very bytes", async () => {
  await using without = await open();
  const refused = await without.get("/api/v1/ca");
  equal(refused.status, 404);
  deepEqual(await refused.json(), { error: "no self-signed CA (TLS off or BYO cert)", code: "not_found" });
  const ca = { pem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", sha256: "aa:bb" };
  await using withCa = await open(ca);
  deepEqual(await (await withCa.get("/api/v1/ca")).json(), ca);
});

Deno.test("GET /health, /api/v1/version, /metrics and the OpenAPI document need no token", async () => {
  await using app = await open();
  const health = await app.get("/health");
  equal(health.headers.get("content-type"), "text/plain; charset=utf-8");
  equal(await health.text(), "ok");
  deepEqual(await (await app.get("/api/v1/version")).json(), { version: "0.4.0", api: "v1" });
  const metrics = await app.get("/metrics");
  equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4");
  match(await metrics.text(), /helyos_http_requests_total\{method="GET",path="\/health",status="200"\} 1\n/);
  equal((await (await app.get("/api/v1/openapi.json")).json()).openapi, "3.1.0");
});

Deno.test("listings are empty, and a project's listing holds that project's alone", async () => {
  await using app = await open();
  for (const noun of ["deployments", "pods", "nodes", "routes", "projects"]) {
    deepEqual(await (await app.get(`/api/v1/${noun}`)).json(), [], noun);
  }
  await app.store.commit([
    { put: "pods/a%2Fb/api/1", value: { id: 1, project: "a/b" } },
    { put: "pods/a/api/2", value: { id: 2, project: "a" } },
    { put: "routes/x.example", value: { domain: "x.example", project: "a" } },
    { put: "routes/y.example", value: { domain: "y.example", project: "b" } },
  ]);
  const ids = async (query: string) =>
    (await (await app.get(`/api/v1/pods${query}`)).json()).map((pod: { id: number }) => pod.id);
  deepEqual(await ids("?project=a"), [2]);
  deepEqual(await ids("?project=a%2Fb"), [1]);
  deepEqual(await ids(""), [1, 2]);
  const routes = await (await app.get("/api/v1/routes?project=b")).json();
  deepEqual(routes.map((route: { domain: string }) => route.domain), ["y.example"]);
});
