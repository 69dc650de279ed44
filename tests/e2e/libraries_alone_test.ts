/**
 * Story: somebody writes a script of their own with one of the libraries, and grants it what it needs and nothing else.
 */
import { deepEqual, equal } from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, run, startDaemon, temporaryFolder } from "../support/process.ts";

const SCRIPT = `
import { callEndpoint, createProject, listProjects } from "@helyos/api";
import { fetchCa, PinnedClient } from "@helyos/pinning";

const [origin, expected, token] = Deno.args;
const { pem } = await fetchCa(origin, { expected });
await using client = new PinnedClient({ origin, trust: { ca: pem } });
const fetcher = (path, init) =>
  client.fetch(path, { ...init, headers: { ...init?.headers, authorization: "Bearer " + token } });
await callEndpoint(fetcher, createProject, { name: "shop" });
const refusal = await callEndpoint(fetcher, createProject, { name: "shop" }).catch((error) => error);
const projects = await callEndpoint(fetcher, listProjects, {});
console.log(JSON.stringify([refusal.status, refusal.code, projects.map(({ name }) => name)]));
`;

Deno.test("@helyos/pinning and @helyos/api work in a script that may use the network and nothing else", async () => {
  await using home = await temporaryFolder();
  const token = "nxa-api_" + "5e".repeat(32);
  await using daemon = await startDaemon({
    home: home.path,
    flags: ["--tls", "on"],
    env: { HELYOS_API_TOKEN: token },
  });
  const fingerprint = daemon.log().match(/--ca-fingerprint (\S+)/)![1]!;
  const script = join(home.path, "script.js");
  await writeFile(script, SCRIPT);
  const flags = ["run", "--quiet", "--frozen", "--no-prompt", "--config", join(ROOT, "deno.json"), "--allow-net"];
  const done = await run(Deno.execPath(), [...flags, script, daemon.url, fingerprint, token], { home: home.path });
  equal(done.code, 0, done.stderr);
  deepEqual(JSON.parse(done.stdout), [409, "conflict", ["shop"]]);
});

Deno.test("@helyos/pki does everything its README shows in a script that may do nothing at all", async () => {
  await using home = await temporaryFolder();
  const readme = await readFile(join(ROOT, "lib/pki/README.md"), "utf8");
  const examples = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(([, text]) => text!);
  equal(examples.length > 4, true);
  await Promise.all(examples.map(async (text, i) => {
    const script = join(home.path, `${i}.ts`);
    await writeFile(script, text);
    const flags = ["run", "--quiet", "--frozen", "--no-check", "--no-prompt", "--config", join(ROOT, "deno.json")];
    const done = await run(Deno.execPath(), [...flags, script], { home: home.path });
    equal(done.code, 0, done.stderr);
  }));
});
