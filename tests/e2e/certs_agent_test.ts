/**
 * Story: the agent, as systemd starts it, keeps a service's certificate alive over a real sshd.
 */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { serveTls, TlsConfig } from "@helyos/tls";
import { startCluster, succeeded } from "../support/cluster.ts";
import { freePort } from "../support/free_port.ts";
import { environment, ROOT } from "../support/process.ts";
import { lackingSshd } from "../support/sshd.ts";

Deno.test({
  name: "helyos certs agent renews, deploys, reloads and proves; tells of what fails; and is one at a time",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    const port = await freePort();
    const folder = join(cluster.base, "api/certs");
    const api = {
      hostname: "api.internal",
      current_host: "mini1",
      docker_compose: "/api/compose.yml",
      certs: { reload: ["touch", join(cluster.base, "reloaded")], probe: `127.0.0.1:${port}` },
    };
    await cluster.register({ api, bad: { ...api, certs: {}, current_host: "mini2" } }, {
      mini2: { ip: "127.0.0.1", ssh_port: await freePort(), path: "/srv" },
    });
    succeeded(await cluster.certs("init-ca"));
    succeeded(await cluster.certs("generate-server", "api", "--lifetime", "24h"));
    succeeded(await cluster.certs("deploy-servers"));
    const files = {
      certificatePath: join(folder, "api-cert.pem"),
      privateKeyPath: join(folder, "api-key.pem"),
      caCertificatesPath: join(folder, "ca-cert.pem"),
    };
    await using _server = await serveTls(() => new Response("ok"), {
      config: new TlsConfig(files),
      port,
      hostname: "127.0.0.1",
    });
    const first = succeeded(await cluster.certs("agent", "--once", "--json"));
    // All is as it should be, and is written down once.
    deepEqual(JSON.parse(first.stdout).map(({ did }: { did: string[] }) => did), [[]]);
    deepEqual(JSON.parse(succeeded(await cluster.certs("agent", "--once", "--json")).stdout), []);
    const stranger = await cluster.certs("agent", "--once", "nobody", "--json");
    equal(JSON.parse(stranger.stderr).code, "unknown_service");

    succeeded(await cluster.certs("generate", "bad"));
    const before = await readFile(files.certificatePath, "utf8");
    await rm(join(cluster.home, ".helyos/pki/certs/api/server-key.pem")); // Of no use as it is: due.
    const pass = await cluster.certs("agent", "--once", "--json", "--lifetime", "12h");
    equal(pass.code, 1);
    type Attempt = Record<string, string> & { readonly did: readonly string[]; readonly notAfter: string };
    const attempts: Attempt[] = JSON.parse(pass.stdout);
    attempts.sort((a, b) => a.service! < b.service! ? -1 : 1);
    deepEqual(attempts[0]!.did, ["renew", "deploy", "reload", "probe"]);
    const hours = (Date.parse(attempts[0]!.notAfter) - Date.now()) / 3_600_000;
    equal(hours > 11 && hours <= 12, true);
    deepEqual([attempts[1]!.ok, attempts[1]!.step, attempts[1]!.code], [false, "plan", "unreachable"]);
    notEqual(await readFile(files.certificatePath, "utf8"), before);
    equal(await readFile(join(cluster.base, "reloaded"), "utf8"), "");
    match(succeeded(await cluster.certs("list")).stdout, /bad +client .*cannot reach mini2/);

    // As a service: it says that it is there, lets no second one in, and ends when told.
    const child = new Deno.Command("sh", {
      args: [join(ROOT, "scripts/launch.sh"), "cli", "certs", "agent"],
      env: environment(cluster.home, cluster.env),
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let log = "";
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += chunk;
      if (!/Looks after/.test(log)) continue;
      const second = await cluster.certs("agent", "--once");
      equal(second.code, 1);
      match(second.stderr, /as its agent/);
      child.kill("SIGTERM");
      break;
    }
    equal((await child.status).code, 0);
  },
});
