/**
 * Story: Caddy serves services with certificates of the internal CA, takes rotated ones, and keeps what it had when a file makes no sense.
 */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lookAt } from "../../cli/certs/remote/served.ts";
import { startCluster, succeeded } from "../support/cluster.ts";
import { freePort } from "../support/free_port.ts";
import { environment, run } from "../support/process.ts";
import { lackingSshd } from "../support/sshd.ts";
import { lacking, tool } from "../support/tools.ts";

Deno.test({
  name: "helyos certs caddy-sync makes Caddy serve what was deployed, and nothing worse",
  ignore: lackingSshd() || lacking("caddy", "curl"),
  async fn() {
    await using cluster = await startCluster();
    await using upstream = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response("from api"),
    );
    const [admin, https, http] = [await freePort(), await freePort(), await freePort()];
    const etc = join(cluster.home, "etc caddy");
    await mkdir(etc);
    const caddyfile = join(etc, "Caddyfile");
    const globals =
      `{\n\tadmin 127.0.0.1:${admin}\n\thttp_port ${http}\n\thttps_port ${https}\n\tdefault_bind 127.0.0.1\n}\n`;
    await writeFile(caddyfile, globals);
    const caddy = new Deno.Command(tool("caddy"), {
      args: ["run", "--config", caddyfile],
      cwd: etc,
      env: environment(cluster.home),
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const reload = [tool("caddy"), "reload", "--force", "--config", caddyfile, "--address", `127.0.0.1:${admin}`];
      const api = {
        hostname: "api.internal",
        current_host: "mini1",
        docker_compose: "/api/compose.yml",
        port: upstream.addr.port,
        ca_cert: "/api/certs/ca-cert.pem",
      };
      const register = async (services: Record<string, unknown>) => {
        await cluster.register(services, { mini2: { ip: "127.0.0.2", path: "/srv" } });
        const registry = JSON.parse(await readFile(cluster.registry, "utf8"));
        await writeFile(
          cluster.registry,
          JSON.stringify({ ...registry, caddy: { ingress_host: "mini1", caddyfile, reload } }),
        );
      };
      await register({ api, web: { ...api, hostname: "web.internal", current_host: "mini2" } });
      for (const word of ["init-ca", "generate-all", "generate-all-servers"]) await cluster.certs(word);
      const pki = join(cluster.home, ".helyos/pki");
      const curl = (...args: string[]) =>
        run("curl", [
          ...["-sS", "--max-time", "10", "--cacert", join(pki, "ca/ca-cert.pem")],
          ...["--resolve", `api.internal:${https}:127.0.0.1`, ...args, `https://api.internal:${https}/`],
        ], { home: cluster.home });
      const client = ["--cert", join(pki, "certs/api/client-cert.pem"), "--key", join(pki, "certs/api/client-key.pem")];

      // Not imported, or nothing deployed: refused, and nothing is left of the attempt.
      while ((await run("curl", ["-s", `http://127.0.0.1:${admin}/config/`], { home: cluster.home })).code !== 0) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const unimported = await cluster.certs("caddy-sync");
      match(unimported.stderr, /Caddyfile does not import .*helyos-services\.caddy: add a line/);
      // In quotes, as a path with spaces would be.
      await writeFile(
        caddyfile,
        `${globals}
import "helyos-*.caddy" # ours
`,
      );
      const early = await cluster.certs("caddy-sync");
      equal(early.code, 1);
      match(early.stderr, /api-cert\.pem.*old ones put back/s);
      deepEqual(await readFile(join(etc, "helyos-services.caddy"), "utf8").catch(() => "none"), "none");

      succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server"));
      const done = succeeded(await cluster.certs("caddy-sync"));
      match(done.stdout, /Caddy on mini1 serves api/);
      match(done.stderr, /web skipped: it does not run on mini1/);
      equal((await curl(...client)).stdout, "from api");
      notEqual((await curl()).code, 0); // No certificate, no answer.

      const served = () => lookAt(`127.0.0.1:${https}`, { name: "api.internal" });
      const before = await served();
      succeeded(await cluster.certs("generate-server", "api"));
      succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server"));
      succeeded(await cluster.certs("caddy-sync"));
      notEqual(await served(), before);
      equal((await curl(...client)).stdout, "from api");

      // A slip of the pen takes nobody off the net.
      await register({ api: { ...api, certs: { client_auth: "maybe" } } });
      const slip = await cluster.certs("caddy-sync");
      equal(slip.code, 1);
      const dry = JSON.parse((await cluster.certs("caddy-sync", "--dry-run", "--json")).stdout);
      deepEqual([dry.status, dry.failed[0].service, dry.text.includes("api.internal {")], ["failed", "api", true]);
      match(
        slip.stderr,
        /api: 'client_auth' .* must be .*; its site stays as it was\n(.*\n)*.*no new site for 1 of 1: api/,
      );
      equal((await curl(...client)).stdout, "from api");
      await register({ api });

      const good = await readFile(join(etc, "helyos-services.caddy"), "utf8");
      await register({ api: { ...api, tls_cert: "/api/certs/no-such-cert.pem" } });
      const refused = await cluster.certs("caddy-sync", "--json");
      equal(refused.code, 1);
      match(JSON.parse(refused.stderr).error, /no-such-cert\.pem/);
      equal(await readFile(join(etc, "helyos-services.caddy"), "utf8"), good);
      equal((await curl(...client)).stdout, "from api");
    } finally {
      caddy.kill("SIGTERM");
      await caddy.status;
    }
  },
});
