import { deepEqual, equal, match } from "node:assert/strict";
import { AcmeError } from "@helyos/acme";
import { diagnose, type DoctorDeps } from "../../../daemon/certificates/doctor.ts";
import {
  certificateKey,
  type Plan,
  type Seen,
  type StoredCertificate,
  storePlan,
} from "../../../daemon/certificates/records.ts";
import { type StoredRoute, storeRoute } from "../../../daemon/routes/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

const NOW = new Date("2026-06-10T12:00:00.000Z");
const days = (count: number) => new Date(NOW.getTime() + count * 86_400_000).toISOString();
const DOMAIN = "shop.example.com";
const DIRECTORY = "https://ca.example/dir";
const META = { caaIdentities: ["Letsencrypt.org"], profiles: { classic: "", shortlived: "" } };

interface World {
  readonly mode?: StoredRoute["tls_mode"];
  readonly enabled?: boolean;
  readonly addresses?: readonly string[] | Error;
  readonly caa?: Readonly<Record<string, readonly { critical?: boolean; tag: string; value: string }[]>> | Error;
  readonly probe?: "ours" | { problem: string } | DOMException;
  readonly caTime?: Date | Error;
  /** What the CA's directory says about itself. */
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly profile?: string;
  readonly account?: string;
  readonly certificate?: Partial<StoredCertificate>;
  readonly seen?: Partial<Seen>;
  readonly proxy?: string;
  readonly hook?: boolean;
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
  if (world.certificate !== undefined) {
    const value = {
      domain,
      source: "acme",
      issuer: "CN=CA",
      notBefore: days(-10),
      notAfter: days(80),
      ...world.certificate,
    };
    await store.commit([{ put: certificateKey(value.domain), value }]);
  }
  const give = <T>(value: T | Error) => value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
  const { caa = {} } = world;
  const deps = {
    store,
    now: () => NOW,
    settings: { directory: DIRECTORY, ...(world.profile === undefined ? {} : { profile: world.profile }) },
    enabled: () => world.enabled ?? true,
    accounts: {
      visit: () =>
        Promise.resolve({
          directory: () => Promise.resolve({ meta: { ...META, ...world.meta } }),
          serverTime: () => give(world.caTime ?? NOW),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        }),
      url: () => Promise.resolve(world.account),
    },
    wildcards: () => world.hook ?? false,
    seen: () => ({ state: "served", checkedAt: null, ...world.seen }),
    trouble: () => undefined,
    proxy: () =>
      world.proxy === undefined
        ? { state: "serving", detail: "embedded: serving", answers: true }
        : { state: "failing", detail: world.proxy, answers: false },
    surroundings: {
      addresses: () => give(world.addresses ?? ["203.0.113.1"]),
      caa: (name: string) => give(caa instanceof Error ? caa : caa[name] ?? []),
      probe: () =>
        world.probe instanceof DOMException ? Promise.reject(world.probe) : Promise.resolve(world.probe ?? "ours"),
    },
  } as unknown as DoctorDeps;
  const found = await diagnose(deps, domain);
  return Object.fromEntries(found.map(({ check, result, detail }) => [check, [result, detail]]));
}

Deno.test("diagnose() finds nothing wrong where nothing is", async () => {
  const found = await findings({ mode: "auto" });
  deepEqual(Object.entries(found).filter(([, [result]]) => result === "problem"), []);
  deepEqual(Object.keys(found), [
    ...["route", "certificate", "proxy", "dns", "port 80", "caa", "rate limits", "ca", "clock", "last order"],
  ]);
});

Deno.test("diagnose() names a route that is missing, plain, waiting, or automatic without ACME", async () => {
  match((await findings({})).route![1], /helyos route add shop\.example\.com/);
  match((await findings({ domain: "*.example.com" })).route![1], /helyos route add '\*\.example\.com' /);
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
  const hooked = await findings({ probe: { problem: "something else answers there" }, hook: true });
  deepEqual(hooked["port 80"]![0], "warning");
  match(hooked["port 80"]![1], /the DNS hook proves the name/);
  const slow = await findings({ probe: new DOMException("The operation timed out", "TimeoutError") });
  match(slow["port 80"]![1], /no answer in time/);
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
  match((await findings({ domain: "*.example.com" })).dns![1], /--acme-dns-hook/);
  equal((await findings({ domain: "*.example.com", hook: true })).dns![0], "skipped");
  equal((await findings({ caa: { [DOMAIN]: [{ tag: "iodef", value: "mailto:x" }] } })).caa![0], "ok");
  match((await findings({ caa: new Error("timeout") })).caa![1], /a CA refuses then/);
});

Deno.test("diagnose() tells a clock that is off, limits, and the CA's last words", async () => {
  match((await findings({ caTime: new Date(NOW.getTime() - 600_000) })).clock![1], /600 seconds ahead of the CA's/);
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
  match(
    (await findings({ plan: { failures: 1, nextAttempt: later } }))["rate limits"]![1],
    /^After a failure the next/,
  );
  match(failed["last order"]![1], /could not look the name up in DNS.*NXDOMAIN/);
});

Deno.test("diagnose() says what CAA parameters and critical records forbid (RFC 8657, RFC 8659)", async () => {
  const caa = async (value: string, more: Partial<World> = {}) =>
    (await findings({ caa: { "example.com": [{ tag: "ISSUE", value }] }, ...more })).caa!;
  const byDns = await caa("letsencrypt.org; validationmethods=dns-01, tls-alpn-01");
  deepEqual(byDns[0], "problem");
  match(byDns[1], /allows the CA, but only by dns-01, tls-alpn-01, and this name is proven by http-01/);
  equal((await caa("letsencrypt.org; validationmethods=dns-01", { domain: "*.example.com" }))[0], "ok");
  equal((await caa("letsencrypt.org; validationmethods=dns-01", { plan: { proof: "dns-01" } }))[0], "ok");
  const account = "https://ca.example/acct/1";
  equal((await caa(`letsencrypt.org; accounturi=${account}`, { account }))[0], "ok");
  equal((await caa(`letsencrypt.org; accounturi=${account}`))[0], "ok", "nobody knows the account yet");
  match((await caa("letsencrypt.org; accounturi=https://ca.example/acct/2", { account }))[1], /accounturi=.*acct\/1"/);
  const both = [{ tag: "issue", value: "letsencrypt.org; validationmethods=dns-01" }, {
    tag: "issue",
    value: "letsencrypt.org",
  }];
  equal((await findings({ caa: { [DOMAIN]: both } })).caa![0], "ok", "one of them is enough");
  equal((await caa("LetsEncrypt.ORG"))[0], "ok", "names know no letter case");
  const strange = [{ tag: "issue", value: "letsencrypt.org" }, { critical: true, tag: "tbs", value: "x" }];
  match((await findings({ caa: { [DOMAIN]: strange } })).caa![1], /critical record tbs/);
  match((await caa("letsencrypt.org", { meta: { caaIdentities: undefined } }))[1], /does not say what it is called/);
});

Deno.test("diagnose() tells what the CA wants, and why it cannot be asked", async () => {
  equal((await findings({})).ca![0], "ok");
  match((await findings({ meta: { externalAccountRequired: true } })).ca![1], /--acme-eab-kid/);
  const account = "https://ca.example/acct/1";
  equal((await findings({ meta: { externalAccountRequired: true }, account })).ca![0], "ok");
  match((await findings({ profile: "tiny" })).ca![1], /no certificate profile tiny; it has classic, shortlived/);
  equal((await findings({ profile: "shortlived" })).ca![0], "ok");
  const away = await findings({ caTime: new AcmeError("unreachable", "Cannot reach the CA's server") });
  match(away.ca![1], /^Cannot reach the CA's server\. Check this machine's way to it/);
  equal(away.clock![0], "skipped");
  const strange = await findings({ caTime: new AcmeError("untrusted", "Cannot trust it") });
  match(strange.ca![1], /--acme-ca-file/);
  match(
    (await findings({ caTime: new Error("no"), caa: { [DOMAIN]: [{ tag: "issue", value: "x" }] } })).caa![1],
    /allows x/,
  );
});

Deno.test("diagnose() tells whether the certificate is served, by whom it is renewed, and what the proxy lacks", async () => {
  equal((await findings({ mode: "auto", certificate: {} })).certificate![0], "ok");
  const other = await findings({ certificate: {}, seen: { state: "mismatch", detail: "the proxy serves another" } });
  deepEqual(other.certificate, ["problem", `It is valid until ${days(80)}, but the proxy serves another.`]);
  match((await findings({ certificate: {}, seen: { state: "issued" } })).certificate![1], /not yet seen/);
  match((await findings({ certificate: { notAfter: days(-1) } })).certificate![1], /^It expired [^ ]+\.$/);
  const gone = await findings({ certificate: { source: "import", notAfter: days(-1) } });
  match(gone.certificate![1], /It expired .* helyos cert import/);
  const ending = await findings({
    mode: "manual",
    certificate: { source: "import", notBefore: days(-80), notAfter: days(9) },
  });
  match(ending.certificate![1], /Nobody but you can renew it: helyos cert import shop\.example\.com/);
  const wildcard = await findings({ mode: "manual", certificate: { domain: "*.example.com", source: "import" } });
  deepEqual([wildcard.route![0], wildcard.certificate![0], wildcard.caa![0]], ["ok", "ok", "skipped"]);
  const unbound = await findings({ proxy: "embedded: cannot listen on 0.0.0.0:80" });
  match(unbound.proxy![1], /cannot listen/);
  deepEqual([unbound.proxy![0], unbound["port 80"]![0]], ["problem", "skipped"]);
});
