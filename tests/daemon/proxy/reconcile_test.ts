import { deepEqual, equal, ok } from "node:assert/strict";
import type { DesiredProxy } from "../../../daemon/proxy/backend.ts";
import { type StoredRoute, storeRoute } from "../../../daemon/routes/records.ts";
import { createRoute, deleteRoute, listRoutes } from "../../../daemon/routes/routes.ts";
import { TestProxy } from "../../support/test_proxy.ts";
import { BY, startBench, until } from "../edge/support.ts";

const input = (domain: string) => ({ domain, project: "p", deployment: "d", upstreams: ["127.0.0.1:9"] });

Deno.test("ProxyKeeper applies many changes at once while the proxy is slow, and the last state in the end", async () => {
  const proxy = new TestProxy();
  const apply = proxy.apply.bind(proxy);
  proxy.apply = async (desired: DesiredProxy) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return await apply(desired);
  };
  await using bench = await startBench({ proxy });
  for (let index = 0; index < 100; index++) await createRoute(bench.deps, input(`r${index}.example`), BY);
  await deleteRoute(bench.deps, "r7.example", BY);
  await until(() => proxy.applied.at(-1)?.sites.length === 99, "99 sites");
  ok(proxy.applied.length < 30, `${proxy.applied.length} applications`);
});

Deno.test("ProxyKeeper repairs what was missed: routes stored before it started are served", async () => {
  const proxy = new TestProxy();
  await using first = await startBench();
  const route: StoredRoute = { ...input("a.example"), tls_mode: "none", created_at: "2026-01-01T00:00:00Z" };
  await first.store.commit([storeRoute(route)]);
  await using second = await startBench({ store: first.store, sealer: first.sealer, proxy });
  await second.edge.proxy.settled();
  deepEqual(proxy.applied.at(-1)!.sites.map(({ domain }) => domain), ["a.example"]);
  equal((await listRoutes(second.deps))[0]!.status, "served");
});

Deno.test("ProxyKeeper tries again after the proxy refused everything, and goes on meanwhile", async () => {
  const proxy = new TestProxy();
  const apply = proxy.apply.bind(proxy);
  let failures = 1;
  proxy.apply = (desired) => failures-- > 0 ? Promise.reject(new Error("no")) : apply(desired);
  await using bench = await startBench({ proxy });
  await createRoute(bench.deps, input("a.example"), BY);
  await until(() => proxy.applied.at(-1)?.sites.length === 1, "another try");
  ok(bench.log.some((line) => line.includes("could not be told")) || failures < 0);
});

Deno.test("ProxyKeeper leaves out a key that cannot be opened, and serves the others", async () => {
  const proxy = new TestProxy();
  await using bench = await startBench({ proxy });
  const stored = {
    domain: "bad.example",
    source: "import",
    names: ["bad.example"],
    chainPem: "",
    sealedKey: "AAAA",
    issuer: "",
    fingerprint: "aa",
    notBefore: "2026-01-01T00:00:00Z",
    notAfter: "2027-01-01T00:00:00Z",
    storedAt: "2026-01-01T00:00:00Z",
  };
  await bench.store.commit([{ put: "certificates/bad.example", value: stored }]);
  await createRoute(bench.deps, input("bad.example"), BY);
  await createRoute(bench.deps, input("good.example"), BY);
  await bench.edge.proxy.settled();
  deepEqual(proxy.applied.at(-1)!.certificates, []);
  deepEqual(proxy.applied.at(-1)!.sites.map(({ upstreams }) => upstreams.length), [0, 1]);
  ok(bench.log.some((line) => line.includes("the key of bad.example cannot be opened")));
  const [bad] = await listRoutes(bench.deps);
  deepEqual([bad!.status, bad!.reason?.includes("cannot be opened")], ["failed", true]);
});
