/**
 * Story: a first start on a clean machine. The token is shown once, the local context works at once, and what is served is what
 * curl and openssl see.
 */
import { deepEqual, doesNotMatch, equal, match, notEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { environment, helyos, helyosd, ROOT, run, startDaemon, temporaryFolder } from "../support/process.ts";
import { lacking } from "../support/tools.ts";

/** A test that asks programs of the system to judge. */
const judged = lacking("openssl", "curl") ? Deno.test.ignore : Deno.test;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex").replace(/..(?!$)/g, "$&:");

Deno.test("helyosd's first start on the loopback prints the token once and the local context works at once", async () => {
  await using home = await temporaryFolder();
  {
    await using daemon = await startDaemon({ home: home.path });
    match(daemon.url, /^http:\/\//);
    match(daemon.log(), /save this, it will not be shown again/);
    match(daemon.token ?? "", /^nxa-api_[0-9a-f]{64}$/);
    equal(daemon.log().split(daemon.token!).length, 2, "the token is printed once");
    equal(daemon.output(), "", "standard output stays empty");

    const context = await readFile(join(home.path, ".helyos/config.toml"), "utf8");
    const port = new URL(daemon.url).port;
    equal(
      context,
      "# Managed by `helyos`. Edit with `helyos context` / `helyos login`.\n" +
        'current-context = "local"\n\n[context.local]\n' +
        `server = "http://localhost:${port}"\ntoken = "${daemon.token}"\nproject = "default"\n`,
    );
    const status = await helyos(["status"], { home: home.path });
    equal(status.code, 0, status.stderr);
    match(status.stdout, /single-node/);
    match(status.stdout, /running/);
    equal(await daemon.stop(), 0);
  }
  await using again = await startDaemon({ home: home.path });
  equal(again.token, undefined, "a later start shows no token");
});

Deno.test("helyosd's first start leaves a configuration that is there alone, and says how to connect instead", async () => {
  await using home = await temporaryFolder();
  const config = join(home.path, ".helyos/config.toml");
  await mkdir(join(home.path, ".helyos"), { mode: 0o700 });
  await writeFile(config, '[context.prod]\nserver = "https://prod:6443"\n', { mode: 0o600 });
  await using daemon = await startDaemon({ home: home.path });
  const [, server] = await daemon.waitForLog(
    /left \S+config\.toml as it is\. Connect the CLI with:\n {2}helyos login (\S+)\n/,
  );
  match(await readFile(config, "utf8"), /^\[context\.prod\]\nserver = .*\n$/);
  const login = ["login", server!, "--token-stdin"];
  const { code, stderr } = await helyos(login, { home: home.path, stdin: `${daemon.token}\n` });
  equal(code, 0, stderr);
});

Deno.test("helyosd warns of a supplied token that is short, and takes it", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path, env: { HELYOS_API_TOKEN: "fifteen-letters" } });
  match(daemon.log(), /WARN helyosd: the given API token is short enough to be guessed/);
  await using other = await temporaryFolder();
  await using strong = await startDaemon({ home: other.path, env: { HELYOS_API_TOKEN: "sixteen-letters!" } });
  doesNotMatch(strong.log(), /WARN/);
});

Deno.test("helyosd killed before it could show the first token shows another one, and whatever it wrote down works", async () => {
  await using home = await temporaryFolder();
  const config = join(home.path, ".helyos/config.toml");
  const mute = new Deno.Command("sh", {
    // Nothing can be written to a full device: the token is stored and put into the context, and never shown
    args: ["-c", 'exec sh "$@" 2>/dev/full', "sh", join(ROOT, "scripts/launch.sh"), "daemon", "--port", "0"],
    cwd: home.path,
    env: environment(home.path),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
  }).spawn();
  while (!existsSync(config)) await new Promise((resolve) => setTimeout(resolve, 20));
  mute.kill("SIGKILL");
  await mute.status;

  const port = new URL((await readFile(config, "utf8")).match(/server = "([^"]+)"/)![1]!).port;
  await using daemon = await startDaemon({ home: home.path, flags: ["--port", port] });
  match(daemon.log(), /WARN .*an earlier start ended before it had shown its API token/);
  match(daemon.token ?? "", /^nxa-api_[0-9a-f]{64}$/);
  for (const env of [{}, { HELYOS_API_TOKEN: daemon.token! }]) {
    const who = await helyos(["whoami"], { home: home.path, env });
    equal(who.code, 0, who.stderr);
  }
  await daemon.stop();
  await using third = await startDaemon({ home: home.path });
  equal(third.token, undefined);
});

judged(
  "helyosd over TLS serves a chain that openssl and curl verify, and one CA document across restarts",
  async () => {
    await using home = await temporaryFolder();
    const flags = ["--tls", "on", "--tls-san", "cluster.example", "--tls-san", "203.0.113.10"];
    const cas: string[] = [];
    for (let start = 0; start < 2; start++) {
      await using daemon = await startDaemon({ home: home.path, flags });
      const data = join(home.path, ".helyos/data");
      const ca = join(data, "http-ca.pem");
      const port = new URL(daemon.url).port;

      const document = await run("curl", ["-sS", "-k", `https://127.0.0.1:${port}/api/v1/ca`], { home: home.path });
      cas.push(document.stdout);
      const { pem, sha256: fingerprint } = JSON.parse(document.stdout);
      equal(pem, await readFile(ca, "utf8"));
      equal(fingerprint, sha256(pem));

      for (const host of ["localhost", "127.0.0.1", "cluster.example"]) {
        const at = host === "cluster.example" ? ["--resolve", `${host}:${port}:127.0.0.1`] : [];
        const health = await run("curl", ["-sS", "--cacert", ca, ...at, `https://${host}:${port}/health`], {
          home: home.path,
        });
        equal(health.stdout, "ok", health.stderr);
      }
      const chain = await run("openssl", [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        ca,
        join(data, "http-server.pem"),
      ], {
        home: home.path,
      });
      match(chain.stdout, /: OK/, chain.stderr);
      const text =
        (await run("openssl", ["x509", "-in", join(data, "http-server.pem"), "-noout", "-text"], { home: home.path }))
          .stdout;
      for (
        const name of [
          "DNS:localhost",
          "DNS:helyos",
          "IP Address:127.0.0.1",
          "DNS:cluster.example",
          "IP Address:203.0.113.10",
        ]
      ) {
        match(text, new RegExp(name.replaceAll(".", "\\.")));
      }
      match(text, /Subject: CN ?= ?helyos/);
      equal(
        (await run("openssl", [
          "s_client",
          "-connect",
          `127.0.0.1:${port}`,
          "-CAfile",
          ca,
          "-verify_return_error",
          "-alpn",
          "http/1.1",
        ], {
          home: home.path,
          stdin: "",
        })).code,
        0,
      );

      const printed = await helyosd(["ca"], { home: home.path });
      match(printed.stdout, new RegExp(fingerprint));
      const der = await run("openssl", ["x509", "-in", ca, "-noout", "-fingerprint", "-sha256"], { home: home.path });
      const derSha256 = der.stdout.trim().split("=")[1]!.toLowerCase();
      match(printed.stdout, new RegExp(derSha256));
      const asJson = JSON.parse((await helyosd(["ca", "--json"], { home: home.path })).stdout);
      deepEqual([asJson.pem, asJson.sha256, asJson.der_sha256], [pem, fingerprint, derSha256]);
    }
    deepEqual(cas[0], cas[1]);
  },
);

Deno.test("helyosd creates nothing others can read but the two public certificates", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path, flags: ["--tls", "on"] });
  const data = join(home.path, ".helyos/data");
  equal((await stat(data)).mode & 0o777, 0o700);
  const seen: string[] = [];
  for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
    const mode = (await stat(join(entry.parentPath, entry.name))).mode & 0o777;
    const expected = entry.isDirectory()
      ? 0o700
      : ["http-ca.pem", "http-server.pem"].includes(entry.name)
      ? 0o644
      : 0o600;
    equal(mode, expected, `${entry.name} has mode ${mode.toString(8)}`);
    seen.push(entry.name);
  }
  for (const name of ["master.key", "state.db", "http-ca.pem", "http-server-key.pem"]) {
    equal(seen.includes(name), true, name);
  }
  equal((await stat(join(home.path, ".helyos/config.toml"))).mode & 0o777, 0o600);
  notEqual(daemon.token, undefined);
  doesNotMatch(daemon.log(), /others may read/);
  await daemon.stop();
  await chmod(join(data, "master.key"), 0o640);
  await using again = await startDaemon({ home: home.path, flags: ["--tls", "on"] });
  match(again.log(), /WARN helyosd: others may read the master key \S+master\.key \(mode 0640\): chmod 600 it/);
});

Deno.test("helyosd --log-format json still shows the first-run token as its plain line", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path, flags: ["--log-format", "json"] });
  match(daemon.log(), /^\s*HELYOS_API_TOKEN=nxa-api_[0-9a-f]{64}$/m);
  const lines = daemon.log().split("\n").filter((line) => line.startsWith("{"));
  notEqual(lines.length, 0);
  for (const line of lines) {
    doesNotMatch(line, /nxa-api_[0-9a-f]{64}/);
    equal(typeof JSON.parse(line), "object");
  }
});

Deno.test("helyosd --check says what would be served and changes nothing", async () => {
  await using home = await temporaryFolder();
  const check = await helyosd(["--check", "--tls", "on", "--tls-san", "cluster.example"], { home: home.path });
  equal(check.code, 0, check.stderr);
  match(check.stdout, /https/i);
  match(check.stdout, /cluster\.example/);
  match(check.stdout, /^routes: on 0\.0\.0\.0:80 and 0\.0\.0\.0:443 .*else traefik$/m);
  match(check.stdout, /^certificates: ordered from https:\/\/acme-v02\..*no --acme-email/m);
  const edge = ["--proxy-backend", "embedded", "--http-listen", "[::1]:8080", "--acme-email", "ops@example.com"];
  const other = await helyosd(["--check", ...edge], { home: home.path });
  match(other.stdout, /^routes: on \[::1\]:8080 and 0\.0\.0\.0:443 .* proxy embedded$/m);
  match(other.stdout, /^certificates: .* for ops@example\.com$/m);
  deepEqual(await readdir(home.path), []);
});
