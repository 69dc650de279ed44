/**
 * Story: a domain over HTTPS with a certificate of a real CA, through the command line, the daemon, its proxy and curl.
 */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { type Pebble, startPebble, writeDnsHook } from "../support/pebble.ts";
import { helyos, type Outcome, run, type RunningDaemon, startDaemon, temporaryFolder } from "../support/process.ts";
import { lacking } from "../support/tools.ts";
import { startUpstream } from "../support/upstream.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

interface Site extends AsyncDisposable {
  readonly daemon: RunningDaemon;
  readonly home: string;
  readonly httpsPort: number;
  /** Starts the daemon anew on what it stored. */
  restart(signal?: Deno.Signal): Promise<void>;
  /** Runs the command line until it does well, or time is over. */
  helyos(...args: string[]): Promise<Outcome>;
  /** Fetches over HTTPS, trusting `ca` alone. */
  curl(url: string, ca?: string): Promise<Outcome>;
}

async function startSite(pebble: Pebble, flags: readonly string[] = []): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryFolder()).path;
  await Deno.writeTextFile(join(home, "acme-ca.pem"), pebble.ca);
  const root = join(home, "root.pem");
  await Deno.writeTextFile(root, await pebble.root());
  const httpsPort = await freePort();
  const all = [
    ...["--proxy-backend", "embedded"],
    ...["--acme-email", "ops@example.com", "--acme-directory", pebble.directoryUrl],
    ...["--acme-ca-file", join(home, "acme-ca.pem")],
    ...["--http-listen", `127.0.0.1:${pebble.httpPort}`, "--https-listen", `127.0.0.1:${httpsPort}`],
    ...["--port", String(await freePort())],
    ...flags,
  ];
  let daemon = await startDaemon({ home, flags: all });
  stack.defer(() => daemon[Symbol.asyncDispose]());
  const owned = stack.move();
  return {
    get daemon() {
      return daemon;
    },
    home,
    httpsPort,
    async restart(signal) {
      await daemon.stop(signal);
      daemon = await startDaemon({ home, flags: all });
    },
    helyos: (...args) => helyos(args, { home }),
    curl(url, ca = root) {
      const { hostname, protocol } = new URL(url);
      const [port, wanted] = protocol === "https:" ? [httpsPort, 443] : [pebble.httpPort, 80];
      const at = ["--connect-to", `${hostname}:${wanted}:127.0.0.1:${port}`];
      return run("curl", ["-sS", "--cacert", ca, ...at, url, "-w", " %{http_code} %{redirect_url}"], { home });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!await look()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test({
  name: "route add --https ends in an answer over HTTPS, which survives a restart and a kill",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using upstream = await startUpstream();
    await using site = await startSite(pebble);
    const domain = "api.example.com";
    const added = await site.helyos(
      ...["route", "add", domain, "-p", "shop", "--deployment", "api", "--https", "--upstream", upstream.address],
    );
    equal(added.stdout, `✓ Route '${domain}' -> shop/api (auto)\n`, added.stderr);
    const since = performance.now();
    await until("HTTPS", async () => (await site.curl(`https://${domain}/`)).code === 0);
    const took = performance.now() - since;
    ok(took < 5000, `${took} ms`);
    equal((await site.curl(`https://${domain}/`)).stdout, `${domain} https 200 `);
    // The port is told because it is not the usual one
    match((await site.curl(`http://${domain}/a?b`)).stdout, new RegExp(` 308 https://${domain}(:\\d+)?/a\\?b$`));
    await until("the look at the leaf", async () => (await site.helyos("cert", "ls")).stdout.includes("● served"));

    const listed = await site.helyos("routes", "-p", "shop");
    match(listed.stdout, /api\.example\.com\s+shop\s+api\s+auto\s+\S+\s+● served/);
    const [certificate] = JSON.parse((await site.helyos("cert", "ls", "--json")).stdout);
    equal(certificate.domain, domain);
    const pem = await site.helyos("cert", "inspect", domain, "--pem");
    match(pem.stdout, /^-----BEGIN CERTIFICATE-----/);
    match((await site.helyos("cert", "inspect", domain)).stdout, /Pebble Intermediate/);
    match((await site.helyos("cert", "renew", domain, "--dry-run")).stdout, /is not due/);

    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await site.restart(signal);
      await until("HTTPS again", async () => (await site.curl(`https://${domain}/`)).code === 0);
    }
    const [after] = JSON.parse((await site.helyos("cert", "ls", "--json")).stdout);
    equal(after.fingerprint, certificate.fingerprint, "no certificate was ordered again");

    match((await site.helyos("cert", "renew", domain)).stdout, /^✓ Renewal of 'api.example.com' started/);
    await until("the new certificate", async () => {
      const [now] = JSON.parse((await site.helyos("cert", "ls", "--json")).stdout);
      return now.fingerprint !== certificate.fingerprint && now.state === "served";
    });
    const doctor = await site.helyos("cert", "doctor", domain);
    match(doctor.stdout, /✓ route: The route gets its certificate by ACME/);
    match(doctor.stdout, /✓ clock: /);

    equal((await site.helyos("route", "rm", domain)).stdout, `✓ Route '${domain}' removed\n`);
    await until("the end of the route", async () => (await site.curl(`https://${domain}/`)).code !== 0);
    match((await site.helyos("audit")).stdout, /certificate\.renew/);
  },
});

Deno.test({
  name: "cert import is served at once, its key is nowhere in the data directory, and bad files are refused",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using upstream = await startUpstream();
    await using site = await startSite(pebble);
    const domain = "own.example.com";
    const file = (name: string) => join(site.home, name);
    const made = await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=own"],
      ...[
        "-days",
        "90",
        "-addext",
        `subjectAltName=DNS:${domain}`,
        "-keyout",
        file("key.pem"),
        "-out",
        file("cert.pem"),
      ],
    ], { home: site.home });
    equal(made.code, 0, made.stderr);
    await site.helyos("route", "add", domain, "-p", "shop", "--deployment", "web", "--upstream", upstream.address);
    await until("HTTP", async () => (await site.curl(`http://${domain}/`)).stdout === `${domain} http 200 `);

    const refused = await site.helyos(
      "cert",
      "import",
      "other.example.com",
      "--cert",
      file("cert.pem"),
      "--key",
      file("key.pem"),
    );
    equal(refused.code, 1);
    match(refused.stderr, /does not cover other.example.com; it is for own.example.com/);

    const imported = await site.helyos("cert", "import", domain, "--cert", file("cert.pem"), "--key", file("key.pem"));
    equal(imported.stdout, `✓ Certificate for '${domain}' imported\n`);
    match(imported.stderr, /⚠ the certificate is self-signed/);
    await until("HTTPS", async () => (await site.curl(`https://${domain}/`, file("cert.pem"))).code === 0);
    match((await site.helyos("routes", "-p", "shop")).stdout, /own\.example\.com\s+shop\s+web\s+manual/);

    const key = (await Deno.readTextFile(file("key.pem"))).split("\n")[1]!;
    const found = await run("grep", ["-rlaF", key, file(".helyos/data")], { home: site.home });
    equal(found.stdout, "", "the key is not in the clear");
    const refusedRm = await site.helyos("cert", "rm", domain);
    equal(refusedRm.code, 1, "without a terminal it asks for -y");
    equal((await site.helyos("cert", "rm", domain, "-y")).code, 0);
    const [route] = JSON.parse((await site.helyos("routes", "-p", "shop", "--json")).stdout);
    match(route.reason, /waits for its certificate|being told/);
  },
});

Deno.test({
  name: "a wildcard is proven by the hook, with exactly the permission to run it",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using upstream = await startUpstream();
    await using folder = await temporaryFolder();
    const hook = await writeDnsHook(pebble, folder.path);
    await using site = await startSite(pebble, ["--acme-dns-hook", hook]);
    const added = await site.helyos(
      ...[
        "route",
        "add",
        "*.example.com",
        "-p",
        "shop",
        "--deployment",
        "api",
        "--https",
        "--upstream",
        upstream.address,
      ],
    );
    equal(added.code, 0, added.stderr);
    await until("HTTPS", async () => (await site.curl("https://any.example.com/")).code === 0);
    equal((await site.curl("https://any.example.com/")).stdout, "any.example.com https 200 ");
    ok((await site.curl("https://two.labels.example.com/")).code !== 0, "a wildcard is for one label");
  },
});

Deno.test({
  name:
    "an account made elsewhere, the chain and the kind of key are what the command line says; the HMAC key is told to nobody",
  ignore,
  async fn() {
    const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    await using pebble = await startPebble({
      env: { PEBBLE_ALTERNATE_ROOTS: "1" },
      externalAccounts: { "kid-1": hmacKey },
    });
    const domain = "bound.example.com";
    const add = ["route", "add", domain, "-p", "shop", "--deployment", "api", "--https"];
    const state = async (site: Site) => JSON.parse((await site.helyos("cert", "ls", "--json")).stdout)[0];
    {
      await using site = await startSite(pebble);
      await site.helyos(...add);
      await until("the refusal", async () => (await state(site)).state === "failed");
      match((await state(site)).last_error, /start helyosd with --acme-eab-kid and --acme-eab-hmac-file/);
      const doctor = await site.helyos("cert", "doctor", domain);
      equal(doctor.code, 1);
      match(doctor.stdout, /✗ ca: No account can be made: .*--acme-eab-hmac-file/);
    }
    await using folder = await temporaryFolder();
    const file = join(folder.path, "hmac");
    await Deno.writeTextFile(file, `${hmacKey}\n`, { mode: 0o644 });
    const root = await pebble.root(1);
    const { stdout: subject } = await run("openssl", ["x509", "-noout", "-subject", "-nameopt", "multiline"], {
      home: folder.path,
      stdin: root,
    });
    const chain = /commonName\s*= (.*)/.exec(subject)![1]!;
    await using site = await startSite(pebble, [
      ...["--acme-eab-kid", "kid-1", "--acme-eab-hmac-file", file, "--log-level", "trace"],
      ...["--acme-preferred-chain", chain, "--acme-key-type", "rsa-2048"],
    ]);
    await site.helyos(...add);
    await until("service", async () => (await state(site)).state === "served");
    await Deno.writeTextFile(join(folder.path, "root.pem"), root);
    match((await site.curl(`https://${domain}/`, join(folder.path, "root.pem"))).stdout, / 503 $/, "no upstream yet");
    ok((await site.curl(`https://${domain}/`)).code !== 0, "the chain leads to the other root alone");
    const pem = await site.helyos("cert", "inspect", domain, "--pem");
    const text = await run("openssl", ["x509", "-noout", "-text"], { home: folder.path, stdin: pem.stdout });
    match(text.stdout, /Public-Key: \(2048 bit\)/);
    match(site.daemon.log(), /others may read the HMAC key .* chmod 600 it/);
    ok(!site.daemon.log().includes(hmacKey) && !site.daemon.output().includes(hmacKey));
    const found = await run("grep", ["-rlaF", hmacKey, join(site.home, ".helyos")], { home: site.home });
    equal(found.stdout, "", "it is stored nowhere");
    await site.restart();
    equal((await state(site)).state !== "failed", true, "the account is there already");
  },
});

Deno.test("helyosd refuses bad flags of routes and certificates before anything is touched", async () => {
  await using home = await temporaryFolder();
  const { helyosd } = await import("../support/process.ts");
  const refusals: [string[], RegExp][] = [
    [["--http-listen", "80"], /invalid --http-listen address: 80/],
    [["--https-listen", "localhost:443"], /invalid --https-listen address/],
    [["--http-listen", "127.0.0.1:99", "--https-listen", "127.0.0.1:99"], /cannot be the same/],
    [["--acme-email", "nobody"], /invalid --acme-email 'nobody'/],
    [["--acme-directory", "http://ca.example/dir"], /invalid --acme-directory/],
    [["--acme-ca-file", "nowhere.pem"], /cannot read --acme-ca-file/],
    [["--acme-eab-kid", "k"], /need each other/],
    [["--acme-profile", "no such"], /invalid --acme-profile/],
    [["--acme-staging-directory", "ftp://ca.example"], /invalid --acme-staging-directory/],
    [
      ["--acme-directory", "https://ca.example/dir", "--acme-staging-directory", "https://ca.example/dir"],
      /--acme-staging-directory must be another one/,
    ],
    [["--acme-key-type", "ed25519"], /possible values: ec-p256, ec-p384, rsa-2048/],
    [["--acme-preferred-chain", ""], /--acme-preferred-chain needs a value/],
    [["--acme-eab-kid", "k", "--acme-eab-hmac-file", "/dev/null"], /holds no key in base64url/],
    [["--proxy-backend", "apache"], /possible values/],
  ];
  for (const [flags, text] of refusals) {
    const { code, stderr } = await helyosd(flags, { home: home.path });
    ok(code === 1 || code === 2, `${flags}: ${code}`);
    match(stderr, text);
  }
  equal((await run("ls", ["-A"], { home: home.path })).stdout, "");
});
