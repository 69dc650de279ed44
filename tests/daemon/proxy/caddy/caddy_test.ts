/**
 * The proxy caddy, with the real program: as a child, as one that runs already, and as Debian's old one.
 */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCaddy, openRunningCaddy } from "../../../../daemon/proxy/caddy/caddy.ts";
import type { Plan } from "../../../../daemon/proxy/program/driver.ts";
import { openProgramProxy } from "../../../../daemon/proxy/program/open.ts";
import { freePort } from "../../../support/free_port.ts";
import { temporaryFolder } from "../../../support/process.ts";
import { lacking, tool } from "../../../support/tools.ts";
import {
  ask,
  certificateFor,
  fingerprintOf,
  leaf,
  openBench,
  plain,
  proxySuite,
  secure,
  startUpstream,
  until,
} from "../program/suite.ts";

proxySuite("caddy");

/** A Caddy that somebody else runs. */
async function startCaddy(folder: string, program = tool("caddy")): Promise<{ admin: string } & AsyncDisposable> {
  const admin = `127.0.0.1:${await freePort()}`;
  await writeFile(join(folder, "own.json"), JSON.stringify({ admin: { listen: admin, config: { persist: false } } }));
  const child = new Deno.Command(program, {
    args: ["run", "--config", "own.json"],
    cwd: folder,
    clearEnv: true,
    env: { HOME: folder },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let ended: Promise<unknown> | undefined;
  await until(
    "Caddy's start",
    () => fetch(`http://${admin}/config/`).then(async (r) => (await r.text(), r.ok), () => false),
  );
  return {
    admin: `http://${admin}`,
    async [Symbol.asyncDispose]() {
      ended ??= (child.kill("SIGKILL"), child.status);
      await ended;
    },
  };
}

Deno.test({
  name: "caddy: one that runs already is told by its admin API, and left with nothing of ours",
  ignore: lacking("caddy"),
  async fn() {
    await using folder = await temporaryFolder();
    await using caddy = await startCaddy(folder.path);
    await using bench = await openBench("caddy");
    await using app = await startUpstream("app");
    const certificate = await certificateFor("app.test");
    await using proxy = await openProgramProxy("caddy", { proxyDir: folder.path, program: caddy.admin });
    const statuses = await proxy.apply(bench.desired([secure("app.test", certificate, app.address)], [certificate]));
    deepEqual(statuses, [{ domain: "app.test", state: "served" }]);
    const { https } = proxy.status();
    equal(await leaf(https!, "app.test"), fingerprintOf(certificate));
    equal((await ask(https!, "app.test", { tls: true })).status, 200);
    await proxy[Symbol.asyncDispose]();
    await rejects(() => ask(https!, "app.test", { tls: true }));
    equal((await (await fetch(`${caddy.admin}/config/`)).json()).apps, undefined);
    await caddy[Symbol.asyncDispose]();
    await rejects(() => openRunningCaddy(new URL(caddy.admin), folder.path), /no Caddy answers at/);
  },
});

Deno.test({
  name: "caddy: an error of Caddy is told as one of the site it is about",
  ignore: lacking("caddy"),
  async fn() {
    await using folder = await temporaryFolder();
    await using caddy = await startCaddy(folder.path);
    const driver = await openRunningCaddy(new URL(caddy.admin), join(folder.path, "ours"));
    const listen = { host: "127.0.0.1", port: await freePort() };
    const missing = { tag: "gone-1", certFile: "/nonexistent/gone-1.crt", keyFile: "/nonexistent/gone-1.key" };
    const site = { id: "x", domain: "app.test", upstreams: [], redirectToHttps: false };
    const plan: Plan = {
      http: listen,
      https: { host: "127.0.0.1", port: await freePort() },
      challenges: { host: "127.0.0.1", port: 9 },
      sites: [site, { ...site, id: "y", domain: "gone.test", certificate: missing }],
    };
    const signal = AbortSignal.timeout(10_000);
    const [refusal, ...others] = await driver.load(plan, undefined, signal);
    deepEqual([refusal!.domain, others], ["gone.test", []]);
    match(refusal!.reason, /^Caddy: .*gone-1\.crt/);
    deepEqual(await driver.load({ ...plan, sites: [site] }, undefined, signal), []);
  },
});

Deno.test({
  name: "caddy: Debian's 2.6 serves, too",
  ignore: !existsSync("/usr/bin/caddy"),
  async fn() {
    await using bench = await openBench("caddy");
    await using app = await startUpstream("app");
    await using proxy = await openProgramProxy("caddy", {
      proxyDir: join(bench.proxyDir, "old"),
      program: "/usr/bin/caddy",
    });
    await proxy.apply(bench.desired([plain("app.test", app.address)]));
    const { http, detail } = proxy.status();
    match(detail, /^Caddy 2\.\d+\.\d+ serves 1 site$/);
    equal((await ask(http!, "app.test")).status, 200);
    await using caddy = await startCaddy(bench.proxyDir, "/usr/bin/caddy");
    await using running = await openProgramProxy("caddy", { proxyDir: bench.proxyDir, program: caddy.admin });
    await running.apply(bench.desired([plain("app.test", app.address)]));
    equal((await ask(running.status().http!, "app.test")).status, 200);
  },
});

Deno.test({
  name: "openCaddy() refuses what is no Caddy, and a folder whose name is too long for a socket",
  ignore: lacking("caddy"),
  async fn() {
    await using folder = await temporaryFolder();
    await rejects(() => openCaddy("false", folder.path), /does not look like Caddy/);
    await rejects(() => openCaddy("/nonexistent/caddy", folder.path), /there is no program/);
    await rejects(() => openCaddy(tool("caddy"), join(folder.path, "x".repeat(100))), /too long for a socket/);
    await rejects(() => openProgramProxy("nginx", { proxyDir: folder.path, program: "http://a" }), /only Caddy/);
  },
});
