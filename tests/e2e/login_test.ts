/**
 * Story: three ways to log in from another machine, and every way in which it must refuse.
 */
import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { httpAnswer, startHostileServer } from "../support/hostile_server.ts";
import {
  helyos,
  helyosd,
  run,
  type RunningDaemon,
  startDaemon,
  type TemporaryFolder,
  temporaryFolder,
} from "../support/process.ts";
import { lacking } from "../support/tools.ts";

/** A test that asks programs of the system to judge. */
const judged = lacking("curl") ? Deno.test.ignore : Deno.test;

interface Cluster extends AsyncDisposable {
  readonly daemon: RunningDaemon;
  readonly host: TemporaryFolder;
  readonly server: string;
  readonly token: string;
}

async function startCluster(): Promise<Cluster> {
  const host = await temporaryFolder();
  const daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  return {
    daemon,
    host,
    server: daemon.url.replace("127.0.0.1", "localhost"),
    token: daemon.token!,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

const config = (home: string) => readFile(join(home, ".helyos/config.toml"), "utf8");

Deno.test("helyos login pins by fingerprint in every spelling, and every later command verifies", async () => {
  await using cluster = await startCluster();
  const printed = (await helyosd(["ca"], { home: cluster.host.path })).stdout;
  const [pem, der] = [...printed.matchAll(/(?:[0-9a-f]{2}:){31}[0-9a-f]{2}/g)].map((one) => one[0]);
  const spellings = [
    pem!,
    pem!.toUpperCase(),
    pem!.replaceAll(":", ""),
    `sha256:${pem}`,
    `SHA256:${pem}`,
    `der:${der}`,
    der!,
  ];
  for (const [index, spelling] of spellings.entries()) {
    await using home = await temporaryFolder();
    const login = await helyos([
      "login",
      cluster.server,
      "--ca-fingerprint",
      spelling,
      "--token-stdin",
      "--name",
      "prod",
      "--project",
      "web",
    ], { home: home.path, stdin: `${cluster.token}\n` });
    equal(login.code, 0, `${spelling}: ${login.stderr}`);
    match(login.stdout, /✓ Logged in to https:\/\/localhost:\d+ as '.+'\. Context 'prod' is now active\./);
    if (index > 0) continue;

    const written = await config(home.path);
    match(
      written,
      /^# Managed by `helyos`\. Edit with `helyos context` \/ `helyos login`\.\ncurrent-context = "prod"\n\n\[context\.prod\]\n/,
    );
    const keys = [...written.matchAll(/^([a-z0-9-]+) = /gm)].map((one) => one[1]);
    deepEqual(keys, ["current-context", "server", "token", "project", "token-name", "ca", "ca-sha256"]);
    equal((await stat(join(home.path, ".helyos/config.toml"))).mode & 0o777, 0o600);
    equal((await stat(join(home.path, ".helyos"))).mode & 0o777, 0o700);
    const whoami = await helyos(["whoami"], { home: home.path });
    equal(whoami.code, 0, whoami.stderr);
    match(whoami.stdout, /^name: {2}\S+\nscope: admin\n/);
    const contexts = JSON.parse((await helyos(["context", "ls", "--json"], { home: home.path })).stdout);
    deepEqual(contexts, [{ active: true, name: "prod", project: "web", server: cluster.server, tls: "pinned" }]);

    const logout = await helyos(["logout"], { home: home.path });
    match(logout.stdout, /✓ Logged out of context 'prod' \(server \+ pinned CA kept; re-login with one paste\)/);
    for (const file of ["config.toml", "config.toml.bak"]) {
      doesNotMatch(await readFile(join(home.path, ".helyos", file), "utf8").catch(() => ""), /nxa-api_/);
    }
  }
});

Deno.test("helyos login takes a CA file, and the token from a file or the environment", async () => {
  await using cluster = await startCluster();
  await using home = await temporaryFolder();
  const ca = join(cluster.host.path, ".helyos/data/http-ca.pem");
  await writeFile(join(home.path, "token.txt"), `${cluster.token}\n`, { mode: 0o600 });
  const byFile = await helyos(["login", cluster.server, "--ca-file", ca, "--token-file", "token.txt", "--name", "a"], {
    home: home.path,
  });
  equal(byFile.code, 0, byFile.stderr);
  const byVariable = await helyos(["login", cluster.server, "--ca-file", ca, "--no-set-current", "--name", "b"], {
    home: home.path,
    env: { HELYOS_API_TOKEN: cluster.token },
  });
  equal(byVariable.code, 0, byVariable.stderr);
  doesNotMatch(byVariable.stdout, /now active/);
  match(await config(home.path), /current-context = "a"/);
  equal((await helyos(["--context", "b", "whoami"], { home: home.path })).code, 0);
});

Deno.test("helyos login without a terminal and without a fingerprint refuses to pin", async () => {
  await using cluster = await startCluster();
  await using home = await temporaryFolder();
  const outcome = await helyos(["login", cluster.server, "--token-stdin"], {
    home: home.path,
    stdin: `${cluster.token}\n`,
  });
  equal(outcome.code, 1);
  match(
    outcome.stderr,
    /refusing to pin a CA non-interactively without --ca-fingerprint \(server https:\/\/localhost:\d+, got (?:[0-9a-f]{2}:){31}/,
  );
  equal(await config(home.path).catch(() => "none"), "none");
});

Deno.test("helyos login tells why the token was not accepted and writes nothing", async () => {
  await using cluster = await startCluster();
  await using home = await temporaryFolder();
  const ca = join(cluster.host.path, ".helyos/data/http-ca.pem");
  const wrong = "nxa-api_" + "0".repeat(64);
  const outcome = await helyos(["login", cluster.server, "--ca-file", ca, "--token-stdin"], {
    home: home.path,
    stdin: wrong,
  });
  equal(outcome.code, 1);
  match(outcome.stderr, /could not validate the token \(GET \/api\/v1\/whoami failed\)/);
  match(outcome.stderr, /missing or invalid bearer token/);
  doesNotMatch(outcome.stderr, /0{64}/);
  equal(await config(home.path).catch(() => "none"), "none");
});

Deno.test("helyos login takes a secret on the command line but warns", async () => {
  await using cluster = await startCluster();
  await using home = await temporaryFolder();
  const ca = join(cluster.host.path, ".helyos/data/http-ca.pem");
  const outcome = await helyos(["login", cluster.server, "--ca-file", ca, "--token", cluster.token], {
    home: home.path,
  });
  equal(outcome.code, 0, outcome.stderr);
  match(outcome.stderr, /⚠.*--token/);
});

Deno.test("helyos login --insecure-skip-tls-verify warns and marks the context", async () => {
  await using cluster = await startCluster();
  await using home = await temporaryFolder();
  const outcome = await helyos([
    "login",
    cluster.server,
    "--insecure-skip-tls-verify",
    "--token-stdin",
    "--name",
    "lab",
  ], {
    home: home.path,
    stdin: cluster.token,
  });
  equal(outcome.code, 0, outcome.stderr);
  match(outcome.stderr, /--insecure-skip-tls-verify: the server certificate will NOT be verified/);
  match(await config(home.path), /^insecure = true$/m);
});

Deno.test("helyos login to plain HTTP off the loopback needs --insecure-http", async () => {
  await using home = await temporaryFolder();
  const outcome = await helyos(["login", "http://192.0.2.1:6443", "--token-stdin"], {
    home: home.path,
    stdin: "nxa-api_x",
  });
  equal(outcome.code, 1);
  match(outcome.stderr, /--insecure-http/);
});

judged(
  "helyos login without a pin works where the system's roots verify a server that has no CA of its own",
  async () => {
    await using home = await temporaryFolder();
    const key = await generateKeyPair();
    const ca = await createRootCa({ commonName: "company CA", key });
    const leafKey = await generateKeyPair();
    const leaf = await issueCertificate({
      issuer: { certificate: ca.pem, key },
      profile: "server",
      publicKey: leafKey.publicKey,
      commonName: "localhost",
      names: { dns: ["localhost"] },
      lifetimeSeconds: 86_400,
    });
    const path = (name: string) => join(home.path, name);
    await writeFile(path("ca.pem"), ca.pem);
    await writeFile(path("api.pem"), leaf.pem);
    await writeFile(path("api.key"), await exportPrivateKey(leafKey), { mode: 0o600 });
    await using daemon = await startDaemon({
      home: home.path,
      flags: ["--tls", "on", "--tls-cert", "api.pem", "--tls-key", "api.key"],
    });
    const server = daemon.url.replace("127.0.0.1", "localhost");
    const missing = await run("curl", ["-sS", "--cacert", "ca.pem", `${server}/api/v1/ca`], { home: home.path });
    deepEqual(JSON.parse(missing.stdout), { error: "no self-signed CA (TLS off or BYO cert)", code: "not_found" });

    await using stranger = await temporaryFolder();
    const login = ["login", server, "--token-stdin", "--name", "prod"];
    const untrusted = await helyos(login, { home: stranger.path, stdin: daemon.token! });
    equal(untrusted.code, 1);
    match(untrusted.stderr, /--ca-file/);

    const trusted = await helyos(login, {
      home: stranger.path,
      stdin: daemon.token!,
      env: { SSL_CERT_FILE: path("ca.pem") },
    });
    equal(trusted.code, 0, trusted.stderr);
    const current = await helyos(["context", "current"], { home: stranger.path });
    match(current.stdout, /tls: {5}system/);

    const pinned = await helyos(["login", server, "--ca-file", path("ca.pem"), "--token-stdin", "--name", "pinned"], {
      home: stranger.path,
      stdin: daemon.token!,
    });
    equal(pinned.code, 0, pinned.stderr);
  },
);

Deno.test("a context's token stays with its origin", async () => {
  await using cluster = await startCluster();
  await using elsewhere = await startHostileServer({ answer: () => httpAnswer("401 Unauthorized", "{}") });
  await using home = await temporaryFolder();
  const ca = join(cluster.host.path, ".helyos/data/http-ca.pem");
  equal(
    (await helyos(["login", cluster.server, "--ca-file", ca, "--token-stdin", "--name", "prod"], {
      home: home.path,
      stdin: cluster.token,
    })).code,
    0,
  );
  for (
    const [args, env] of [
      [["whoami", "--server", `http://127.0.0.1:${elsewhere.port}`], {}],
      [["whoami"], { HELYOS_SERVER: `http://127.0.0.1:${elsewhere.port}` }],
    ] as const
  ) {
    const outcome = await helyos(args, { home: home.path, env });
    equal(outcome.code, 1);
    match(outcome.stderr, /prod/, "says whose token it held back");
    doesNotMatch(elsewhere.received(), /nxa-api_/);
  }
});
