import { deepEqual, equal, match } from "node:assert/strict";
import { diagnose, type DoctorDeps } from "../../../daemon/certificates/doctor.ts";
import { type Plan, storePlan } from "../../../daemon/certificates/records.ts";
import { type StoredRoute, storeRoute } from "../../../daemon/routes/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

const NOW = new Date("2026-06-10T12:00:00.000Z");
const DOMAIN = "shop.example.com";
const CA = { meta: { caaIdentities: ["Letsencrypt.org"] } };

interface World {
  readonly mode?: StoredRoute["tls_mode"];
  readonly enabled?: boolean;
  readonly addresses?: readonly string[] | Error;
  readonly caa?: Readonly<Record<string, readonly { tag: string; value: string }[]>> | Error;
  readonly probe?: "ours" | { problem: string };
  readonly caTime?: Date | Error;
  readonly plan?: Partial<Plan>;
  readonly domain?: string;
}

/** The findings, by check. */
async function findings(world: World): Promise<Record<string, [result: string, detail: string]>> {
  await using store = await openSqliteStore(":memory:");
  const domain = world.domain ?? DOMAIN;
  if (world.mode !== undefined) {
    const route = { domain, project: "p", deployment: "d", tls_mode: world.mode, created_at: NOW.toISOString() };
    await store.commit([storeRoute(route)]);
  }
  if (world.plan !== undefined) {
    const plan: Plan = { domain, kind: "order", due: NOW.toISOString(), spread: 0, failures: 0, ...world.plan };
    await store.commit(storePlan(plan, undefined));
  }
  const give = <T>(value: T | Error) => value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
  const { caa = {} } = world;
  const deps = {
    store,
    now: () => NOW,
    settings: { directory: "https://ca.example/dir" },
    enabled: () => world.enabled ?? true,
    accounts: {
      client: () =>
        Promise.resolve({ directory: () => Promise.resolve(CA), serverTime: () => give(world.caTime ?? NOW) }),
    },
    surroundings: {
      addresses: () => give(world.addresses ?? ["203.0.113.1"]),
      caa: (name: string) => give(caa instanceof Error ? caa : caa[name] ?? []),
      probe: () => Promise.resolve(world.probe ?? "ours"),
    },
  } as unknown as DoctorDeps;
  const found = await diagnose(deps, domain, new AbortController().signal);
  return Object.fromEntries(found.map(({ check, result, detail }) => [check, [result, detail]]));
}

Deno.test("diagnose() finds nothing wrong where nothing is", async () => {
  const found = await findings({ mode: "auto" });
  deepEqual(Object.entries(found).filter(([, [result]]) => result === "problem"), []);
  deepEqual(Object.keys(found), [
    "route",
    "certificate",
    "dns",
    "port 80",
    "caa",
    "rate limits",
    "clock",
    "last order",
  ]);
});

Deno.test("diagnose() names a route that is missing, plain, waiting, or automatic without ACME", async () => {
  match((await findings({})).route![1], /helyos route add shop\.example\.com/);
  match((await findings({ mode: "none" })).route![1], /plain HTTP/);
  match((await findings({ mode: "manual" })).route![1], /helyos cert import/);
  const off = await findings({ mode: "auto", enabled: false });
  match(off.route![1], /--acme-email/);
  equal(off.clock![0], "skipped");
});

Deno.test("diagnose() tells a name that is not there from name servers that do not answer", async () => {
  const nowhere = await findings({ addresses: [] });
  match(nowhere.dns![1], /has no address in DNS/);
  equal(nowhere["port 80"]![0], "skipped");
  match((await findings({ addresses: new Error("SERVFAIL") })).dns![1], /DNS did not answer .* \(SERVFAIL\)/);
});

Deno.test("diagnose() says what answers on port 80 instead of this daemon", async () => {
  const found = await findings({ probe: { problem: "something else answers there" } });
  deepEqual(found["port 80"]![0], "problem");
  match(found["port 80"]![1], /203\.0\.113\.1 .* something else answers there\. Point the name to this machine/);
});

Deno.test("diagnose() reads CAA upwards, and issuewild for wildcards", async () => {
  const issue = (value: string) => [{ tag: "issue", value }];
  equal(
    (await findings({ caa: { "example.com": issue("letsencrypt.org; validationmethods=http-01") } })).caa![0],
    "ok",
  );
  const other = await findings({ caa: { "example.com": issue("other.example") } });
  match(other.caa![1], /allows other\.example alone\. Add: example\.com\. CAA 0 issue "letsencrypt\.org"/);
  match((await findings({ caa: { [DOMAIN]: issue(";") } })).caa![1], /allows nobody alone/);
  const closer = { [DOMAIN]: issue("letsencrypt.org"), "example.com": issue("other.example") };
  equal((await findings({ caa: closer })).caa![0], "ok", "the closest name counts");
  const wild = { "example.com": [...issue("letsencrypt.org"), { tag: "issuewild", value: ";" }] };
  equal((await findings({ caa: wild })).caa![0], "ok");
  equal((await findings({ caa: wild, domain: "*.example.com" })).caa![0], "problem");
  equal((await findings({ caa: { [DOMAIN]: [{ tag: "iodef", value: "mailto:x" }] } })).caa![0], "ok");
  match((await findings({ caa: new Error("timeout") })).caa![1], /a CA refuses then/);
});

Deno.test("diagnose() tells a clock that is off, limits, and the CA's last words", async () => {
  match((await findings({ caTime: new Date(NOW.getTime() - 600_000) })).clock![1], /600 seconds ahead of the CA's/);
  match((await findings({ caTime: new Error("refused") })).clock![1], /cannot be asked: refused/);
  const later = new Date(NOW.getTime() + 3_600_000).toISOString();
  const asked = await findings({ plan: { pauses: { "https://ca.example/dir": later } } });
  match(asked["rate limits"]![1], /asked not to be asked again before 2026-06-10T13/);
  const failed = await findings({
    plan: {
      failures: 2,
      nextAttempt: later,
      lastFailure: {
        at: NOW.toISOString(),
        code: "challenge_failed",
        message: "no",
        directory: "https://ca.example/dir",
        problem: { type: "dns", detail: "NXDOMAIN", status: 400, subproblems: [] },
      },
    },
  });
  match(failed["rate limits"]![1], /After 2 failures .* helyos cert renew/);
  match(failed["last order"]![1], /could not look the name up in DNS.*NXDOMAIN/);
});
