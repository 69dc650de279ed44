/**
 * Story: an operator gets the flags wrong. Each mistake is one clear refusal before anything is written.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { helyosd, startDaemon, temporaryFolder } from "../support/process.ts";

const REFUSALS: readonly { flags: readonly string[]; code: 1 | 2; says: RegExp }[] = [
  {
    flags: ["--host", "0.0.0.0", "--tls", "off"],
    code: 1,
    says:
      /^Error: refusing to serve a non-loopback address \(0\.0\.0\.0\) over plain HTTP; use --tls on, or pass BOTH --tls off and --insecure-http$/m,
  },
  { flags: ["--tls", "maybe"], code: 1, says: /invalid --tls value 'maybe' \(expected auto\|on\|off\)/ },
  { flags: ["--port", "70000"], code: 2, says: /port/ },
  { flags: ["--port", "x"], code: 2, says: /port/ },
  { flags: ["--tls-cert", "only.pem"], code: 1, says: /--tls-key/ },
  { flags: ["--tls-key", "only.pem"], code: 1, says: /--tls-cert/ },
  { flags: ["--tls", "on", "--tls-cert", "no.pem", "--tls-key", "no.key"], code: 1, says: /no\.(pem|key)/ },
  { flags: ["--tls-san", "bad name"], code: 1, says: /tls-san/ },
  {
    flags: ["--acme-dns-hook", "no-hook"],
    code: 1,
    says: /^Error: cannot run --acme-dns-hook \S+\/no-hook: there is no/m,
  },
  { flags: ["--acme-dns-hook", "/etc/passwd"], code: 1, says: /passwd: .* or it is not executable$/m },
  { flags: ["--log-level", "loud"], code: 2, says: /log-level/ },
  { flags: ["--log-format", "xml"], code: 2, says: /log-format/ },
  { flags: ["--prot", "1"], code: 2, says: /--port/ },
  { flags: ["extra"], code: 2, says: /extra/ },
  { flags: ["--host", "192.0.2.7", "--port", "0"], code: 1, says: /Error: .*this machine has no such address/ },
  { flags: ["--host", "nowhere.invalid", "--port", "0"], code: 1, says: /Error: cannot listen on nowhere\.invalid/ },
];

for (const { flags, code, says } of REFUSALS) {
  Deno.test(`helyosd refuses ${flags.join(" ")} and writes nothing`, async () => {
    await using home = await temporaryFolder();
    const outcome = await helyosd(flags, { home: home.path });
    match(outcome.stderr, says);
    equal(outcome.code, code, outcome.stderr);
    deepEqual(await readdir(home.path), []);
  });
}

Deno.test("helyosd takes a DNS hook that lies in the working folder, by its name alone too", async () => {
  await using home = await temporaryFolder();
  await writeFile(join(home.path, "dns-hook"), "#!/bin/sh\n", { mode: 0o700 });
  for (const hook of ["dns-hook", "./dns-hook", join(home.path, "dns-hook")]) {
    const outcome = await helyosd(["--check", "--acme-dns-hook", hook], { home: home.path });
    equal(outcome.code, 0, outcome.stderr);
  }
});

Deno.test("helyosd refuses a supplied certificate that expired or does not match its key", async () => {
  await using home = await temporaryFolder();
  const key = await generateKeyPair();
  const other = await generateKeyPair();
  const ca = await createRootCa({
    commonName: "company CA",
    key,
    lifetimeDays: 100,
    now: new Date(Date.now() - 50 * 86_400_000),
  });
  const issue = (now?: Date) =>
    issueCertificate({
      issuer: { certificate: ca.pem, key },
      profile: "server",
      publicKey: other.publicKey,
      commonName: "localhost",
      names: { dns: ["localhost"] },
      lifetimeSeconds: 86_400,
      ...(now ? { now } : {}),
    });
  const path = (name: string) => join(home.path, name);
  await writeFile(path("good.pem"), (await issue()).pem);
  await writeFile(path("old.pem"), (await issue(new Date(Date.now() - 20 * 86_400_000))).pem);
  await writeFile(path("good.key"), await exportPrivateKey(other));
  await writeFile(path("wrong.key"), await exportPrivateKey(key));
  await writeFile(path("junk.pem"), "-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n");
  const cases: [string, string, RegExp][] = [
    ["old.pem", "good.key", /expired/],
    ["good.pem", "wrong.key", /match|belong|another certificate/],
    ["junk.pem", "good.key", /junk\.pem/],
    ["good.pem", "junk.pem", /junk\.pem/],
  ];
  for (const [cert, keyFile, says] of cases) {
    for (const check of [[], ["--check"]]) {
      const outcome = await helyosd(["--tls", "on", "--tls-cert", cert, "--tls-key", keyFile, ...check], {
        home: home.path,
      });
      equal(outcome.code, 1, outcome.stderr);
      match(outcome.stderr, says);
    }
  }
  deepEqual((await readdir(home.path)).filter((name) => name.startsWith(".helyos")), []);
});

Deno.test("helyosd says so in one sentence when the port is in use, by a stranger or by another helyosd", async () => {
  await using home = await temporaryFolder();
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  const { port } = stranger.address() as { port: number };
  const outcome = await helyosd(["--port", String(port)], { home: home.path });
  equal(outcome.code, 1);
  match(outcome.stderr, new RegExp(`Error: .*${port}.*in use`));
  await new Promise((resolve) => stranger.close(resolve));

  for (const tls of ["on", "off"]) {
    await using first = await temporaryFolder();
    await using second = await temporaryFolder();
    await using daemon = await startDaemon({ home: first.path, flags: ["--tls", tls] });
    const taken = await helyosd(["--tls", tls, "--port", new URL(daemon.url).port], { home: second.path });
    equal(taken.code, 1, taken.stderr);
    match(taken.stderr, /Error: .*in use/);
  }
});

Deno.test("helyosd refuses a data directory that another daemon holds, and names the holder", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const second = await helyosd(["--port", "0"], { home: home.path });
  equal(second.code, 1, second.stderr);
  match(second.stderr, new RegExp(`Error: .*${daemon.pid}`));
});

/** Every file under a folder with its content. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path] = Buffer.from(await Deno.readFile(path)).toString("latin1");
  }
  return files;
}

Deno.test("helyosd refuses a data directory it cannot go on with in one sentence, and changes nothing in it", async () => {
  const noDatabase = "this is no database, but long enough to look like one to nobody".repeat(100);
  const key = "k".repeat(32);
  const cases: { files: Record<string, string>; says: RegExp; flags?: string[] }[] = [
    { files: { "master.key": "short" }, says: /Error: .*master key invalid length: expected 32, got 5/ },
    { files: { "state.db": noDatabase, "master.key": key }, says: /Error: .*state\.db/ },
    { files: { "state.db": noDatabase }, says: /Error: .*master\.key is missing/ },
    { files: { "helyos.db": noDatabase }, says: /Error: .*helyos\.db.*not a database/ },
    {
      files: { "http-ca.pem": "junk", "http-server.pem": "junk", "http-server-key.pem": "junk", "master.key": key },
      says: /Error: .*http-ca\.pem/,
      flags: ["--tls", "on"],
    },
  ];
  for (const { files, says, flags = [] } of cases) {
    await using home = await temporaryFolder();
    const data = join(home.path, "data");
    await mkdir(data, { mode: 0o700 });
    for (const [name, content] of Object.entries(files)) await writeFile(join(data, name), content, { mode: 0o600 });
    const before = await contentOf(home.path);
    for (const check of [[], ["--check"]]) {
      const outcome = await helyosd(["--port", "0", "--data-dir", data, ...flags, ...check], { home: home.path });
      equal(outcome.code, 1, outcome.stderr);
      match(outcome.stderr, says);
      equal(outcome.stderr.trim().split("\n").filter((line) => line.startsWith("Error:")).length, 1);
      deepEqual(await contentOf(home.path), before);
    }
  }
});

Deno.test({
  name: "helyosd refuses a data directory it cannot write",
  ignore: Deno.uid() === 0, // Root writes everywhere.
  async fn() {
    await using home = await temporaryFolder();
    const data = join(home.path, "data");
    await mkdir(data);
    await chmod(data, 0o500);
    const outcome = await helyosd(["--port", "0", "--data-dir", data], { home: home.path });
    equal(outcome.code, 1);
    match(outcome.stderr, /Error: .*data/);
  },
});
