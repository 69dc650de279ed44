import { deepEqual, equal, rejects } from "node:assert/strict";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { planKey } from "../../../daemon/certificates/records.ts";
import { createRoute, deleteRoute, listRoutes, type RouteDeps } from "../../../daemon/routes/routes.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { NewRoute } from "@helyos/api";

const BY = { actor: "alice", address: "203.0.113.9" };
const NOW = new Date("2026-06-10T12:00:00.000Z");

async function open(acme = { enabled: false, wildcards: false }) {
  const store = await openSqliteStore(":memory:");
  const deps: RouteDeps = {
    store,
    now: () => NOW,
    acme: () => acme,
    fare: () => ({ status: "served", reason: null }),
  };
  const add = (input: Partial<NewRoute> & { domain: string }) =>
    createRoute(deps, { project: "shop", deployment: "api", ...input }, BY);
  return { store, deps, add, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

Deno.test("createRoute() refuses malformed domains and upstreams with 422 and stores nothing", async () => {
  await using app = await open();
  await rejects(app.add({ domain: "a`b.example" }), { code: "invalid", message: /^the domain "a`b.example" has char/ });
  await rejects(app.add({ domain: "127.0.0.1" }), { code: "invalid" });
  await rejects(app.add({ domain: "a.example", upstreams: ["nowhere"] }), {
    code: "invalid",
    message: /^the upstream "nowhere" is not HOST:PORT/,
  });
  deepEqual(await app.store.list(""), []);
});

Deno.test("createRoute() refuses modes in the contract's words", async () => {
  await using app = await open();
  await rejects(app.add({ domain: "a.example", tls_mode: "Magic" }), {
    code: "conflict",
    message: "invalid deployment spec: invalid TLS mode: unknown TLS mode: Magic",
  });
  await rejects(app.add({ domain: "a.example", tls_mode: "AUTO" }), {
    code: "conflict",
    message: "invalid deployment spec: TLS mode 'auto' requires an ACME email; start helyosd with --acme-email",
  });
  await using acme = await open({ enabled: true, wildcards: false });
  await rejects(acme.add({ domain: "*.a.example", tls_mode: "auto" }), {
    code: "conflict",
    message: /--acme-dns-hook/,
  });
});

Deno.test("createRoute() refuses a domain twice, in whatever spelling", async () => {
  await using app = await open();
  deepEqual(await app.add({ domain: "Shop.Example." }), {
    domain: "shop.example",
    status: "created",
    tls_mode: "none",
  });
  await rejects(app.add({ domain: "shop.example" }), {
    code: "conflict",
    message: "route already exists: shop.example",
  });
  const both = await Promise.allSettled([app.add({ domain: "twin.example" }), app.add({ domain: "TWIN.example" })]);
  deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("createRoute() stores what listRoutes() shows, by domain and project, with an audit record", async () => {
  await using app = await open();
  await app.add({ domain: "z.example", upstreams: ["10.0.0.7:80", "10.0.0.7:80", "[::1]:3000"] });
  await app.add({ domain: "a.example", project: "other", tls_mode: null });
  deepEqual(await listRoutes(app.deps, "shop"), [{
    domain: "z.example",
    project: "shop",
    deployment: "api",
    tls_mode: "none",
    created_at: "2026-06-10T12:00:00.000Z",
    upstreams: ["10.0.0.7:80", "[::1]:3000"],
    status: "served",
    reason: null,
  }]);
  deepEqual((await listRoutes(app.deps)).map(({ domain }) => domain), ["a.example", "z.example"]);
  deepEqual((await newestRecords(app.store, 1))[0], {
    at: "2026-06-10T12:00:00.000Z",
    actor: "alice",
    action: "route.create",
    target: "a.example",
    address: "203.0.113.9",
  });
});

Deno.test("createRoute() with auto has a certificate ordered at once; deleteRoute() takes the order back", async () => {
  await using app = await open({ enabled: true, wildcards: true });
  await app.add({ domain: "*.a.example", tls_mode: "auto" });
  equal((await app.store.get<{ due: string }>(planKey("*.a.example")))?.value.due, NOW.toISOString());
  equal((await app.store.list("certificate-due/")).length, 1);
  await deleteRoute(app.deps, "*.A.example", BY);
  deepEqual(await app.store.list("certificate"), []);
  equal((await newestRecords(app.store, 1))[0]!.action, "route.delete");
});

Deno.test("deleteRoute() refuses a domain without a route, also one that is no domain", async () => {
  await using app = await open();
  await rejects(deleteRoute(app.deps, "gone.example", BY), {
    code: "not_found",
    message: "route not found: gone.example",
  });
  await rejects(deleteRoute(app.deps, "a b", BY), { code: "not_found", message: "route not found: a b" });
});
