/**
 * Many domains at once, several daemons on one store, and the one account they share.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import * as certificates from "../../../daemon/certificates/certificates.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { startFaults } from "../../support/acme_faults.ts";
import { startPebble, writeDnsHook } from "../../support/pebble.ts";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";
import { add, one, rejectsConflict, setScene, startBench, until } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

Deno.test({
  name: "a CA that forgot the account while many orders are under way makes it once more, and no order fails",
  ignore,
  async fn() {
    await using scene = await setScene({ pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } } });
    const { bench, faults, pebble } = scene;
    await add(bench, "first.example.com");
    await bench.edge.keeper.settled();
    await pebble.restart();
    const before = faults.seen.length;
    await Promise.all(Array.from({ length: 24 }, (_, index) => add(bench, `again-${index}.example.com`)));
    await bench.edge.keeper.settled();
    const failed = (await certificates.listCertificates(bench.deps)).filter(({ failures }) => failures > 0);
    deepEqual(failed.map(({ domain, last_error }) => [domain, last_error]), []);
    equal(faults.seen.slice(before).filter(({ path }) => path === "/sign-me-up").length, 1);
  },
});

Deno.test({
  name: "the account's contact follows --acme-email, and a CA that will not hear of it gives certificates all the same",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using faults = await startFaults(pebble);
    await using store = await openSqliteStore(":memory:");
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    const settings = { directory: faults.directoryUrl, ca: faults.ca };
    const contacts = () => faults.seen.flatMap(({ payload }) => payload.contact as string[] ?? []);
    const order = async (domain: string, acmeEmail: string) => {
      await using bench = await startBench({ pebble, store, sealer, settings, config: { acmeEmail } });
      await add(bench, domain);
      await bench.edge.keeper.settled();
      equal((await one(bench, domain)).failures, 0, bench.log.join("\n"));
    };
    const [old, late] = ["mailto:old@example.com", "mailto:new@example.com"];
    await order("a.example.com", "old@example.com");
    await order("b.example.com", "old@example.com");
    deepEqual([...new Set(contacts())], [old]);
    const told = contacts().length;
    let refusals = 0;
    faults.before = ({ payload }) =>
      payload.contact !== undefined && refusals++ === 0
        ? { status: 400, body: { type: "urn:ietf:params:acme:error:invalidContact", detail: "no" } }
        : undefined;
    await order("c.example.com", "new@example.com");
    await order("d.example.com", "new@example.com");
    deepEqual(contacts().slice(told).filter((contact) => contact !== late), []);
    const known = contacts().length;
    ok(known >= told + 2, "refused at first, told at the next start");
    await order("e.example.com", "new@example.com");
    equal(contacts().length, known, "told once");
  },
});

Deno.test({
  name: "200 domains at once are ordered eight at a time, each exactly once",
  ignore,
  async fn() {
    // A refused nonce would count twice
    await using scene = await setScene({ pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } } });
    const { bench, faults } = scene;
    let most = 0;
    let open = 0;
    faults.before = ({ path }) => {
      if (path.startsWith("/order-plz")) most = Math.max(most, ++open);
      return undefined;
    };
    faults.after = ({ path }) => {
      if (path.startsWith("/certZ")) open--;
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => add(bench, `many-${index}.example.com`)));
    await until(async () => {
      const all = await certificates.listCertificates(bench.deps);
      return all.length === 200 && all.every(({ state, failures }) => state === "served" || failures > 0);
    }, "200 certificates");
    equal(faults.finalized(), 200);
    ok(most > 1 && most <= 8, `${most} at once`);
  },
});

Deno.test({
  name: "wildcards are proven by DNS-01, and two daemons on one store order each exactly once",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using faults = await startFaults(pebble);
    await using folder = await temporaryFolder();
    const acmeDnsHook = await writeDnsHook(pebble, folder.path);
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    await using storeA = await openSqliteStore(`${folder.path}/state.db`);
    await using storeB = await openSqliteStore(`${folder.path}/state.db`);
    const settings = { directory: faults.directoryUrl, ca: faults.ca };
    const config = { acmeDnsHook };
    await using refusing = await startBench({ pebble });
    await rejectsConflict(() => add(refusing, "*.example.com"), /--acme-dns-hook/);

    await using a = await startBench({ pebble, store: storeA, sealer, settings, config });
    const elsewhere = { ...config, httpListen: { host: "127.0.0.1", port: 0 } };
    await using _b = await startBench({ pebble, store: storeB, sealer, settings, config: elsewhere });
    const domains = Array.from({ length: 12 }, (_, index) => `*.w${index}.example.com`);
    await Promise.all(domains.map((domain) => add(a, domain)));
    await until(async () => {
      const all = await certificates.listCertificates(a.deps);
      return all.every(({ state }) => state === "served" || state === "failed");
    }, "12 certificates");
    equal(faults.finalized(), 12);
    deepEqual((await one(a, "*.w3.example.com")).names, ["*.w3.example.com"]);
  },
});

Deno.test({
  name: "an order that takes longer than its lock lasts stays with the daemon that began it",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using folder = await temporaryFolder();
    const [acmeDnsHook, calls] = [`${folder.path}/slow-hook`, `${folder.path}/calls`];
    const hook = await writeDnsHook(pebble, folder.path);
    await Deno.writeTextFile(acmeDnsHook, `#!/bin/sh\necho "$1" >>${calls}\nsleep 1.5\nexec ${hook} "$@"\n`, {
      mode: 0o700,
    });
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    await using storeA = await openSqliteStore(`${folder.path}/state.db`);
    await using storeB = await openSqliteStore(`${folder.path}/state.db`);
    const shared = { pebble, sealer, lockMs: 600 };
    await using a = await startBench({ ...shared, store: storeA, config: { acmeDnsHook } });
    const elsewhere = { acmeDnsHook, httpListen: { host: "127.0.0.1", port: 0 } };
    await using b = await startBench({ ...shared, store: storeB, config: elsewhere });
    await add(a, "*.slow.example.com");
    await until(async () => {
      await b.edge.keeper.tick();
      return (await one(a)).fingerprint;
    }, "the certificate");
    equal((await Deno.readTextFile(calls)).split("\n").filter((call) => call === "present").length, 1);
  },
});
