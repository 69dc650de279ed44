import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:tls";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { type AgentOptions, onePass, runAgent } from "../../../cli/certs/agent/agent.ts";
import { agentFiles, type Attempt, readStates } from "../../../cli/certs/agent/attempts.ts";
import { backoffMs } from "../../../cli/certs/agent/schedule.ts";
import type { Surroundings } from "../../../cli/command.ts";
import type { CliError } from "../../../cli/failure.ts";
import { pkiHomeAt } from "../../../cli/certs/home.ts";
import { temporaryFolder } from "../../support/process.ts";
import { helyos } from "../terminal.ts";

const HOUR = 3_600_000;

/** A service that serves what lies in its folder, and the time as the test has it. */
async function makeScene() {
  const folder = await temporaryFolder();
  const base = join(folder.path, "srv");
  const certs = join(base, "api/certs");
  await mkdir(certs, { recursive: true });
  const state = { stuck: undefined as { cert: string; key: string } | undefined, now: Date.now() };
  const read = () => ({
    cert: readFileSync(join(certs, "api-cert.pem"), "utf8"),
    key: readFileSync(join(certs, "api-key.pem"), "utf8"),
  });
  const server = createServer({});
  const listening = new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  );
  const port = await listening;
  const serve = () => server.setSecureContext(state.stuck ?? read());
  const home = pkiHomeAt(join(folder.path, "pki"));
  const registry = join(folder.path, "registry.yml");
  const flag = join(folder.path, "reloaded");
  const write = (certsSection: Record<string, unknown> = {}) =>
    writeFile(
      registry,
      JSON.stringify({
        hosts: { local: { ip: "127.0.0.1", path: base } },
        services: {
          api: {
            hostname: "api.internal",
            current_host: "local",
            docker_compose: "/api/compose.yml",
            certs: { reload: ["touch", flag], probe: `127.0.0.1:${port}`, ...certsSection },
          },
        },
      }),
    );
  await write();
  const env = { HELYOS_PKI_HOME: home.folder, HELYOS_REGISTRY: registry };
  const run = async (...args: string[]) => {
    const outcome = await helyos(["certs", ...args], { env, now: new Date(state.now) });
    equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };
  await run("init-ca");
  await run("generate-server", "api", "--lifetime", "24h");
  // The reload of a service on this machine, done by whoever watches for the flag.
  let watching = true;
  const watcher = (async () => {
    while (watching) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (await stat(flag).then(() => true, () => false)) {
        await rm(flag);
        serve();
      }
    }
  })();
  const told: Attempt[] = [];
  const troubles: CliError[] = [];
  const stop = new AbortController();
  const surroundings = {
    globals: {},
    io: { env: (name: string) => (env as Record<string, string>)[name], now: () => new Date(state.now), stdin: {} },
  } as unknown as Surroundings;
  const options: AgentOptions = {
    home,
    registryPath: registry,
    services: [],
    crl: false,
    ssh: { "accept-new-hosts": false, "ssh-config": undefined },
    patienceMs: 1500,
    onAttempt: (attempt) => void told.push(attempt),
    onTrouble: (error) => void troubles.push(error),
    signal: stop.signal,
  };
  return {
    certs,
    home,
    state,
    told,
    troubles,
    stop,
    options,
    surroundings,
    read,
    write,
    run,
    pass: (more: Partial<AgentOptions> = {}) => onePass(surroundings, { ...options, ...more }),
    async [Symbol.asyncDispose]() {
      watching = false;
      await watcher;
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("backoffMs() doubles up to a bound, and leaves ten tries in what is left", () => {
  const wait = (failures: number, leftMs?: number, here = false) => backoffMs(failures, { here, leftMs, random: 1 });
  deepEqual([1, 2, 3, 30].map((failures) => wait(failures)), [30_000, 60_000, 120_000, 900_000]);
  deepEqual([wait(30, undefined, true), wait(30, HOUR), wait(30, 1000), wait(30, -5)], [
    60_000,
    360_000,
    30_000,
    900_000,
  ]);
  equal(backoffMs(1, { here: true, leftMs: undefined, random: 0 }), 22_500);
});

Deno.test("onePass() deploys what is not there, and then has nothing to do until the certificate is due", async () => {
  await using scene = await makeScene();
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  deepEqual(scene.told[0]?.did, ["deploy", "reload", "probe"]);
  const { attempts, next } = await scene.pass();
  equal(attempts, 0);
  const hours = (next!.getTime() - scene.state.now) / HOUR;
  equal(hours > 15.8 && hours < 16.2, true, String(hours));
});

Deno.test("onePass() renews what is due, deploys, reloads, and sees it served", async () => {
  await using scene = await makeScene();
  await scene.pass();
  const before = scene.read().cert;
  scene.state.now += 17 * HOUR;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  const attempt = scene.told[1]!;
  deepEqual(attempt.did, ["renew", "deploy", "reload", "probe"]);
  equal(scene.read().cert !== before, true);
  equal(attempt.ok && new Date(attempt.notAfter).getTime() - scene.state.now - 24 * HOUR <= 0, true);
  const lines = (await readFile(agentFiles(scene.home).ledger, "utf8")).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  deepEqual(lines, JSON.parse(JSON.stringify(scene.told)));
  equal((await stat(agentFiles(scene.home).ledger)).mode & 0o777, 0o600);
  // Shorter lives from now on.
  scene.state.now += 17 * HOUR;
  await scene.pass({ lifetimeSeconds: 3600 });
  equal(scene.told[2]!.ok && new Date(scene.told[2]!.notAfter).getTime() - scene.state.now <= HOUR, true);
});

Deno.test("onePass() says that a service does not take the new certificate, backs off, and gets it through in the end", async () => {
  await using scene = await makeScene();
  await scene.pass();
  scene.state.stuck = scene.read();
  scene.state.now += 17 * HOUR;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 1]);
  const state = (await readStates(scene.home)).get("api/server")!;
  equal(state.failedStep, "probe");
  match(state.lastError!, /does not serve the new certificate but another one/);
  match(await scene.run("list"), /does not serve the new certificate/);
  equal((await scene.pass()).attempts, 0);
  scene.state.now += 31_000;
  deepEqual(await scene.pass().then(({ failed }) => failed), 1);
  equal((await readStates(scene.home)).get("api/server")!.failures, 2);
  scene.state.stuck = undefined;
  scene.state.now += 61_000;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  // It was renewed once: what failed later is what was done again.
  equal(scene.told.filter(({ did }) => did.includes("renew")).length, 1);
  equal((await readStates(scene.home)).get("api/server")!.lastError, undefined);
});

Deno.test("onePass() notices that a service serves something else, and mends it", async () => {
  await using scene = await makeScene();
  await scene.pass();
  const old = scene.read();
  await scene.run("generate-server", "api");
  await scene.pass();
  scene.state.stuck = old;
  await scene.run("generate-server", "api", "--lifetime", "24h");
  deepEqual(await scene.pass().then(({ failed }) => failed), 1);
  scene.state.stuck = undefined;
  scene.state.now += 31_000;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
});

Deno.test("onePass() recovers when the CA's key was away until everything had expired", async () => {
  await using scene = await makeScene();
  await scene.pass();
  const away = `${scene.home.ca}.away`;
  await rename(scene.home.ca, away);
  scene.state.now += 48 * HOUR;
  await rejects(() => scene.pass(), { code: "no_ca" });
  await mkdir(scene.home.ca);
  for (const name of await readdir(away)) {
    if (name !== "ca-key.pem") await rename(join(away, name), join(scene.home.ca, name));
  }
  // Without the key alone there is a CA to look at; what must be signed fails, and is shown.
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 1]);
  equal(scene.told.at(-1)!.ok, false);
  match(await scene.run("list"), /ca +ca .* no key\napi .* expired; agent: .*ca-key\.pem missing, next try/);
  await rename(join(away, "ca-key.pem"), scene.home.caKey);
  scene.state.now += 60_000;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  deepEqual(scene.told.at(-1)!.did, ["renew", "deploy", "reload", "probe"]);
});

Deno.test("runAgent() goes on through trouble, wakes late without harm, and ends when told", async () => {
  await using scene = await makeScene();
  const away = `${scene.home.ca}.away`;
  let naps = 0;
  await runAgent(scene.surroundings, scene.options, async (ms) => {
    naps++;
    equal(ms >= 1000 && ms <= 60_000, true);
    scene.state.now += ms;
    if (naps === 2) await rename(scene.home.ca, away);
    if (naps === 4) await rename(away, scene.home.ca);
    // The machine sleeps for three days: the timer stood still, the clock did not.
    if (naps === 5) scene.state.now += 72 * HOUR;
    if (naps === 7) scene.stop.abort();
  });
  equal(naps, 7);
  equal(scene.troubles.length, 1); // Said once, though met twice.
  match(scene.troubles[0]!.message, /there is no CA/);
  deepEqual(scene.told.map(({ ok, did }) => [ok, did.length]), [[true, 3], [true, 4]]);
});

Deno.test("onePass() renews what runs nowhere, and sends it nowhere", async () => {
  await using scene = await makeScene();
  await scene.write();
  const text = await readFile(scene.options.registryPath, "utf8");
  await writeFile(scene.options.registryPath, text.replace('"current_host":"local",', ""));
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [0, 0]);
  scene.state.now += 17 * HOUR;
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  deepEqual(scene.told.at(-1)!.did, ["renew"]);
  deepEqual(await readdir(scene.certs), []);
});

Deno.test("onePass() leaves alone what was revoked, and services it was not asked to look after", async () => {
  await using scene = await makeScene();
  equal((await scene.pass({ services: ["other"] })).attempts, 0);
  await scene.run("revoke", "api");
  equal((await scene.pass()).attempts, 0);
  deepEqual(await readdir(scene.certs), []);
});

Deno.test("onePass() signs the revocation list anew before it runs out, and deploys it", async () => {
  await using scene = await makeScene();
  await scene.pass({ crl: true });
  const list = () => readFile(join(scene.certs, "crl.pem"), "utf8");
  const before = await list();
  await scene.run("generate-server", "api");
  scene.state.now += 25 * 24 * HOUR;
  deepEqual(await scene.pass({ crl: true }).then(({ attempts, failed }) => [attempts, failed]), [1, 0]);
  equal(await list() !== before, true);
});

Deno.test("onePass() tells of a registry that makes no sense for one service, pair by pair", async () => {
  await using scene = await makeScene();
  await scene.write({ key_mode: "everybody" });
  deepEqual(await scene.pass().then(({ attempts, failed }) => [attempts, failed]), [1, 1]);
  match((await readStates(scene.home)).get("api/server")!.lastError!, /key_mode/);
});
