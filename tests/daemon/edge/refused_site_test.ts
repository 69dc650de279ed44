import { equal } from "node:assert/strict";
import type { DesiredProxy, SiteStatus } from "../../../daemon/proxy/backend.ts";
import { createRoute, listRoutes } from "../../../daemon/routes/routes.ts";
import { TestProxy } from "../../support/test_proxy.ts";
import { BY, startBench, until } from "./support.ts";

class Picky extends TestProxy {
  refuses = true;

  override async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    const statuses = await super.apply(desired);
    if (!this.refuses) return statuses;
    return statuses.map(({ domain }) => ({ domain, state: "failed", reason: "its upstream has no address" }));
  }
}

Deno.test("tick() offers a refused site again after half a minute", async () => {
  const proxy = new Picky();
  let passed = 0;
  await using bench = await startBench({ proxy, now: () => new Date(Date.now() + passed) });
  await createRoute(bench.deps, {
    domain: "a.example.com",
    project: "shop",
    deployment: "api",
    tls_mode: "none",
    upstreams: ["127.0.0.1:1"],
  }, BY);
  const fare = async () => (await listRoutes(bench.deps))[0]!;
  await until(async () => (await fare()).status === "failed", "the refusal");
  equal((await fare()).reason, "its upstream has no address");
  proxy.refuses = false;
  const told = proxy.applied.length;
  bench.edge.tick();
  passed = 20_000;
  bench.edge.tick();
  await bench.edge.keeper.settled();
  equal(proxy.applied.length, told);
  passed = 31_000;
  bench.edge.tick();
  await until(async () => (await fare()).status === "served", "the second offer");
});
