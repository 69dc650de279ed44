/**
 * The proxy traefik, with the real program.
 */
import { deepEqual, match, rejects } from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startChild } from "../../../../daemon/proxy/program/child.ts";
import type { Plan } from "../../../../daemon/proxy/program/driver.ts";
import { openTraefik } from "../../../../daemon/proxy/traefik/traefik.ts";
import { freePort } from "../../../support/free_port.ts";
import { temporaryFolder } from "../../../support/process.ts";
import { lacking, tool } from "../../../support/tools.ts";
import { proxySuite } from "../program/suite.ts";

proxySuite("traefik");

Deno.test({
  name: "traefik: a router it refuses is told as its site's failure",
  ignore: lacking("traefik"),
  async fn() {
    await using folder = await temporaryFolder();
    const driver = await openTraefik(tool("traefik"), folder.path);
    const site = { id: "x", domain: "app.test", upstreams: [], redirectToHttps: false };
    const plan: Plan = {
      http: { host: "127.0.0.1", port: await freePort() },
      https: { host: "127.0.0.1", port: await freePort() },
      challenges: { host: "127.0.0.1", port: 9 },
      sites: [site, { ...site, id: "y", domain: "broken`" }],
    };
    await driver.prepare(plan);
    const child = startChild(tool("traefik"), driver.args(plan), { cwd: folder.path });
    try {
      const refusals = await driver.load(plan, child, AbortSignal.timeout(15_000));
      deepEqual(refusals.map(({ domain }) => domain), ["broken`"]);
      match(refusals[0]!.reason, /error while parsing rule/);
    } finally {
      await child.stop();
    }
  },
});

Deno.test("openTraefik() refuses Traefik 2 and what is no Traefik", async () => {
  await using folder = await temporaryFolder();
  const old = join(folder.path, "old");
  await writeFile(old, "#!/bin/sh\necho 'Version:      2.11.0'\n", { mode: 0o700 });
  await rejects(() => openTraefik(old, folder.path), /is Traefik 2\.11\.0; Traefik 3 is needed/);
  await rejects(() => openTraefik("true", folder.path), /does not look like Traefik/);
});
