/**
 * Orders that go wrong: CAs that are down, refuse, forget or want patience, and disks that are full.
 */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { parseCertificates, verifyChain } from "@helyos/pki";
import * as certificates from "../../../daemon/certificates/certificates.ts";
import { diagnose } from "../../../daemon/certificates/doctor.ts";
import { deleteRoute } from "../../../daemon/routes/routes.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { StoreError } from "../../../daemon/store/store.ts";
import { aroundStore } from "../../support/around_store.ts";
import { startFaults } from "../../support/acme_faults.ts";
import { startPebble, writeDnsHook } from "../../support/pebble.ts";
import { temporaryFolder } from "../../support/process.ts";
import { TestProxy } from "../../support/test_proxy.ts";
import { lacking } from "../../support/tools.ts";
import { add, BY, one, plan, rejectsConflict, setScene, startBench, startClock, until } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

Deno.test({
  name: "a CA that is down for a week is asked after 1, 10 and 100 minutes, then daily, and answers in the end",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    pebble.pause();
    const time = startClock();
    await using bench = await startBench({ pebble, now: time.now });
    await add(bench, "down.example.com");
    const pauses: number[] = [];
    const end = time.now().getTime() + 7 * DAY_MS;
    while (time.now().getTime() < end) {
      await bench.edge.keeper.settled();
      const { next_attempt, failures, last_error, state } = await one(bench);
      equal(failures, pauses.length + 1);
      equal(state, "failed");
      match(last_error!, /Cannot reach the CA's server/);
      pauses.push((Date.parse(next_attempt!) - time.now().getTime()) / MINUTE_MS);
      time.set(new Date(Date.parse(next_attempt!) + 1000));
    }
    for (const [index, wanted] of [1, 10, 100, 1440, 1440, 1440].entries()) {
      ok(
        pauses[index]! >= wanted * 0.99 && pauses[index]! <= wanted * 1.26,
        `pause ${index}: ${pauses[index]} minutes`,
      );
    }
    ok(pauses.length <= 11, `${pauses.length} attempts in a week`);
    const again = () => bench.log.filter((line) => line.includes("has a certificate again")).length;
    equal(again(), 0, "while it has none");
    await pebble.restart();
    await bench.edge.keeper.settled();
    const served = await until(async () => (await one(bench)).state === "served" && one(bench), "service");
    deepEqual([served.failures, served.last_error, served.next_attempt], [0, null, null]);
    equal(again(), 1);
  },
});

Deno.test({
  name: "a wrong answer to the challenge fails the order, says why, and counts over a restart",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const time = startClock();
    await using store = await openSqliteStore(":memory:", { now: time.now });
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    const lying = () => Object.assign(new TestProxy(), { lie: "something else" });
    {
      await using bench = await startBench({ pebble, now: time.now, store, sealer, proxy: lying() });
      await add(bench, "lie.example.com");
      await bench.edge.keeper.settled();
      const { failures, last_error, state } = await one(bench);
      deepEqual([failures, state], [1, "failed"]);
      match(last_error!, /Cannot prove lie.example.com/);
      match(bench.metrics(), /helyos_certificate_failures_total\{domain="lie.example.com"\} 1/);
      const findings = await diagnose(bench.deps, "lie.example.com");
      match(findings.find(({ check }) => check === "last order")!.detail, /gave another answer|does not match/);
      match(findings.find(({ check }) => check === "rate limits")!.detail, /helyos cert renew/);
    }
    await using bench = await startBench({ pebble, now: time.now, store, sealer });
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 1, "nothing is tried before its time");
    time.pass(2 * MINUTE_MS);
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 0);
  },
});

Deno.test({
  name: "429 and 503 with Retry-After are obeyed, as seconds and as a date, also by cert renew and cert rm",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, time } = scene;
    const domain = "patience.example.com";
    const refuse = (status: number, type: string, retryAfter: string) => (request: { path: string }) =>
      request.path.startsWith("/order-plz")
        ? {
          status,
          headers: { "retry-after": retryAfter, date: time.now().toUTCString() },
          body: { type: `urn:ietf:params:acme:error:${type}`, detail: "too many" },
        }
        : undefined;
    faults.before = refuse(429, "rateLimited", String(5 * 3600));
    await add(bench, domain);
    await bench.edge.keeper.settled();
    const first = Date.parse((await one(bench, domain)).next_attempt!) - time.now().getTime();
    ok(Math.abs(first - 5 * 3600_000) < 10_000, `waits ${first} ms`);
    // It may be about that name alone, so others are ordered
    const { before } = faults;
    faults.before = () => undefined;
    await add(bench, "other.example.com");
    await bench.edge.keeper.settled();
    equal((await one(bench, "other.example.com")).failures, 0);
    ok((await one(bench, "other.example.com")).fingerprint);
    await deleteRoute(bench.deps, "other.example.com", BY);
    faults.before = before;
    const asked = faults.seen.length;
    const would = await certificates.renewCertificate(bench.deps, { domain, dryRun: true }, BY);
    match(would.reason, /^there is no certificate yet; the next attempt is at 2/);
    await rejectsConflict(
      () => certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY),
      /not to be asked/,
    );
    await certificates.deleteCertificate(bench.deps, domain, BY);
    time.pass(4 * 3600_000);
    await bench.edge.keeper.settled();
    equal(faults.seen.length, asked, "the CA is left alone");

    time.pass(3600_000 + 1000);
    const date = new Date(Math.floor(time.now().getTime() / 1000) * 1000 + 2 * DAY_MS);
    faults.before = refuse(503, "serverInternal", date.toUTCString());
    await bench.edge.keeper.settled();
    equal((await one(bench, domain)).next_attempt, date.toISOString());
    time.pass(2 * DAY_MS + 2000);
    faults.before = () => undefined;
    await bench.edge.keeper.settled();
    equal((await one(bench, domain)).failures, 0);
  },
});

Deno.test({
  name: "a CA that asks everybody for patience by 503 is left alone for every name, and no name fails more than once",
  ignore,
  async fn() {
    await using scene = await setScene({ pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } } });
    const { bench, faults, time } = scene;
    await add(bench, "first.example.com");
    await bench.edge.keeper.settled();
    let orders = 0;
    faults.before = ({ path }) => {
      if (!path.startsWith("/order-plz")) return undefined;
      orders++;
      return { status: 503, headers: { "retry-after": "7200" }, body: "down for maintenance" };
    };
    await Promise.all(Array.from({ length: 30 }, (_, index) => add(bench, `calm-${index}.example.com`)));
    await bench.edge.keeper.settled();
    ok(orders <= 8, `${orders} orders: those that were under way, and no other`);
    for (const { domain, next_attempt, fingerprint } of await certificates.listCertificates(bench.deps)) {
      if (fingerprint !== null) continue;
      const wait = Date.parse(next_attempt!) - time.now().getTime();
      ok(wait > 7_100_000 && wait < 7_300_000, `${domain} waits ${wait} ms`);
      ok((await plan(bench, domain)).pauses?.[faults.directoryUrl], "also after a restart");
    }
    const asked = faults.seen.length;
    time.pass(7_000_000);
    await bench.edge.keeper.settled();
    equal(faults.seen.length, asked, "the CA is left alone");
    faults.before = () => undefined;
    time.pass(300_000);
    await bench.edge.keeper.settled();
    const all = await certificates.listCertificates(bench.deps);
    deepEqual(all.filter(({ fingerprint }) => fingerprint === null), []);
  },
});

Deno.test({
  name: "pebble restarted in the middle of an order, its state forgotten: account and order are made anew",
  ignore,
  async fn() {
    await using scene = await setScene();
    const { bench, faults, pebble } = scene;
    let restarting: Promise<void> | undefined;
    faults.before = ({ path }) => {
      if (!path.startsWith("/authZ") || restarting !== undefined) return undefined;
      restarting = pebble.restart();
      return { status: 503, body: { type: "urn:ietf:params:acme:error:serverInternal", detail: "restarting" } };
    };
    await add(bench, "restart.example.com");
    await bench.edge.keeper.settled();
    await restarting;
    equal((await one(bench)).failures, 1);
    await certificates.renewCertificate(bench.deps, { domain: "restart.example.com", dryRun: false }, BY);
    await bench.edge.keeper.settled();
    deepEqual([(await one(bench)).failures, (await one(bench)).last_error], [0, null]);
  },
});

Deno.test({
  name: "a disk that is full when the certificate is to be saved loses nothing: the same one is fetched again",
  ignore,
  async fn() {
    let full = true;
    await using scene = await setScene({
      async store(now) {
        const real = await openSqliteStore(":memory:", { now });
        return aroundStore(real, {
          commit(operations, guards) {
            const saves = operations.some((one) => "put" in one && one.put.startsWith("certificates/"));
            if (full && saves) return Promise.reject(new StoreError("full", "database or disk is full"));
            return real.commit(operations, guards);
          },
        });
      },
    });
    const { bench, faults, time } = scene;
    await add(bench, "full.example.com");
    await bench.edge.keeper.settled();
    equal(faults.finalized(), 1);
    match((await one(bench)).last_error!, /full/);
    full = false;
    time.pass(2 * MINUTE_MS);
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 0);
    equal(faults.finalized(), 1, "one certificate");
  },
});

Deno.test({
  name: "after a failed order the staging directory is tried first, and production only once that works",
  ignore,
  async fn() {
    await using production = await startPebble();
    await using staging = await startPebble({ beside: production });
    await using faults = await startFaults(production);
    const time = startClock();
    const proxy = new TestProxy();
    proxy.lie = "wrong";
    await using bench = await startBench({
      pebble: production,
      now: time.now,
      proxy,
      settings: { directory: faults.directoryUrl, staging: staging.directoryUrl, ca: faults.ca + staging.ca },
    });
    const domain = "stage.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    equal((await plan(bench, domain)).lastFailure!.directory, faults.directoryUrl);
    const asked = faults.seen.length;
    time.pass(2 * MINUTE_MS);
    await bench.edge.keeper.settled();
    equal((await plan(bench, domain)).lastFailure!.directory, staging.directoryUrl);
    equal(faults.seen.length, asked, "production was left alone");

    proxy.lie = undefined;
    time.pass(15 * MINUTE_MS);
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 0);
    const chain = (await certificates.readCertificate(bench.deps, domain)).chain_pem!;
    const [leaf, intermediate] = parseCertificates(chain);
    const result = await verifyChain(leaf!.der, [intermediate!.der], [await production.root()], { at: time.now() });
    equal(result.ok, true, "what staging gave is thrown away");
  },
});

Deno.test({
  name: "a staging directory that is down keeps nobody from production",
  ignore,
  async fn() {
    await using staging = await startPebble();
    staging.pause();
    const proxy = new TestProxy();
    proxy.lie = "wrong";
    await using scene = await setScene({ proxy, settings: { staging: staging.directoryUrl } });
    const { bench, time } = scene;
    await add(bench, "stage.example.com");
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 1);
    proxy.lie = undefined;
    time.pass(2 * MINUTE_MS);
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 0);
    match(bench.log.join("\n"), /without a rehearsal.*Cannot reach the CA/);
  },
});

Deno.test({
  name: "a name that port 80 does not prove is proven by the DNS hook, and from then on at once",
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    await using pebble = await startPebble({ env: { PEBBLE_AUTHZREUSE: "0" } });
    const time = startClock();
    const proxy = new TestProxy();
    proxy.lie = "wrong";
    const acmeDnsHook = await writeDnsHook(pebble, folder.path);
    await using bench = await startBench({ pebble, now: time.now, proxy, config: { acmeDnsHook } });
    const domain = "balanced.example.com";
    await add(bench, domain);
    await bench.edge.keeper.settled();
    equal((await one(bench)).failures, 1, "HTTP-01 comes first");
    time.pass(2 * MINUTE_MS);
    await bench.edge.keeper.settled();
    const first = await one(bench);
    equal(first.failures, 0, bench.log.join("\n"));
    await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY);
    await bench.edge.keeper.settled();
    const second = await one(bench);
    equal(second.failures, 0);
    notEqual(second.fingerprint, first.fingerprint);
    ok(!bench.log.some((line) => line.includes("could not be taken away")));
  },
});

Deno.test({
  name: "a second CA gives the certificate while the first one gives none",
  ignore,
  async fn() {
    await using first = await startPebble();
    await using second = await startPebble();
    await using faults = await startFaults(first);
    faults.before = ({ path }) =>
      path.startsWith("/order-plz")
        ? { status: 500, body: { type: "urn:ietf:params:acme:error:serverInternal", detail: "sorry" } }
        : undefined;
    const time = startClock();
    const proxy = new TestProxy();
    await using bench = await startBench({
      pebble: second,
      now: time.now,
      proxy,
      settings: { directory: faults.directoryUrl, fallback: second.directoryUrl, ca: faults.ca + second.ca },
    });
    await add(bench, "fallback.example.com");
    for (let attempt = 0; attempt < 3; attempt++) {
      await bench.edge.keeper.settled();
      time.pass(15 * MINUTE_MS);
    }
    const certificate = await one(bench);
    deepEqual([certificate.failures, certificate.state !== "failed"], [0, true]);
    ok(certificate.fingerprint);
  },
});

Deno.test({
  name: "a CA that never answers keeps the daemon from nothing, stopping included",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    silent.once("connection", () => take());
    await new Promise<void>((ready) => silent.once("listening", ready));
    const directory = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/dir`;
    const bench = await startBench({ pebble, settings: { directory } });
    await add(bench, "silent.example.com");
    await taken;
    const asked = performance.now();
    const findings = await diagnose(bench.deps, "silent.example.com");
    match(findings.find(({ check }) => check === "ca")!.detail, /no answer in time/);
    ok(performance.now() - asked < 12_000, "the doctor waits no longer than people do");
    const started = performance.now();
    await bench[Symbol.asyncDispose]();
    ok(performance.now() - started < 8_000);
    sockets.forEach((socket) => socket.destroy());
    silent.close();
  },
});
