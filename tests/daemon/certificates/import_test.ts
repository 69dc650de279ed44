import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import {
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  type IssueOptions,
  type KeyPair,
} from "@helyos/pki";
import {
  type CertificateDeps,
  deleteCertificate,
  importCertificate,
  listCertificates,
  readCertificate,
  renewCertificate,
} from "../../../daemon/certificates/certificates.ts";
import {
  certificateKey,
  DUE,
  dueKey,
  orderNow,
  type Plan,
  planKey,
  storePlan,
} from "../../../daemon/certificates/records.ts";
import { routeKey } from "../../../daemon/routes/records.ts";
import { createRoute, deleteRoute, listRoutes, type RouteDeps } from "../../../daemon/routes/routes.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { aroundStore } from "../../support/around_store.ts";
import { type Bench, BY, startBench, until } from "../edge/support.ts";

const DAY_S = 86_400;

interface Pki {
  readonly root: string;
  readonly intermediate: string;
  /** The same key and name, but its life is over. */
  readonly ended: string;
  leaf(domain: string, options?: Partial<IssueOptions>): Promise<{ pem: string; key: KeyPair; keyPem: string }>;
}

async function createPki(): Promise<Pki> {
  const rootKey = await generateKeyPair();
  const now = new Date(Date.now() - 200 * DAY_S * 1000);
  const root = await createRootCa({ commonName: "Test Root", key: rootKey, pathLength: 1, now });
  const key = await generateKeyPair();
  const intermediate = await issueCertificate({
    issuer: { certificate: root.pem, key: rootKey },
    profile: "intermediate",
    publicKey: key.publicKey,
    commonName: "Test Intermediate",
    now,
  });
  const ended = await issueCertificate({
    issuer: { certificate: root.pem, key: rootKey },
    profile: "intermediate",
    publicKey: key.publicKey,
    commonName: "Test Intermediate",
    lifetimeSeconds: 100 * DAY_S,
    now,
  });
  return {
    root: root.pem,
    intermediate: intermediate.pem,
    ended: ended.pem,
    async leaf(domain, options = {}) {
      const own = await generateKeyPair();
      const { pem } = await issueCertificate({
        issuer: { certificate: intermediate.pem, key },
        profile: "server",
        publicKey: own.publicKey,
        commonName: domain,
        names: { dns: [domain] },
        lifetimeSeconds: 90 * DAY_S,
        ...options,
      });
      return { pem, key: own, keyPem: await exportPrivateKey(own) };
    },
  };
}

const take = (bench: Bench, domain: string, certPem: string, keyPem: string) =>
  importCertificate(bench.deps, { domain, certPem, keyPem }, BY);

Deno.test("importCertificate() refuses what cannot be served with 422 and the reason, and stores nothing", async () => {
  const pki = await createPki();
  await using bench = await startBench();
  const good = await pki.leaf("shop.example");
  const chain = good.pem + pki.intermediate;
  const other = await pki.leaf("shop.example");
  const expired = await pki.leaf("shop.example", {
    now: new Date(Date.now() - 80 * DAY_S * 1000),
    lifetimeSeconds: 60 * DAY_S,
  });
  const future = await pki.leaf("shop.example", { now: new Date(Date.now() + 2 * DAY_S * 1000) });
  const client = await pki.leaf("shop.example", { profile: "client" });
  const stranger = (await createPki()).intermediate;
  const { stdout } = await new Deno.Command("openssl", { args: ["genrsa", "1024"], stderr: "null" }).output();
  const weak = new TextDecoder().decode(stdout);
  const locked = await exportPrivateKey(good.key, { passphrase: "secret" });
  const refusals: [string, string, string, RegExp][] = [
    ["shop.example", "not a certificate", good.keyPem, /the certificate cannot be read/],
    ["shop.example", good.keyPem, good.keyPem, /the certificate cannot be read: a private key is among it/],
    ["shop.example", chain + good.keyPem, good.keyPem, /give the certificates alone/],
    ["shop.example", chain, "not a key", /the private key cannot be read/],
    ["shop.example", chain, chain, /the private key cannot be read/],
    ["shop.example", chain, weak, /an RSA key of 1024 bits is too small/],
    ["shop.example", chain, locked, /the private key is encrypted; decrypt it first/],
    ["shop.example", chain, other.keyPem, /matches none of the certificates/],
    ["shop.example", good.pem, other.keyPem, /does not match the certificate/],
    ["shop.example", expired.pem, expired.keyPem, /has expired: it ended/],
    ["shop.example", future.pem, future.keyPem, /not valid yet/],
    ["shop.example", client.pem, client.keyPem, /not for servers/],
    ["other.example", chain, good.keyPem, /does not cover other.example; it is for shop.example/],
    ["a.shop.example", chain, good.keyPem, /does not cover/],
    ["*.shop.example", chain, good.keyPem, /does not cover/],
    ["shop.example", good.pem + stranger, good.keyPem, /does not belong to the chain/],
    ["shop.example", chain.slice(0, -60), good.keyPem, /the certificate cannot be read/],
    ["shop.example", good.pem + pki.ended, good.keyPem, /the chain's certificate ".*Test Intermediate.*" has expired/],
    ["shop.example", chain.repeat(6), good.keyPem, /the chain has 12 certificates; 10 are the most/],
    ["no domain", chain, good.keyPem, /the domain "no domain"/],
  ];
  for (const [domain, cert, key, reason] of refusals) {
    await rejects(take(bench, domain, cert, key), (error: Error & { code: string }) => {
      match(error.message, reason);
      // What lies underneath would be logged as a failure of the daemon
      deepEqual([error.code, error.cause], ["invalid", undefined]);
      return true;
    });
  }
  deepEqual(await bench.store.list("certificate"), []);
  deepEqual(await bench.store.list("audit/"), []);
});

Deno.test("importCertificate() puts the chain in order, leaves the root out, seals the key and turns the route to it", async () => {
  const pki = await createPki();
  await using bench = await startBench();
  const { pem, keyPem } = await pki.leaf("shop.example");
  await createRoute(
    bench.deps,
    { domain: "shop.example", project: "p", deployment: "d", upstreams: ["127.0.0.1:9"] },
    BY,
  );
  const answer = await take(bench, "Shop.Example", pki.root + pki.intermediate + pem + pem, keyPem);
  deepEqual(answer, { domain: "shop.example", status: "imported" });
  equal((await readCertificate(bench.deps, "shop.example")).chain_pem, pem + pki.intermediate);
  const [route] = await listRoutes(bench.deps);
  equal(route!.tls_mode, "manual");
  await until(async () => (await listCertificates(bench.deps))[0]!.state === "served", "service at once");
  const stored = JSON.stringify(await bench.store.list(""));
  ok(!stored.includes("PRIVATE KEY") && !stored.includes(keyPem.split("\n")[1]!), "the key is stored sealed");
  match(stored, /certificate\.import/);

  const again = await pki.leaf("shop.example");
  await take(bench, "shop.example", again.pem + pki.intermediate, again.keyPem);
  equal((await readCertificate(bench.deps, "shop.example")).chain_pem, again.pem + pki.intermediate);
  await until(async () => (await listCertificates(bench.deps))[0]!.state === "served", "the replacement");
  await rejects(renewCertificate(bench.deps, { domain: "shop.example", dryRun: true }, BY), {
    code: "conflict",
    message: /was imported/,
  });

  await deleteCertificate(bench.deps, "shop.example", BY);
  deepEqual(await bench.store.list("certificate"), []);
  await until(async () => (await listRoutes(bench.deps))[0]!.status === "pending", "the route waits");
  await rejects(readCertificate(bench.deps, "shop.example"), { code: "not_found" });
});

Deno.test("importCertificate() warns of a self-signed leaf, a missing intermediate and an end that is near", async () => {
  const pki = await createPki();
  await using bench = await startBench();
  const key = await generateKeyPair();
  const self = await createRootCa({ commonName: "self", key });
  await rejects(take(bench, "self.example", self.pem, await exportPrivateKey(key)), {
    code: "invalid",
    message: /no DNS name/,
  });

  const soon = await pki.leaf("soon.example", { lifetimeSeconds: 10 * DAY_S });
  const { warnings } = await take(bench, "soon.example", soon.pem, soon.keyPem);
  match(warnings!.join("\n"), /no intermediate certificate came along/);
  match(warnings!.join("\n"), /ends in 9 days/);
});

Deno.test("importCertificate() takes a self-signed leaf of openssl with a warning", async () => {
  await using bench = await startBench();
  const folder = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab.example", "-days", "60"],
        ...["-addext", "subjectAltName=DNS:lab.example", "-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`],
      ],
      stderr: "null",
    }).output();
    ok(success);
    const { warnings } = await take(
      bench,
      "lab.example",
      await Deno.readTextFile(`${folder}/cert.pem`),
      await Deno.readTextFile(`${folder}/key.pem`),
    );
    match(warnings![0]!, /self-signed/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an imported wildcard serves the routes one label below it, and routes added later", async () => {
  const pki = await createPki();
  await using bench = await startBench();
  const { pem, keyPem } = await pki.leaf("*.shop.example");
  await take(bench, "*.shop.example", pem + pki.intermediate, keyPem);
  const add = (domain: string, tls_mode: string) =>
    createRoute(bench.deps, { domain, project: "p", deployment: "d", tls_mode, upstreams: ["127.0.0.1:9"] }, BY);
  await add("a.shop.example", "auto"); // no ACME here: the import serves it
  await add("b.shop.example", "manual");
  await add("deep.a.shop.example", "manual");
  await rejects(add("c.d.shop.example", "auto"), { code: "conflict" });
  await bench.edge.proxy.settled();
  const fares = (await listRoutes(bench.deps)).map(({ domain, tls_mode, status }) => [domain, tls_mode, status]);
  deepEqual(fares, [
    ["a.shop.example", "manual", "served"],
    ["b.shop.example", "manual", "served"],
    ["deep.a.shop.example", "manual", "pending"],
  ]);
  equal((await listCertificates(bench.deps))[0]!.state, "served");
});

Deno.test("a certificate imported before its route is served once the route is there, whatever its mode", async () => {
  const pki = await createPki();
  await using bench = await startBench();
  const { pem, keyPem } = await pki.leaf("early.example");
  await take(bench, "early.example", pem + pki.intermediate, keyPem);
  await createRoute(bench.deps, { domain: "early.example", project: "p", deployment: "d", tls_mode: "none" }, BY);
  equal((await listRoutes(bench.deps))[0]!.tls_mode, "manual");
});

Deno.test("a route added while its certificate is imported serves the import, whichever is stored first", async () => {
  const pki = await createPki();
  await using real = await openSqliteStore(":memory:");
  let between: { readonly key: string; readonly happens: () => Promise<unknown> } | undefined;
  const store = aroundStore(real, {
    async commit(operations, guards) {
      const now = operations.some((one) => "put" in one && one.put === between?.key) ? between : undefined;
      if (now !== undefined) between = undefined;
      await now?.happens();
      return await real.commit(operations, guards);
    },
  });
  await using bench = await startBench({ store, config: { acmeEmail: "ops@example.com" } });
  for (const tls_mode of ["none", "auto"]) {
    const add = (domain: string) => createRoute(bench.deps, { domain, project: "p", deployment: "d", tls_mode }, BY);
    const import_ = async (domain: string) => {
      const { pem, keyPem } = await pki.leaf(domain);
      return await take(bench, domain, pem + pki.intermediate, keyPem);
    };
    const check = async (domain: string) => {
      equal((await listRoutes(bench.deps)).find((route) => route.domain === domain)!.tls_mode, "manual", domain);
      equal((await store.get<Plan>(planKey(domain)))!.value.kind, "watch", domain);
      equal((await store.list(DUE)).filter(({ key }) => key.endsWith(`/${domain}`)).length, 1, domain);
    };
    const route = `${tls_mode}.route.example`;
    between = { key: routeKey(route), happens: () => import_(route) };
    equal((await add(route)).tls_mode, "manual");
    await check(route);

    const certificate = `${tls_mode}.import.example`;
    between = { key: certificateKey(certificate), happens: () => add(certificate) };
    await import_(certificate);
    await check(certificate);
  }
  equal(between, undefined);
});

Deno.test("whoever changes a plan that the keeper changes meanwhile leaves the index in step with it", async () => {
  const pki = await createPki();
  await using real = await openSqliteStore(":memory:");
  const due = (days: number) => new Date(Date.now() + days * DAY_S * 1000);
  let domain = "";
  let isFirst = false;
  const store = aroundStore(real, {
    async commit(operations, guards) {
      if (isFirst) {
        isFirst = false;
        const plan = (await real.get<Plan>(planKey(domain)))!;
        await real.commit(storePlan({ ...plan.value, due: due(5).toISOString() }, plan.value), [plan]);
      }
      return await real.commit(operations, guards);
    },
  });
  const deps: RouteDeps & CertificateDeps = {
    store,
    sealer: await openSealerWith(crypto.getRandomValues(new Uint8Array(32))),
    now: () => new Date(),
    settings: { directory: "https://localhost:1/dir" },
    enabled: () => true,
    acme: () => ({ enabled: true, wildcards: false }),
    seen: () => ({ state: "issued", checkedAt: null }),
    trouble: () => undefined,
    fare: () => ({ status: "served", reason: null }),
  };
  const add = () => createRoute(deps, { domain, project: "p", deployment: "d", tls_mode: "auto" }, BY);
  const { pem, keyPem } = await pki.leaf("*.index.example");
  const changes = {
    create: add,
    remove: () => add().then(() => (isFirst = true, deleteRoute(deps, domain, BY))),
    renew: () => add().then(() => (isFirst = true, renewCertificate(deps, { domain, dryRun: false }, BY))),
    import: () => importCertificate(deps, { domain, certPem: pem, keyPem }, BY),
    delete: () => deleteCertificate(deps, domain, BY),
  };
  for (const [name, change] of Object.entries(changes)) {
    domain = `${name}.index.example`;
    await real.commit(storePlan(orderNow(domain, due(9), undefined), undefined));
    isFirst = true;
    await change();
    const plan = await real.get<Plan>(planKey(domain));
    const entries = (await real.list(DUE)).map(({ key }) => key).filter((key) => key.endsWith(`/${domain}`));
    deepEqual(entries, plan === undefined ? [] : [dueKey(plan.value.due, domain)], name);
    equal(isFirst, false);
  }
});

Deno.test("the end of an import is announced when 30 days are left, then daily, also after it", async () => {
  const pki = await createPki();
  let at = Date.now();
  await using bench = await startBench({ now: () => new Date(at) });
  const { pem, keyPem } = await pki.leaf("end.example");
  await take(bench, "end.example", pem + pki.intermediate, keyPem);
  const announced = () => bench.log.filter((line) => line.includes("the imported certificate of end.example"));
  await bench.edge.keeper.settled();
  equal(announced().length, 0);
  at += 61 * DAY_S * 1000;
  await bench.edge.keeper.settled();
  match(announced().join(), /ends in 28 days|ends in 29 days/);
  await bench.edge.keeper.settled();
  equal(announced().length, 1, "once a day");
  at += 40 * DAY_S * 1000;
  await bench.edge.keeper.settled();
  match(announced()[1]!, /has expired/);
});
