/**
 * The life of a certificate after it was issued: seen, renewed, revoked, unwanted.
 */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { certificateId } from "@helyos/acme";
import type { Accounts } from "../../../daemon/certificates/accounts.ts";
import * as certificates from "../../../daemon/certificates/certificates.ts";
import { certificateKey, DUE, type StoredCertificate } from "../../../daemon/certificates/records.ts";
import { deleteRoute, listRoutes } from "../../../daemon/routes/routes.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";
import { add, BY, one, plan, setScene, startBench, startClock, until } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

Deno.test({
  name: "a CA that does not want to be asked for its wish is asked when it said, as it is for orders",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, time } = scene;
    const domain = "wishless.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    faults.before = ({ path }) =>
      path.includes("renewal") ? { status: 429, headers: { "retry-after": String(20 * 3600) } } : undefined;
    time.pass(12 * 3600_000);
    await bench.edge.keeper.settled();
    const wishes = () => faults.seen.filter(({ path }) => path.includes("renewal")).length;
    equal(wishes(), 1);
    time.pass(19 * 3600_000);
    await bench.edge.keeper.settled();
    equal(wishes(), 1, "left alone");
    time.pass(2 * 3600_000);
    await bench.edge.keeper.settled();
    equal(wishes(), 2);
    equal((await one(bench)).failures, 0, "no order failed");
  },
});

Deno.test({
  name: "a route's certificate that the proxy does not serve is a mismatch until it does",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const time = startClock();
    await using bench = await startBench({ pebble, now: time.now });
    const domain = "stuck.example.com";
    await add(bench, domain);
    await until(async () => (await one(bench)).state === "served", "service");
    bench.proxy.stuck = true;
    const before = (await one(bench)).fingerprint;
    await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY);
    await bench.edge.keeper.settled();
    const renewed = await one(bench);
    notEqual(renewed.fingerprint, before);
    notEqual(renewed.state, "served", "what was seen was the one before it");
    await until(async () => (await one(bench)).state === "mismatch", "the mismatch");
    match((await one(bench)).last_error!, /serves another certificate/);
    match(bench.metrics(), /helyos_certificate_served_mismatch\{domain="stuck.example.com"\} 1/);
    bench.proxy.stuck = false;
    await bench.edge.proxy.settled();
    time.pass(MINUTE_MS);
    bench.edge.tick();
    await until(async () => (await one(bench)).state === "served", "service again");
  },
});

Deno.test({
  name: "a certificate is renewed when the CA wishes it, replacing the old one, also after the machine slept",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, time } = scene;
    const domain = "wish.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    const before = await one(bench);
    time.pass(13 * 3600_000);
    await bench.edge.keeper.settled();
    const asked = faults.seen.filter(({ path }) => path.includes("renewalInfo") || path.startsWith("/draft")).length;
    ok((await plan(bench, domain)).wish?.start, `the CA's wish is stored (${asked} asked)`);
    equal((await one(bench)).fingerprint, before.fingerprint);
    // Suspended for months: everything is past due at once
    time.pass(80 * DAY_MS);
    equal((await bench.store.list(DUE)).length, 1);
    const would = await certificates.renewCertificate(bench.deps, { domain, dryRun: true }, BY);
    equal(would.status, "would_renew");
    match(would.reason, /^due since 2.*, as the CA suggests$/);
    await bench.edge.keeper.settled();
    notEqual((await one(bench)).fingerprint, before.fingerprint, bench.log.join("\n"));
    equal(faults.finalized(), 2);
  },
});

Deno.test({
  name:
    "while the CA is down for the week a renewal falls into, the old certificate is served, and the new one comes afterwards",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const time = startClock();
    await using bench = await startBench({ pebble, now: time.now });
    const domain = "patient.example.com";
    await add(bench, domain);
    await until(async () => (await one(bench)).state === "served", "service");
    const { fingerprint, next_renewal } = await one(bench);
    pebble.pause();
    time.set(new Date(Date.parse(next_renewal!) + 1000));
    for (let day = 0; day < 7; day++) {
      await bench.edge.keeper.settled();
      time.pass(DAY_MS);
    }
    await bench.edge.keeper.settled();
    const waiting = await one(bench);
    deepEqual([waiting.fingerprint, waiting.state], [fingerprint, "served"]);
    ok(waiting.failures >= 5 && waiting.days_left! > 0, `${waiting.failures} failures, ${waiting.days_left} days left`);
    match(waiting.last_error!, /Cannot reach the CA/);
    await pebble.restart();
    time.pass(2 * DAY_MS);
    await bench.edge.keeper.settled();
    const renewed = await until(
      async () => (await one(bench)).fingerprint !== fingerprint && one(bench),
      "the new one",
    );
    deepEqual([renewed.failures, renewed.last_error], [0, null]);
  },
});

Deno.test({
  name:
    "a renewal says which certificate it replaces, not after a failure, and never to an account that did not order it",
  ignore,
  async fn() {
    // Nothing is asked again about a name that is proven already, unless pebble is told to; a refused nonce would count twice
    await using scene = await setScene({ pebble: { env: { PEBBLE_AUTHZREUSE: "0", PEBBLE_WFE_NONCEREJECT: "0" } } });
    const { bench, faults, time } = scene;
    const domain = "replaces.example.com";
    const orders = () => faults.seen.filter(({ path }) => path === "/order-plz").map(({ payload }) => payload.replaces);
    const idOf = async () => certificateId((await certificates.readCertificate(bench.deps, domain)).chain_pem!);
    const renew = async () => {
      const earlier = orders().length;
      await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY);
      await bench.edge.keeper.settled();
      return orders()[earlier]; // the first: pebble may not know the last certificate yet, and then has it sent without
    };
    await add(bench, domain);
    await bench.edge.keeper.settled();
    deepEqual(orders(), [undefined]);
    let id = await idOf();
    equal(await renew(), id);

    id = await idOf();
    bench.proxy.lie = "wrong";
    equal(await renew(), id);
    equal((await one(bench)).failures, 1);
    bench.proxy.lie = undefined;
    time.pass(DAY_MS);
    equal(await renew(), undefined, "the CA may have refused because of the link");

    const stored = (await bench.store.get<StoredCertificate>(certificateKey(domain)))!;
    const value = { ...stored.value, account: "https://ca.example/another" };
    await bench.store.commit([{ put: stored.key, value }], [stored]);
    equal(await renew(), undefined);
  },
});

Deno.test({
  name: "a renewal that was asked for and failed is tried again when cert ls says, though none is due",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, time } = scene;
    const domain = "asked.example.com";
    const dryRun = () => certificates.renewCertificate(bench.deps, { domain, dryRun: true }, BY);
    await add(bench, domain);
    await bench.edge.keeper.settled();
    const { fingerprint } = await one(bench);
    equal((await dryRun()).status, "not_due");
    faults.before = ({ path }) => path === "/order-plz" ? { status: 500 } : undefined;
    await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY);
    await bench.edge.keeper.settled();
    const { failures, next_attempt } = await one(bench);
    equal(failures, 1);
    const { status, reason } = await dryRun();
    deepEqual([status, reason], ["would_renew", `a new one was asked for; the next attempt is at ${next_attempt}`]);
    faults.before = () => undefined;
    time.set(new Date(Date.parse(next_attempt!) + 1000));
    await bench.edge.keeper.settled();
    const renewed = await one(bench);
    notEqual(renewed.fingerprint, fingerprint);
    deepEqual([renewed.failures, renewed.last_error], [0, null]);
    equal((await dryRun()).status, "not_due");
  },
});

Deno.test({
  name: "the certificate of a route that was removed is renewed no more, kept until its end, and then forgotten",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, time } = scene;
    const domain = "gone.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    const { not_after } = await one(bench);
    await deleteRoute(bench.deps, domain, BY);
    time.set(new Date(Date.parse(not_after!) - 60_000));
    const asked = faults.seen.length;
    await bench.edge.keeper.settled();
    equal((await one(bench)).days_left, 0);
    time.pass(120_000);
    await bench.edge.keeper.settled();
    equal(faults.seen.length, asked, "nobody asked the CA");
    deepEqual(await bench.store.list("certificate"), []);
  },
});

Deno.test({
  name: "a certificate that the CA has revoked is replaced once the CA says so",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const time = startClock();
    await using bench = await startBench({ pebble, now: time.now });
    const domain = "revoked.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    const before = await certificates.readCertificate(bench.deps, domain);
    const client = await (bench.deps.accounts as Accounts).client(pebble.directoryUrl);
    await client.revoke(new X509Certificate(before.chain_pem!).raw, 1);
    await bench.edge.keeper.settled();
    equal((await one(bench)).fingerprint, before.fingerprint);
    time.pass(13 * 3600_000);
    await bench.edge.keeper.settled();
    notEqual(
      (await one(bench)).fingerprint,
      before.fingerprint,
      bench.log.join("\n") + JSON.stringify(await plan(bench, domain)),
    );
  },
});

Deno.test({
  name: "after master.key was replaced, account and certificates are made anew by a renewal",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using store = await openSqliteStore(":memory:");
    const domain = "master.example.com";
    {
      await using bench = await startBench({ pebble, store });
      await add(bench, domain);
      await bench.edge.keeper.settled();
    }
    await using bench = await startBench({ pebble, store });
    await bench.edge.proxy.settled();
    const before = await one(bench);
    const [route] = await listRoutes(bench.deps);
    match(route!.reason!, /cannot be opened/);
    await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY);
    await bench.edge.keeper.settled();
    notEqual((await one(bench)).fingerprint, before.fingerprint, bench.log.join("\n"));
    await until(async () => (await one(bench)).state === "served", "service");
  },
});
