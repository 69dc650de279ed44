/**
 * What every proxy that is a program has in common, tried with a program that does as it is told.
 */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DesiredProxy, ServedCertificate } from "../../../../daemon/proxy/backend.ts";
import { startChild } from "../../../../daemon/proxy/program/child.ts";
import {
  type Driver,
  type Plan,
  ProgramDown,
  ProgramUnavailable,
  type Refusal,
} from "../../../../daemon/proxy/program/driver.ts";
import { judgeSite } from "../../../../daemon/proxy/program/judge.ts";
import { ProgramProxy } from "../../../../daemon/proxy/program/program_proxy.ts";
import { whyDown } from "../../../../daemon/proxy/program/reasons.ts";
import { temporaryFolder } from "../../../support/process.ts";
import { certificateFor, plain, secure, until } from "./suite.ts";

const UP = { host: "127.0.0.1", port: 1 };

/** Takes what `judge` lets it. */
class TestDriver implements Driver {
  readonly name = "test";
  readonly title = "Test";
  readonly supervised = false;
  readonly plans: Plan[] = [];
  judge: (plan: Plan) => readonly Refusal[] = () => [];
  endLeftover = () => Promise.resolve();
  prepare = () => Promise.resolve([]);
  args = () => [];
  clear = () => Promise.resolve();
  load(plan: Plan) {
    this.plans.push(plan);
    try {
      return Promise.resolve(this.judge(plan));
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

function desired(sites: DesiredProxy["sites"], ...certificates: ServedCertificate[]): DesiredProxy {
  return {
    sites,
    certificates,
    httpListen: { host: "127.0.0.1", port: 0 },
    httpsListen: { host: "127.0.0.1", port: 0 },
    challenges: { answer: () => undefined, address: UP },
  };
}

async function openTest() {
  const folder = await temporaryFolder();
  const driver = new TestDriver();
  const proxy = new ProgramProxy({ driver, program: "none", folder: folder.path });
  return {
    folder: folder.path,
    driver,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("apply() tries a refused site as it was, then with 503, then without its certificate, then not at all", async () => {
  await using test = await openTest();
  const { driver, proxy } = test;
  const [old, young] = [await certificateFor("a.test"), await certificateFor("a.test")];
  const other = plain("b.test", UP);
  await proxy.apply(desired([secure("a.test", old, UP), other], old));
  const tried: string[] = [];
  driver.judge = ({ sites }) => {
    const site = sites.find(({ domain }) => domain === "a.test");
    if (site === undefined) return [];
    tried.push(`${site.certificate?.tag} ${site.upstreams.length}`);
    return [{ domain: "a.test", reason: `no ${tried.length}` }];
  };
  const statuses = await proxy.apply(desired([secure("a.test", young, UP), other], young));
  deepEqual(statuses, [{ domain: "a.test", state: "failed", reason: "no 1" }, { domain: "b.test", state: "served" }]);
  const [first, second, third, fourth] = tried;
  deepEqual([tried.length, fourth, first!.slice(-2), second!.slice(-2)], [4, "undefined 0", " 1", " 1"]);
  equal(first === second, false);
  equal(third, first!.replace(/ 1$/, " 0"));
  equal(proxy.status().detail, "Test serves 1 of 2 sites");
  deepEqual(await readdir(join(test.folder, "certs")), []);
});

Deno.test("apply() tells a program that is the same twice once, and one that is down again and again", async () => {
  await using test = await openTest();
  const { driver, proxy } = test;
  await proxy.apply(desired([plain("a.test", UP)]));
  await proxy.apply(desired([plain("a.test", UP)]));
  equal(driver.plans.length, 1);
  const { http } = proxy.status();
  let tries = 0;
  driver.judge = () => {
    if (++tries < 3) throw new ProgramDown("it is asleep");
    return [];
  };
  await proxy.apply(desired([plain("a.test", UP), plain("b.test", UP)]));
  // What was there is still served where it was
  deepEqual(proxy.status(), { state: "failing", detail: "it is asleep", http, https: proxy.status().https });
  await until("it serves", () => proxy.status().state === "serving");
  equal(tries, 3);
});

Deno.test("apply() rejects with what is nobody's fault but ours, and goes on afterwards", async () => {
  await using test = await openTest();
  const { driver, proxy } = test;
  driver.judge = () => {
    throw new RangeError("a bug");
  };
  await rejects(() => proxy.apply(desired([plain("a.test", UP)])), RangeError);
  driver.judge = () => [];
  deepEqual(await proxy.apply(desired([plain("a.test", UP)])), [{ domain: "a.test", state: "served" }]);
});

Deno.test("judgeSite() lets nothing into a configuration that could be more than a name", async () => {
  for (const domain of ["a;b", "a b", "a`", "a{b}", "a\n", "*.*.a", "*", "..", "a..b", "-a", "A.test", "{{x}}", ""]) {
    equal(judgeSite(plain(domain), undefined), "the domain has characters that no host name has", domain);
  }
  for (const host of ["a b", "a;b", "`", "{x}", "http://a", "::1%eth0", "[::1]", "", "a/b"]) {
    equal(judgeSite(plain("a.test", { host, port: 1 }), undefined)?.endsWith("has no valid host"), true, host);
  }
  for (const port of [0, -1, 65_536, 1.5, NaN]) {
    equal(judgeSite(plain("a.test", { host: "a", port }), undefined)?.endsWith("has no valid port"), true);
  }
  const good = await certificateFor("a.test");
  equal(judgeSite(secure("a.test", good), undefined), "its certificate is missing");
  equal(judgeSite(secure("a.test", good), { ...good, certPem: "x" }), "its certificate is no PEM");
  equal(judgeSite(secure("a.test", good), { ...good, keyPem: "x" }), "its private key cannot be read");
  equal(judgeSite(secure("a.test", good), { ...good, id: "../x" }), "its id is no file name");
  equal(judgeSite({ ...secure("a.test", good), hstsSeconds: -1 }, good)?.startsWith("the seconds"), true);
  equal(judgeSite(secure("*.a.test", good, { host: "::1", port: 1 }), good), undefined);
});

Deno.test("whyDown() says in words which address cannot be had", () => {
  const plan = { http: { host: "0.0.0.0", port: 80 }, https: { host: "::", port: 443 } };
  equal(
    whyDown("nginx", ["bind() to 0.0.0.0:80 failed (13: Permission denied)", "still could not bind()"], plan),
    "cannot listen on 0.0.0.0:80: the system does not let this user listen there",
  );
  equal(
    whyDown("Traefik", ["listen tcp :443: bind: address already in use"], plan),
    "cannot listen on [::]:443: the address is in use",
  );
  equal(whyDown("Traefik", ["first", "last"], plan), "Traefik: last");
  const upstream = "connect() to 10.0.0.1:80 failed (13: Permission denied) while connecting to upstream";
  equal(whyDown("nginx", [upstream, "killed"], plan), "nginx: killed");
});

Deno.test("startChild() tells what was said last, gives nothing of the environment away, and names what is not there", async () => {
  const lines: string[] = [];
  const child = startChild("sh", ["-c", "echo home $HOME; echo token $HELYOS_API_TOKEN; echo wrong >&2; exit 3"], {
    cwd: "/tmp",
    onLine: (line) => lines.push(line),
  });
  equal((await child.ended).includes("wrong"), true);
  deepEqual(lines.filter((line) => line !== "wrong"), ["home /tmp", "token"]);
  await child.stop();
  deepEqual(await startChild("sh", ["-c", "exit 3"], { cwd: "/tmp" }).ended, ["its exit code was 3"]);
  const { promise: deaf, resolve: isDeaf } = Promise.withResolvers<void>();
  const stubborn = startChild("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"], {
    cwd: "/tmp",
    onLine: () => isDeaf(),
  });
  await deaf;
  await stubborn.stop();
  deepEqual(await stubborn.ended, ["deaf"]);
  try {
    startChild("/nonexistent/program", [], { cwd: "/tmp" });
    throw new Error("it started");
  } catch (error) {
    equal(error instanceof ProgramUnavailable, true);
  }
});
