import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { AcmeError, type Solver } from "@helyos/acme";
import { waysOf } from "../../../daemon/certificates/order.ts";
import { CertificateKeeper } from "../../../daemon/certificates/keeper.ts";
import {
  certificateKey,
  domainOfDue,
  dueKey,
  dueUntil,
  type Plan,
  type StoredCertificate,
  storePlan,
} from "../../../daemon/certificates/records.ts";
import {
  afterFailure,
  chooseDirectory,
  firstDue,
  orderDue,
  pausedUntil,
  renewalAt,
  watchDue,
  wishOf,
  withQuiet,
} from "../../../daemon/certificates/schedule.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { Operation, Store } from "../../../daemon/store/store.ts";
import { aroundStore } from "../../support/around_store.ts";

const NOW = new Date("2026-06-10T12:00:00.000Z");
const DAY_MS = 86_400_000;
const FIRST = "https://one.example/dir";
const SECOND = "https://two.example/dir";

const days = (count: number) => new Date(NOW.getTime() + count * DAY_MS);

const certificate = (domain: string, from: number, to: number): StoredCertificate => ({
  domain,
  source: "import",
  names: [domain],
  chainPem: "",
  sealedKey: "",
  issuer: "CN=x",
  fingerprint: "aa",
  notBefore: days(from).toISOString(),
  notAfter: days(to).toISOString(),
  storedAt: days(from).toISOString(),
});

const plan = (extra: Partial<Plan> = {}): Plan => ({
  domain: "a.example",
  kind: "order",
  due: NOW.toISOString(),
  spread: 0,
  failures: 0,
  ...extra,
});

Deno.test("CertificateKeeper sweeps 100,000 certificates by reading those that are due alone", async () => {
  await using real = await openSqliteStore(":memory:", { now: () => NOW });
  const total = 100_000;
  for (let at = 0; at < total; at += 5000) {
    const operations: Operation[] = [];
    for (let index = at; index < at + 5000; index++) {
      const domain = `c${index}.example`;
      const isDue = index % 40_000 === 7;
      const stored = certificate(domain, -60, isDue ? 20 : 80);
      operations.push({ put: certificateKey(domain), value: stored });
      operations.push(
        ...storePlan(plan({ domain, kind: "watch", due: days(isDue ? -1 : 50).toISOString() }), undefined),
      );
    }
    ok(await real.commit(operations));
  }
  let read = 0;
  const store = aroundStore(real, {
    async list<T>(...args: Parameters<Store["list"]>) {
      const entries = await real.list<T>(...args);
      read += entries.length;
      return entries;
    },
    get<T>(key: string) {
      read++;
      return real.get<T>(key);
    },
  });
  const nobody = () => Promise.reject(new Error("nobody"));
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  await using keeper = new CertificateKeeper({
    store,
    sealer: await openSealerWith(new Uint8Array(32)),
    now: () => NOW,
    accounts: { client: nobody, replace: nobody },
    solvers: [],
    settings: { directory: FIRST },
    enabled: () => false,
    meter: { attempt() {}, failure() {} },
    log: { info: say, warn: say, error: say },
  });
  const started = performance.now();
  await keeper.settled();
  const took = performance.now() - started;
  deepEqual(said.map((line) => /c\d+/.exec(line)![0]).sort(), ["c40007", "c7", "c80007"]);
  ok(read < 40, `${read} entries were read`);
  ok(took < 1000, `${took} ms`);
});

Deno.test("keys of the index are in the order of time, and domainOfDue() finds the domain again", () => {
  const before = dueKey(new Date(NOW.getTime() - 1).toISOString(), "z.example");
  const at = dueKey(NOW.toISOString(), "a.example");
  const after = dueKey(new Date(NOW.getTime() + 1).toISOString(), "a.example");
  ok(before < at && at < dueUntil(NOW) && dueUntil(NOW) < after);
  equal(domainOfDue(at), "a.example");
});

Deno.test("renewalAt() follows the CA's wish about this very certificate, else the lifetime", () => {
  const ours = certificate("a.example", 0, 90);
  equal(renewalAt(ours, plan()).toISOString(), days(60).toISOString());
  const wish = { fingerprint: "aa", start: days(10).toISOString(), end: days(11).toISOString(), askAgain: "" };
  equal(renewalAt(ours, plan({ wish })).toISOString(), days(10).toISOString());
  equal(renewalAt(ours, plan({ wish: { ...wish, fingerprint: "bb" } })).toISOString(), days(60).toISOString());
});

Deno.test("wishOf() keeps Retry-After within a minute and a day, and asks twice a day without one", () => {
  const ours = certificate("a.example", 0, 90);
  const info = { start: days(1), end: days(2), explanationUrl: undefined };
  const asks = (retryAt: Date | undefined) =>
    Date.parse(wishOf(ours, { ...info, retryAt }, NOW).askAgain) - NOW.getTime();
  equal(asks(undefined), DAY_MS / 2);
  equal(asks(new Date(NOW.getTime() + 3_600_000)), 3_600_000);
  equal(asks(NOW), 60_000);
  equal(asks(days(40)), DAY_MS);
});

Deno.test("firstDue() never orders one certificate after the other, whatever the clock says", () => {
  const old = certificate("a.example", -80, 10);
  equal(orderDue(plan(), old, NOW) <= NOW, true);
  equal(firstDue(plan(), old, NOW).toISOString(), days(1).toISOString());
});

Deno.test("chooseDirectory() asks the fallback every other time after two failures, and nobody who asked for peace", () => {
  const both = { directory: FIRST, fallback: SECOND };
  const chosen = (failures: number, extra: Partial<Plan> = {}) =>
    chooseDirectory(both, plan({ failures, ...extra }), NOW);
  deepEqual([0, 1, 2, 3, 4].map((failures) => chosen(failures)), [FIRST, FIRST, SECOND, FIRST, SECOND]);
  equal(chosen(0, { pauses: { [FIRST]: days(1).toISOString() } }), SECOND);
  equal(chosen(0, { pauses: { [FIRST]: days(1).toISOString(), [SECOND]: days(2).toISOString() } }), undefined);
  equal(chosen(0, { pauses: { [FIRST]: days(-1).toISOString() } }), FIRST);
  equal(
    pausedUntil(both, plan({ pauses: { [FIRST]: days(1).toISOString(), [SECOND]: days(2).toISOString() } }))!
      .toISOString(),
    days(1).toISOString(),
  );
});

Deno.test("withQuiet() lets no word to everybody cut short what a CA asked for one name", () => {
  const quiet = (until: number) => new Map([[FIRST, days(until).toISOString()]]);
  const both = { directory: FIRST, fallback: SECOND };
  const asked = plan({ pauses: { [FIRST]: days(2).toISOString(), [SECOND]: days(3).toISOString() } });
  for (const [until, expected] of [[-1, 2], [1, 2], [4, 3]] as const) {
    const patient = withQuiet(asked, quiet(until));
    equal(chooseDirectory(both, patient, NOW), undefined);
    equal(pausedUntil(both, patient)!.toISOString(), days(expected).toISOString());
  }
  equal(chooseDirectory(both, withQuiet(plan(), quiet(1)), NOW), SECOND);
  equal(chooseDirectory(both, withQuiet(plan(), new Map()), NOW), FIRST);
});

Deno.test("waysOf() and chooseDirectory() try every way at every CA, the way that worked last first", () => {
  const solver = (type: Solver["type"]): Solver => ({
    type,
    present: () => Promise.resolve(),
    cleanUp: () => Promise.resolve(),
  });
  const solvers = [solver("http-01"), solver("dns-01")];
  const first = (extra: Partial<Plan>) => waysOf({ solvers }, plan(extra))[0]!.type;
  deepEqual([first({}), first({ failures: 1 })], ["http-01", "dns-01"]);
  deepEqual([first({ proof: "dns-01" }), first({ proof: "dns-01", failures: 1 })], ["dns-01", "http-01"]);
  deepEqual(waysOf({ solvers: solvers.slice(0, 1) }, plan({ failures: 3 })), solvers.slice(0, 1));
  const both = { directory: FIRST, fallback: SECOND };
  const tried = [0, 1, 2, 3, 4, 5, 6].map((failures) =>
    `${chooseDirectory(both, plan({ failures }), NOW)} ${first({ failures })}`
  );
  equal(new Set(tried).size, 4, tried.join());
});

Deno.test("afterFailure() keeps an order that only met trouble on the way, and drops one the CA refused", () => {
  const order = { directory: FIRST, sealedKey: "x", url: "https://one.example/order/1" };
  const at = { directory: FIRST, settings: { directory: FIRST }, now: NOW };
  const passing = afterFailure(plan({ order, forced: true }), new AcmeError("unavailable", "down"), at);
  deepEqual([passing.order, passing.failures, passing.forced], [order, 1, true]);
  const refused = afterFailure(plan({ order }), new AcmeError("challenge_failed", "no"), at);
  equal(refused.order, undefined);
  equal(refused.due, refused.nextAttempt);
  const patient = afterFailure(plan(), new AcmeError("rate_limited", "no", { retryAt: days(7) }), at);
  equal(patient.nextAttempt, days(7).toISOString());
  const forever = afterFailure(plan(), new AcmeError("rate_limited", "no", { retryAt: days(9000) }), at);
  equal(forever.nextAttempt, days(30).toISOString());
});

Deno.test("watchDue() announces 30 days or a third of the life before the end, then daily", () => {
  equal(watchDue(certificate("a", 0, 90), NOW).toISOString(), days(60).toISOString());
  equal(watchDue(certificate("a", 0, 9), NOW).toISOString(), days(6).toISOString());
  equal(watchDue(certificate("a", -80, 10), NOW).toISOString(), days(1).toISOString());
  throws(() => renewalAt(certificate("a", 1, 1), plan()), RangeError);
});
