/**
 * Story: services get their certificates on the machines they run on, over a real sshd, and nothing is ever half replaced.
 */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fetchTls, serveTls, TlsConfig } from "@helyos/tls";
import { type Cluster, startCluster, succeeded } from "../support/cluster.ts";
import { freePort } from "../support/free_port.ts";
import { environment, ROOT } from "../support/process.ts";
import { lackingSshd } from "../support/sshd.ts";

const API = {
  hostname: "api.internal",
  current_host: "mini1",
  deployment_type: "docker",
  docker_compose: "/api/docker-compose.yml",
};

/** Whether what lies there is a pair. */
async function isPair(folder: string, cert = "api-cert.pem", key = "api-key.pem"): Promise<boolean> {
  const { createPrivateKey } = await import("node:crypto");
  const leaf = new X509Certificate(await readFile(join(folder, cert)));
  return leaf.checkPrivateKey(createPrivateKey(await readFile(join(folder, key))));
}

async function issued(cluster: Cluster): Promise<void> {
  for (const word of ["init-ca", "generate-all", "generate-all-servers"]) succeeded(await cluster.certs(word));
}

Deno.test({
  name: "helyos certs deploy puts pairs under the host's path with their modes, and openssl believes them",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API, my_db: { ...API, docker_compose: "/my db/compose.yml", hostname: "db.lan" } });
    await issued(cluster);
    const client = JSON.parse(succeeded(await cluster.certs("deploy", "api", "mini1", "--json")).stdout);
    const folder = join(cluster.base, "api/certs");
    equal(client.folder, folder);
    deepEqual(client.files.map((path: string) => path.slice(folder.length + 1)), [
      "client-cert.pem",
      "client-key.pem",
      "ca-cert.pem",
    ]);
    const servers = succeeded(await cluster.certs("deploy-servers"));
    match(
      servers.stdout,
      /api: server certificate in mini1:.*\n.*my_db: server certificate.*\n2 deployed, 0 failed, 0 skipped/,
    );
    deepEqual((await readdir(folder)).sort(), [
      "api-cert.pem",
      "api-key.pem",
      "ca-cert.pem",
      "client-cert.pem",
      "client-key.pem",
    ]);
    for (const name of await readdir(folder)) {
      equal((await stat(join(folder, name))).mode & 0o777, name.endsWith("-key.pem") ? 0o600 : 0o644, name);
    }
    equal(await isPair(folder), true);
    equal(await isPair(folder, "client-cert.pem", "client-key.pem"), true);
    equal(await isPair(join(cluster.base, "my db/certs"), "my_db-cert.pem", "my_db-key.pem"), true);
    for (const [cert, purpose] of [["api", "sslserver"], ["client", "sslclient"]]) {
      await cluster.must(
        "openssl",
        "verify",
        "-x509_strict",
        "-CAfile",
        join(folder, "ca-cert.pem"),
        "-purpose",
        purpose!,
        join(folder, `${cert}-cert.pem`),
      );
    }
    const all = await readdir(cluster.base, { recursive: true });
    deepEqual(all.filter((path) => /ca-key|root-key|helyos/.test(path)), []);
    // What the registry says of places is followed.
    succeeded(await cluster.certs("update-registry"));
    const again = JSON.parse(succeeded(await cluster.certs("deploy-servers", "--json")).stdout);
    equal(again.deployed[0].files[0], join(folder, "api-cert.pem"));
  },
});

Deno.test({
  name: "helyos certs deploy follows service.yml on the target, and the registry where it says nothing",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    const { uid, gid } = userInfo();
    const certs = {
      key_mode: "0400",
      cert_mode: "0444",
      reload: ["sh", "-c", 'echo "$1" >"$2"', "x", "it's done", join(cluster.base, "reloaded here")],
    };
    await cluster.register({ api: { ...API, certs } });
    await issued(cluster);
    const folder = join(cluster.base, "api/certs");
    const mode = async (name: string) => ((await stat(join(folder, name))).mode & 0o777).toString(8);
    const done = JSON.parse(succeeded(await cluster.certs("deploy", "api", "mini1", "--reload", "--json")).stdout);
    deepEqual([done.reloaded, await mode("client-key.pem"), await mode("client-cert.pem")], [true, "400", "444"]);
    equal(await readFile(join(cluster.base, "reloaded here"), "utf8"), "it's done\n");
    const yml = join(cluster.base, "api/service.yml");
    await writeFile(
      yml,
      `name: api\ncerts:\n  owner: ${uid}\n  group: ${gid}\n  key_mode: 0640\n  reload: [touch, ${folder}/pwned]\n`,
    );
    succeeded(await cluster.certs("deploy", "api", "mini1", "--reload"));
    deepEqual((await readdir(folder)).filter((name) => name === "pwned"), []);
    deepEqual([await mode("client-key.pem"), await mode("client-cert.pem")], ["640", "444"]);
    const before = await readFile(join(folder, "client-key.pem"), "utf8");
    succeeded(await cluster.certs("generate", "api"));
    for (const bad of ["certs:\n  key_mode: '0644'\n", "certs: [a]\n", "a: [\n", "certs:\n  owner: 'a; id'\n"]) {
      await writeFile(yml, bad);
      const refused = await cluster.certs("deploy", "api", "mini1");
      equal(refused.code, 1, bad);
      equal(await readFile(join(folder, "client-key.pem"), "utf8"), before);
    }
    deepEqual((await readdir(folder)).filter((name) => name.startsWith(".")), []);
  },
});

Deno.test({
  name: "helyos certs deploy-all goes on after hosts that are away, names them, and fails",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({
      api: API,
      gone: { ...API, current_host: "mini2" },
      lost: { ...API, current_host: "nowhere" },
      homeless: { docker_compose: "/x/compose.yml" },
      fresh: API,
      "no name": API,
    }, { mini2: { ip: "127.0.0.1", ssh_port: await freePort(), path: "/srv" } });
    succeeded(await cluster.certs("init-ca"));
    for (const name of ["api", "gone", "lost", "homeless"]) succeeded(await cluster.certs("generate", name));
    const all = await cluster.certs("deploy-all");
    equal(all.code, 1);
    match(all.stdout, /api: client certificate in mini1/);
    match(
      all.stderr,
      /gone: cannot place the client certificate of 'gone' in \/srv\/api\/certs: cannot reach mini2 \(127\.0\.0\.1\): .*refused/,
    );
    match(all.stderr, /lost: there is no host 'nowhere'/);
    match(all.stderr, /homeless skipped: it names no current_host/);
    equal(all.stderr.match(/^✗ no name: invalid service name/gm)?.length, 1);
    match(all.stderr, /fresh skipped: no client or server certificate/);
    match(all.stderr, /could not deploy 3 of 4: gone, lost, no name/);
    const json = await cluster.certs("deploy-all", "--json");
    equal(json.code, 1);
    const facts = JSON.parse(json.stdout);
    deepEqual(facts.failed.map(({ service, code }: { service: string; code: string }) => [service, code]), [
      ["gone", "unreachable"],
      ["lost", "unknown_host"],
      ["no name", "invalid_service"],
    ]);
    const single = await cluster.certs("deploy", "gone", "mini2", "--json");
    equal(JSON.parse(single.stderr).code, "unreachable");
    match(JSON.parse(single.stderr).hint, /is it up/);
  },
});

Deno.test({
  name: "helyos certs deploy-all refuses two pairs for one place, where the last one would pass for the other",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    const key = "/db/certs/client-key.pem";
    await cluster.register({
      api: API,
      worker: { ...API, hostname: "worker.internal" },
      db: { ...API, docker_compose: "/db/compose.yml", tls_key: key },
      lone: { ...API, docker_compose: "/lone/compose.yml" },
    });
    await issued(cluster);
    const all = await cluster.certs("deploy-all", "--json");
    equal(all.code, 1);
    const { deployed, failed } = JSON.parse(all.stdout);
    const names = (list: { service: string; type: string }[]) => list.map(({ service, type }) => `${service} ${type}`);
    deepEqual(names(failed), ["api client", "worker client", "db client", "db server"]);
    deepEqual(names(deployed), ["api server", "worker server", "lone client", "lone server"]);
    match(
      failed[0].error,
      /client key of 'api' would be mini1:.*client-key\.pem, and so would the client key of 'worker'/,
    );
    match(failed[0].hint, /service_directory/);
    deepEqual((await readdir(join(cluster.base, "api/certs"))).filter((name) => name.startsWith("client")), []);
    const sick = JSON.parse((await cluster.certs("doctor", "--offline", "--json")).stdout);
    equal(
      sick.filter(({ check, level }: Record<string, string>) => `${level} ${check}` === "error registry").length,
      4,
    );
    // Who names one pair and one machine has decided.
    match(succeeded(await cluster.certs("deploy", "api", "mini1")).stderr, /and so would the client key of 'worker'/);
  },
});

Deno.test({
  name: "helyos certs deploy-all, interrupted, takes away what it had begun",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API, web: { ...API, docker_compose: "/web/compose.yml" } });
    await issued(cluster);
    const [bin, begun] = [join(cluster.home, "bin"), join(cluster.home, "begun")];
    await mkdir(bin);
    const moments = {
      scp: `/usr/bin/scp "$@" && touch ${begun} && exec sleep 60`, // Everything is there, and nobody was told.
      ssh: `case $* in *each\\ landed*) touch ${begun}; exec sleep 60 ;; esac\nexec /usr/bin/ssh "$@"`, // Nor will be.
    };
    for (const [program, script] of Object.entries(moments)) {
      await writeFile(join(bin, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const child = new Deno.Command("sh", {
        args: [join(ROOT, "scripts/launch.sh"), "cli", "certs", "deploy-all", "--json"],
        env: environment(cluster.home, { ...cluster.env, PATH: `${bin}:${Deno.env.get("PATH")}` }),
        clearEnv: true,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      while (await stat(begun).then(() => false, () => true)) await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill("SIGINT");
      const { code, stderr } = await child.output();
      equal(code, 130);
      equal(JSON.parse(new TextDecoder().decode(stderr)).error, "interrupted after 0 of 4");
      deepEqual((await readdir(cluster.base, { recursive: true })).sort(), ["api", "api/certs"], program);
      for (const path of [begun, join(bin, program)]) await rm(path);
    }
  },
});

Deno.test({
  name: "helyos certs deploy leaves alone what its caller was going to read",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API });
    await issued(cluster);
    const { run } = await import("../support/process.ts");
    const script = `printf '1\\n2\\n' | while read -r n; do sh "$0" cli certs deploy api mini1 >&2 && echo "$n"; done`;
    const outcome = await run("sh", ["-c", script, join(ROOT, "scripts/launch.sh")], {
      home: cluster.home,
      env: cluster.env,
    });
    equal(outcome.stdout, "1\n2\n", outcome.stderr);
  },
});

Deno.test({
  name: "helyos certs deploy works with a relative HELYOS_PKI_HOME, and with a library path in the environment",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API });
    const { helyos } = await import("../support/process.ts");
    const env = { ...cluster.env, HELYOS_PKI_HOME: "my pki", LD_LIBRARY_PATH: "/usr/lib" };
    const certs = (...args: string[]) => helyos(["certs", ...args], { home: cluster.home, cwd: cluster.home, env });
    for (const line of ["init-ca", "generate api", "deploy api mini1", "doctor"]) {
      succeeded(await certs(...line.split(" ")));
    }
    equal(await isPair(join(cluster.base, "api/certs"), "client-cert.pem", "client-key.pem"), true);
    const other = await helyos(["certs", "deploy", "api", "mini1", "--json"], {
      home: cluster.home,
      cwd: cluster.home,
      env: { ...env, LD_OTHER: "x" },
    });
    equal(JSON.parse(other.stderr).hint, "unset LD_OTHER");
  },
});

Deno.test({
  name: "helyos certs sends the CA's key under no name, and no key with what everybody may read",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API, ca: { ...API, docker_compose: "/ca/compose.yml" } });
    await issued(cluster);
    const pki = (file: string) => join(cluster.home, ".helyos/pki", file);
    const refusal = async (...args: string[]) => {
      const refused = await cluster.certs(...args, "--json");
      equal(refused.code, 1, refused.stdout);
      return JSON.parse(refused.stderr).code;
    };
    // A service may be called so.
    succeeded(await cluster.certs("deploy", "ca", "mini1"));
    const [cert, key] = await Promise.all(
      ["ca/ca-cert.pem", "ca/ca-key.pem"].map((file) => readFile(pki(file), "utf8")),
    );
    await writeFile(pki("certs/api/client-cert.pem"), cert!);
    await writeFile(pki("certs/api/client-key.pem"), key!);
    equal(await refusal("deploy", "api", "mini1"), "untrusted_certificate");
    // Nor is there one for it that everybody would trust.
    const request = join(cluster.home, "api.csr");
    await cluster.must(
      "openssl",
      "req",
      "-new",
      "-key",
      pki("ca/ca-key.pem"),
      "-subj",
      "/CN=api.internal",
      "-out",
      request,
    );
    equal(await refusal("sign", request), "invalid_key");
    const server = await readFile(pki("certs/api/server-cert.pem"), "utf8");
    await writeFile(pki("certs/api/server-cert.pem"), server + key);
    equal(await refusal("deploy", "api", "mini1", "--type", "server"), "broken_pair");
    await writeFile(pki("certs/api/server-cert.pem"), server);
    await writeFile(pki("ca/ca-cert.pem"), cert! + key);
    equal(await refusal("deploy", "api", "mini1", "--type", "server"), "bad_ca");
    equal(await refusal("install-ca", "mini1"), "bad_ca");
    const all = await readdir(cluster.base, { recursive: true, withFileTypes: true });
    for (const entry of all.filter((entry) => entry.isFile())) {
      const text = await readFile(join(entry.parentPath, entry.name), "utf8");
      equal(text.includes(key!.split("\n")[1]!), false, entry.name);
    }
  },
});

Deno.test({
  name: "helyos certs deploy sends nothing that nobody would trust",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API, web: { ...API, tls_cert: join(cluster.base, "api/certs/api-cert.pem") } });
    await issued(cluster);
    const pki = join(cluster.home, ".helyos/pki/certs/api");
    const refusal = async (...args: string[]) => {
      const refused = await cluster.certs("deploy", ...args);
      equal(refused.code, 1);
      return refused.stderr;
    };
    match(await refusal("nobody", "mini1"), /there is no service 'nobody'/);
    match(await refusal("api; id", "mini1"), /invalid service name/);
    match(await refusal("web", "mini1", "--type", "server"), /is a path of the host, not of the service/);
    await copyFile(join(pki, "server-key.pem"), join(pki, "client-key.pem"));
    match(await refusal("api", "mini1"), /is not the certificate's key/);
    succeeded(await cluster.certs("generate", "api"));
    succeeded(await cluster.certs("revoke", "api"));
    match(await refusal("api", "mini1"), /is revoked|no client certificate/);
    deepEqual(await readdir(cluster.base), []);
  },
});

Deno.test({
  name: "helyos certs deploy writes this machine's own folders without ssh",
  async fn() {
    await using cluster = await startCluster();
    const base = join(cluster.home, "own services");
    await cluster.register({ api: { ...API, current_host: "local" } }, { local: { ip: "127.0.0.1", path: base } });
    await issued(cluster);
    succeeded(await cluster.certs("deploy-all"));
    equal(await isPair(join(base, "api/certs")), true);
    equal(cluster.sshd.log().includes("Accepted"), false);
  },
  ignore: lackingSshd(),
});

Deno.test({
  name: "helyos certs deploy records what it runs: port, BatchMode, quoted paths, and never the CA's key",
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API });
    await issued(cluster);
    // Programs that write down their arguments before they do what they are for.
    const bin = join(cluster.home, "bin");
    await mkdir(bin);
    for (const name of ["ssh", "scp"]) {
      await writeFile(
        join(bin, name),
        `#!/bin/sh\nfor word; do printf '%s\\037' "$word"; done >>${cluster.home}/${name}.log; printf '\\036' >>${cluster.home}/${name}.log\n` +
          `exec /usr/bin/${name} "$@"\n`,
      );
      await chmod(join(bin, name), 0o755);
    }
    const { helyos } = await import("../support/process.ts");
    const env = { ...cluster.env, PATH: `${bin}:${Deno.env.get("PATH")}` };
    succeeded(await helyos(["certs", "deploy", "api", "mini1"], { home: cluster.home, env }));
    const calls = async (name: string) =>
      (await readFile(join(cluster.home, `${name}.log`), "utf8")).split("\x1e").slice(0, -1)
        .map((call) => call.split("\x1f").slice(0, -1));
    const [ssh, scp] = [await calls("ssh"), await calls("scp")];
    deepEqual([ssh.length, scp.length], [2, 1]);
    for (const call of [...ssh, ...scp]) equal(call.includes("BatchMode=yes"), true);
    for (const call of ssh) equal(call[call.indexOf("-p") + 1], String(cluster.sshd.port));
    for (const call of scp) equal(call[call.indexOf("-P") + 1], String(cluster.sshd.port));
    const [prepare] = ssh;
    equal(prepare!.at(-1)!.includes(`'${join(cluster.base, "api/certs").replaceAll("'", "'\\''")}'`), true);
    equal([...ssh, ...scp].flat().some((word) => word.includes("ca-key")), false);
  },
  ignore: lackingSshd(),
});

Deno.test({
  name: "helyos certs deploy, killed at any moment, leaves a whole pair, old or new, and the next one mends all",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    await cluster.register({ api: API });
    await issued(cluster);
    succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server"));
    const folder = join(cluster.base, "api/certs");
    let killed = 0;
    for (const delayMs of [150, 300, 400, 500, 600, 700, 800, 900, 1000, 1200]) {
      succeeded(await cluster.certs("generate-server", "api"));
      const child = new Deno.Command("sh", {
        args: [join(ROOT, "scripts/launch.sh"), "cli", "certs", "deploy", "api", "mini1", "--type", "server"],
        env: environment(cluster.home, cluster.env),
        clearEnv: true,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const timer = setTimeout(() => child.kill("SIGKILL"), delayMs);
      const { signal } = await child.status;
      clearTimeout(timer);
      if (signal === "SIGKILL") killed++;
      // What it started on the target ends by itself, and between two renames there are microseconds.
      for (let tries = 0; !await isPair(folder); tries++) {
        notEqual(tries, 20, "half of a pair was left");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    notEqual(killed, 0);
    succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server"));
    const own = join(cluster.home, ".helyos/pki/certs/api/server-cert.pem");
    equal(await readFile(join(folder, "api-cert.pem"), "utf8"), await readFile(own, "utf8"));
    equal(await isPair(folder), true);
  },
});

Deno.test({
  name: "a service is rotated under constant mutual TLS without one failed request, and a revoked client is refused",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    const port = await freePort();
    const folder = join(cluster.base, "api/certs");
    await cluster.register({
      api: { ...API, certs: { probe: `127.0.0.1:${port}` } },
      web: { ...API, hostname: "web.internal", docker_compose: "/web/compose.yml" },
      bot: { ...API, hostname: "bot.internal", docker_compose: "/bot/compose.yml" },
    });
    await issued(cluster);
    succeeded(await cluster.certs("deploy-all", "--crl"));
    const server = serveTls(
      (_request, info) => new Response(info.peer?.identity.name ?? "?"),
      {
        config: new TlsConfig({
          certificatePath: join(folder, "api-cert.pem"),
          privateKeyPath: join(folder, "api-key.pem"),
          caCertificatesPath: join(folder, "ca-cert.pem"),
          revocationListsPath: join(folder, "crl.pem"),
        }),
        port,
        hostname: "127.0.0.1",
      },
    );
    await using running = await server;
    const clientOf = (service: string) => {
      const own = join(cluster.base, service, "certs");
      return fetchTls(
        new TlsConfig({
          certificatePath: join(own, "client-cert.pem"),
          privateKeyPath: join(own, "client-key.pem"),
          caCertificatesPath: join(own, "ca-cert.pem"),
        }),
      );
    };
    const url = `https://localhost:${running.addr.port}/`;
    let stop = false;
    let requests = 0;
    const load = Array.from({ length: 4 }, async (_, at) => {
      while (!stop) {
        // Half of the requests shake hands anew, half ride on a connection that outlives the rotation.
        await using fetch = await clientOf("web");
        for (let round = 0; round < (at % 2 === 0 ? 1 : 25) && !stop; round++) {
          equal(await (await fetch(url)).text(), "web.internal");
          requests++;
        }
      }
    });
    const rotation = (async () => {
      try {
        for (let round = 0; round < 3; round++) {
          succeeded(await cluster.certs("generate-server", "api"));
          const deployed = JSON.parse(
            succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server", "--reload", "--json")).stdout,
          );
          equal(deployed.served, true);
        }
      } finally {
        stop = true;
      }
    })();
    await Promise.all([rotation, ...load]);
    notEqual(requests, 0);

    {
      await using bot = await clientOf("bot");
      equal(await (await bot(url)).text(), "bot.internal");
    }
    succeeded(await cluster.certs("revoke", "bot", "--reason", "keyCompromise"));
    succeeded(await cluster.certs("deploy", "api", "mini1", "--type", "server", "--crl"));
    await running.reload();
    await using bot = await clientOf("bot");
    const refused = await bot(url).then((response) => response.status, (error: Error) => error);
    equal(refused instanceof Error, true, String(refused));
    await using web = await clientOf("web");
    equal(await (await web(url)).text(), "web.internal");
  },
});

Deno.test({
  name: "helyos certs doctor finds what was done to a healthy cluster, and says what to do",
  ignore: lackingSshd(),
  async fn() {
    await using cluster = await startCluster();
    const port = await freePort();
    const folder = join(cluster.base, "api/certs");
    const services = { api: { ...API, certs: { probe: `127.0.0.1:${port}` } } };
    await cluster.register(services);
    const doctor = async (...args: string[]) => {
      const outcome = await cluster.certs("doctor", "--json", ...args);
      const findings = JSON.parse(outcome.stdout) as {
        level: string;
        check: string;
        subject: string;
        message: string;
      }[];
      return { code: outcome.code, findings, checks: findings.map(({ level, check }) => `${level} ${check}`).sort() };
    };
    deepEqual((await doctor()).checks, ["error ca"]);
    await issued(cluster);
    succeeded(await cluster.certs("deploy-all"));
    deepEqual((await doctor("--offline")).findings, []);
    deepEqual((await doctor()).checks, ["error served"]);
    const config = new TlsConfig({
      certificatePath: join(folder, "api-cert.pem"),
      privateKeyPath: join(folder, "api-key.pem"),
      caCertificatesPath: join(folder, "ca-cert.pem"),
    });
    await using running = await serveTls(() => new Response("ok"), {
      config,
      port,
      hostname: "127.0.0.1",
      watch: false,
    });
    const healthy = await doctor();
    deepEqual([healthy.code, healthy.findings], [0, []]);
    match(succeeded(await cluster.certs("doctor")).stdout, /nothing is wrong/);

    // Issued and not deployed, hence not served either.
    succeeded(await cluster.certs("generate-server", "api"));
    deepEqual((await doctor()).checks, ["error deployed", "error deployed", "error served"]);
    succeeded(await cluster.certs("deploy-servers"));
    deepEqual((await doctor()).checks, ["error served"]);
    await running.reload();
    deepEqual((await doctor()).checks, []);

    const pki = join(cluster.home, ".helyos/pki");
    await chmod(join(pki, "ca/ca-key.pem"), 0o644);
    await chmod(join(folder, "api-key.pem"), 0o604);
    deepEqual((await doctor()).checks, ["error permissions", "error permissions"]);
    await chmod(join(pki, "ca/ca-key.pem"), 0o600);
    await chmod(join(folder, "api-key.pem"), 0o600);

    await cluster.register({
      api: { ...services.api, aliases: ["new.lan"], tls_cert: `${cluster.base}/api/certs/api-cert.pem` },
    });
    const changed = await doctor("--offline");
    deepEqual(changed.checks, ["error pair", "error pair", "error registry"]);
    match(changed.findings.map(({ message }) => message).join("\n"), /new\.lan/);
    await cluster.register({ other: API });
    deepEqual((await doctor("--offline")).checks, ["warning registry"]);
    await cluster.register(services);
    await copyFile(join(pki, "certs/api/client-key.pem"), join(pki, "certs/api/server-key.pem"));
    deepEqual((await doctor("--offline")).checks, ["error pair"]);
    succeeded(await cluster.certs("generate-server", "api"));

    // A new CA: what the old one issued is of no use to anybody.
    await Deno.remove(join(pki, "ca"), { recursive: true });
    succeeded(await cluster.certs("init-ca"));
    const orphaned = await doctor("--offline");
    deepEqual(orphaned.checks, ["error pair", "error pair"]);
    match(orphaned.findings[0]!.message, /another CA issued it/);
  },
});
