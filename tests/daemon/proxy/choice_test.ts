import { deepEqual, equal, rejects } from "node:assert/strict";
import { isEmail } from "../../../daemon/config.ts";
import { type FixedChoice, ProxyChoice } from "../../../daemon/proxy/choice.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { createRoute, listRoutes } from "../../../daemon/routes/routes.ts";
import { TestProxy } from "../../support/test_proxy.ts";
import { BY, startBench, until } from "../edge/support.ts";

async function open(fixed: FixedChoice = {}) {
  const store = await openSqliteStore(":memory:");
  const choice = await ProxyChoice.open({ store, now: () => new Date(0), isEmail }, fixed, () => {});
  return {
    store,
    choice,
    async [Symbol.asyncDispose]() {
      await choice[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("ProxyChoice refuses what is no address and what the command line fixed", async () => {
  await using free = await open();
  for (const email of ["ops", "@example.com", "ops@localhost", "a b@example.com", "ops@*.example.com", ""]) {
    await rejects(free.choice.change({ acme_email: email }, BY), { code: "invalid" }, email);
  }
  deepEqual(await free.store.list(""), []);
  await using fixed = await open({ backend: "nginx", acmeEmail: "ops@example.com" });
  await rejects(fixed.choice.change({ backend: "caddy" }, BY), { code: "conflict", message: /--proxy-backend nginx/ });
  await rejects(fixed.choice.change({ acme_email: "x@example.com" }, BY), { code: "conflict" });
  await fixed.choice.change({ backend: "nginx" }, BY); // what is so already may be asked for
});

Deno.test("ProxyChoice remembers what was chosen, field by field", async () => {
  await using app = await open();
  deepEqual([app.choice.isChosen, app.choice.acmeEmail], [false, undefined]);
  deepEqual(await app.choice.change({ acme_email: "ops@example.com" }, BY), {
    backend: "traefik",
    acme_email: "ops@example.com",
  });
  deepEqual(await app.choice.change({ backend: "embedded" }, BY), {
    backend: "embedded",
    acme_email: "ops@example.com",
  });
  await until(() => app.choice.backend === "embedded", "the change to be seen");
  await using again = await ProxyChoice.open({ store: app.store, now: () => new Date(0), isEmail }, {}, () => {});
  deepEqual([again.backend, again.acmeEmail], ["embedded", "ops@example.com"]);
  equal((await app.store.list("audit/")).length, 2);
});

Deno.test("switching the proxy keeps routes, and a contact given later turns ACME on", async () => {
  const second = new TestProxy();
  const proxies = [new TestProxy(), second];
  await using bench = await startBench({ openBackend: () => Promise.resolve(proxies.shift()!) });
  await createRoute(bench.deps, { domain: "a.example", project: "p", deployment: "d", upstreams: ["127.0.0.1:9"] }, BY);
  await bench.edge.proxy.settled();
  const auto = { domain: "b.example", project: "p", deployment: "d", tls_mode: "auto" };
  await rejects(createRoute(bench.deps, auto, BY), { code: "conflict" });
  await bench.edge.choice.change({ backend: "nginx", acme_email: "ops@example.com" }, BY);
  await until(() => second.applied.length > 0, "the second proxy");
  deepEqual(second.applied[0]!.sites.map(({ domain }) => domain), ["a.example"]);
  await createRoute(bench.deps, auto, BY);
  deepEqual((await listRoutes(bench.deps)).map(({ domain }) => domain), ["a.example", "b.example"]);
});

Deno.test("the proxy chosen last serves, however long one chosen before takes to open", async () => {
  const slow = Promise.withResolvers<TestProxy>();
  const [first, caddy, nginx] = [new TestProxy(), new TestProxy(), new TestProxy()];
  let isClosed = false;
  caddy[Symbol.asyncDispose] = () => Promise.resolve(void (isClosed = true));
  await using bench = await startBench({
    openBackend: (name) => name === "caddy" ? slow.promise : Promise.resolve(name === "nginx" ? nginx : first),
  });
  await createRoute(bench.deps, { domain: "a.example", project: "p", deployment: "d" }, BY);
  await bench.edge.choice.change({ backend: "caddy" }, BY);
  await bench.edge.choice.change({ backend: "nginx" }, BY);
  await until(() => nginx.applied.length > 0, "the proxy chosen last");
  slow.resolve(caddy);
  await until(() => isClosed, "the end of the other one");
  deepEqual(caddy.applied, []);
});

Deno.test("a proxy that cannot bind fails its routes with the reason, and nothing else", async () => {
  const proxy = Object.assign(new TestProxy(), { broken: "cannot listen on 0.0.0.0:80: the address is in use" });
  await using bench = await startBench({ proxy });
  await createRoute(bench.deps, { domain: "a.example", project: "p", deployment: "d" }, BY);
  await bench.edge.proxy.settled();
  const [route] = await listRoutes(bench.deps);
  deepEqual([route!.status, route!.reason], ["failed", proxy.broken]);
});
