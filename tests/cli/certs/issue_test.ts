import { deepEqual, doesNotMatch, equal, match, notEqual } from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseCertificate } from "@helyos/pki";
import { lacking } from "../../support/tools.ts";
import { workbench } from "./workbench.ts";

const read = async (path: string) => parseCertificate(await readFile(path, "utf8"));
const exists = (path: string) => stat(path).then(() => true, () => false);
const DAY_MS = 86_400_000;

Deno.test("certs generate refuses a host name that is none before any file is written", async () => {
  const names = [
    "a b",
    "a,b",
    "a/O=x",
    "a\nb",
    "a..b",
    "-a.lan",
    "x".repeat(65),
    `${"x".repeat(40)}.${"y".repeat(40)}`,
    "*",
  ];
  for (const hostname of names) {
    const registry = `services:\n  api:\n    hostname: ${JSON.stringify(hostname)}\n`;
    await using bench = await workbench({ registry });
    for (const command of ["generate", "generate-server"]) {
      const refused = await bench.certs([command, "api", "--json"]);
      equal(refused.code, 1, hostname);
      equal(JSON.parse(refused.stderr).code, "invalid_name");
    }
    deepEqual(await readdir(bench.home.certs), []);
    doesNotMatch(await readFile(bench.home.ledger, "utf8"), /issued/);
  }
});

Deno.test("certs generate refuses a service that is no name, or not in the registry", async () => {
  await using bench = await workbench();
  for (const name of ["../api", "a b", ".api", "-x", "a/b", "a;b", "x".repeat(64), "$(id)"]) {
    const refused = await bench.certs(["generate", "--json", "--", name]);
    equal(JSON.parse(refused.stderr).code, "invalid_service", name);
  }
  const unknown = await bench.certs("generate nope");
  equal(unknown.code, 1);
  match(unknown.stderr, /no service 'nope'.*\n.*Known services: api, web/);
  equal((await bench.certs("generate __proto__")).code, 1);
  equal((await bench.certs("generate")).code, 2);
});

Deno.test("certs generate says what is wrong with a registry", async () => {
  await using bench = await workbench();
  for (
    const text of [
      "services: [api]\n",
      "services:\n  api: 7\n",
      "services:\n  api: {hostname: 7}\n",
      "services:\n  api: {aliases: a}\n",
      "services:\n  api:\n    hostname: a\n    hostname: b\n",
      "services: {api: {hostname: [}\n",
      "- api\n",
      "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n",
    ]
  ) {
    await writeFile(bench.registry, text);
    const refused = await bench.certs("generate api --json");
    equal(refused.code, 1, text);
    match(JSON.parse(refused.stderr).code, /^(bad_registry|unknown_service)$/, text);
  }
  const missing = await bench.certs("generate api --json", { env: { HELYOS_REGISTRY: "/nonexistent/registry.yml" } });
  equal(JSON.parse(missing.stderr).code, "no_registry");
});

Deno.test("certs generate says how to make a CA when there is none", async () => {
  await using bench = await workbench({ init: false });
  for (const command of ["generate api", "generate-all", "generate-all-servers", "crl", "verify", "renew"]) {
    const refused = await bench.certs(command);
    equal(refused.code, 1);
    match(refused.stderr, /no CA in .*\n.*helyos certs init-ca/);
  }
});

Deno.test({
  name: "certs generate issues the certificate with which a service calls others",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench();
    const { home } = bench;
    const told = await bench.json("generate api");
    const { cert, key } = home.pair("api", "client");
    deepEqual([told.cert, told.key, told.ca], [cert, key, home.caCert]);
    const api = await read(cert);
    equal(api.version, 3);
    equal(api.subject.commonName, "api.internal");
    deepEqual(api.names.map(({ kind, value }) => `${kind}:${value}`), ["dns:api.internal", "dns:api.lan"]);
    deepEqual(api.extendedKeyUsage, ["1.3.6.1.5.5.7.3.2"]);
    equal(api.serial, told.serial);
    equal((await readFile(home.serial, "utf8")).trim(), api.serial.toUpperCase());
    equal(Math.round((api.notAfter.getTime() - Date.now()) / DAY_MS), 365);
    await bench.ok("generate web");
    const web = await read(home.pair("web", "client").cert);
    equal(web.subject.commonName, "www.lan");
    deepEqual(web.names.map(({ value }) => value), ["www.lan", "web.internal"]);
    const args = ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", home.caCert, cert];
    const judged = await bench.run("openssl", args);
    equal(judged.code, 0, judged.text);

    // Again is how it is rotated: new key, new number.
    const before = await readFile(key, "utf8");
    notEqual((await bench.json("generate api")).serial, told.serial);
    notEqual(await readFile(key, "utf8"), before);
    deepEqual((await readdir(home.pair("api", "client").folder)).sort(), ["client-cert.pem", "client-key.pem"]);
  },
});

Deno.test({
  name: "certs generate-server adds the host's address and what the host calls itself",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench();
    const { home } = bench;
    await bench.ok("generate-server api");
    const { cert } = home.pair("api", "server");
    const server = await read(cert);
    deepEqual(
      server.names.map(({ value }) => value),
      ["api.internal", "api.lan", "localhost", "10.0.0.5", "127.0.0.1", "::1"],
    );
    deepEqual(server.extendedKeyUsage, ["1.3.6.1.5.5.7.3.1"]);
    const args = ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "api.lan"];
    const judged = await bench.run("openssl", [...args, "-CAfile", home.caCert, cert]);
    equal(judged.code, 0, judged.text);

    await writeFile(bench.registry, "services:\n  lone: {}\n  lost: {current_host: gone}\n");
    const lone = await bench.certs("generate-server lone");
    equal(lone.code, 0, lone.stderr);
    match(lone.stderr, /no current_host/);
    equal((await bench.certs("generate-server lost")).code, 1);
  },
});

Deno.test("certs generate writes names small, and each once", async () => {
  const registry = "services: {api: {hostname: API.Lan, aliases: [api.lan, Api.Internal, b.LAN]}}\n";
  await using bench = await workbench({ registry });
  await bench.ok("generate api");
  const { subject, names } = await read(bench.home.pair("api", "client").cert);
  equal(subject.commonName, "api.lan");
  deepEqual(names.map(({ value }) => value), ["api.lan", "api.internal", "b.lan"]);
});

Deno.test("certs generate takes services whose names no host could have", async () => {
  const registry =
    "services:\n  my_Service: {}\n  '7': {hostname: Seven.LAN, aliases: [10.1.2.3, seven.lan, bücher.lan]}\n";
  await using bench = await workbench({ registry });
  await bench.ok("generate my_Service");
  equal((await read(bench.home.pair("my_Service", "client").cert)).subject.commonName, "my-service.internal");
  await bench.ok("generate 7");
  const seven = await read(bench.home.pair("7", "client").cert);
  deepEqual(
    seven.names.map(({ value }) => value).sort(),
    ["10.1.2.3", "7.internal", "seven.lan", "xn--bcher-kva.lan"],
  );
});

Deno.test("certs generate --lifetime and --algorithm; nothing outlives the CA", async () => {
  await using bench = await workbench({ init: "--lifetime 30" });
  const life = async (flags: string) => {
    await bench.ok(`generate api ${flags}`.trim());
    const { notAfter } = await read(bench.home.pair("api", "client").cert);
    return { hours: Math.round((notAfter.getTime() - Date.now()) / 3_600_000) };
  };
  equal((await life("--lifetime 24h")).hours, 24);
  equal((await life("--lifetime 7")).hours, 7 * 24);
  equal((await life("--lifetime 120m --algorithm ed25519")).hours, 2);
  equal((await life("")).hours, 30 * 24);
  for (const bad of ["0", "59s", "x", "1w", "-3d", "40000d", "1.5d"]) {
    equal((await bench.certs([`generate`, "api", `--lifetime=${bad}`])).code, 2, bad);
  }
  equal((await bench.certs("generate api --algorithm rsa-1024")).code, 2);
  for (const algorithm of ["ec-p384", "ed25519", "rsa-2048"]) {
    await bench.ok(`generate-server web --algorithm ${algorithm}`);
    await bench.ok("verify web");
  }
});

Deno.test("certs generate-all issues to all it can, names the one that failed, and fails", async () => {
  const registry = "services:\n  one: {}\n  bad: {hostname: 'a b'}\n  'no/name': {}\n  two: {hostname: two.lan}\n";
  await using bench = await workbench({ registry });
  const outcome = await bench.certs("generate-all");
  equal(outcome.code, 1);
  match(outcome.stdout, /2 issued, 2 failed, 0 skipped/);
  match(outcome.stderr, /✗ bad: Cannot use "a b"/);
  match(outcome.stderr, /no certificate for 2 of 4: bad, no\/name/);
  deepEqual((await readdir(bench.home.certs)).sort(), ["one", "two"]);
  const json = await bench.certs("generate-all --json");
  equal(json.code, 1);
  const told = JSON.parse(json.stdout);
  deepEqual(told.issued.map(({ service }: { service: string }) => service), ["one", "two"]);
  deepEqual(told.failed.map(({ service }: { service: string }) => service), ["bad", "no/name"]);
  equal((await bench.json("list")).length, 3);
});

Deno.test("certs generate-all shows on a terminal how far it is", async () => {
  await using bench = await workbench();
  const shown = await bench.certs("generate-all", { keys: "" });
  equal(shown.stderr, "0/2\r\x1b[K1/2 api\r\x1b[K\r\x1b[K");
  equal(shown.code, 0);
  equal((await bench.certs("generate-all")).stderr, "");
});

Deno.test("certs generate-all-servers skips who runs nowhere, and says so", async () => {
  const registry = `hosts:
  a: {ip: 10.0.0.1}
  b: {}
services:
  lone: {}
  on-a: {current_host: a}
  on-b: {current_host: b}
  lost: {current_host: c}
`;
  await using bench = await workbench({ registry });
  const outcome = await bench.certs("generate-all-servers");
  equal(outcome.code, 1);
  match(outcome.stderr, /lone skipped: it names no current_host/);
  match(outcome.stderr, /on-b skipped: host 'b' has no ip/);
  match(outcome.stderr, /✗ lost: there is no host 'c'/);
  match(outcome.stdout, /1 issued, 1 failed, 2 skipped/);
});

Deno.test("certs generate names a folder it cannot write to, and leaves the pair as it was", async () => {
  if (Deno.uid() === 0) return; // Root may write everywhere.
  await using bench = await workbench();
  await bench.ok("generate api");
  const { folder, cert } = bench.home.pair("api", "client");
  const before = await readFile(cert, "utf8");
  await chmod(folder, 0o500);
  const refused = await bench.certs("generate api");
  await chmod(folder, 0o700);
  equal(refused.code, 1);
  equal(await readFile(cert, "utf8"), before);
});

Deno.test("certs puts right what a crash left half done, whichever command comes next", async () => {
  await using bench = await workbench();
  const { home } = bench;
  await bench.ok("generate-all");
  const api = home.pair("api", "client");
  const [oldKey, oldCert] = await Promise.all([readFile(api.key, "utf8"), readFile(api.cert, "utf8")]);
  await bench.ok("generate api");
  const [newKey, newCert] = await Promise.all([readFile(api.key, "utf8"), readFile(api.cert, "utf8")]);
  const staged = (half: string) => join(api.folder, `.client-${half}.pem.new`);
  const lay = async (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) await writeFile(path, text);
    await writeFile(join(home.folder, "swapping"), "");
  };
  const cases: [string, Record<string, string>, [string, string]][] = [
    ["the key alone is staged", { [api.key]: oldKey, [api.cert]: oldCert, [staged("key")]: newKey }, [oldKey, oldCert]],
    [
      "both are staged, one of them cut short",
      { [api.key]: oldKey, [api.cert]: oldCert, [staged("key")]: newKey, [staged("cert")]: newCert.slice(0, 99) },
      [oldKey, oldCert],
    ],
    ["the key has moved", { [api.key]: newKey, [api.cert]: oldCert, [staged("cert")]: newCert }, [newKey, newCert]],
  ];
  for (const [what, files, wanted] of cases) {
    for (const next of ["list", "verify", "inspect api", "export api --chain", "renew", "crl", "update-registry"]) {
      await lay(files);
      equal((await bench.certs(next)).code, 0, `${what}, then ${next}`);
      deepEqual([await readFile(api.key, "utf8"), await readFile(api.cert, "utf8")], wanted, `${what}, then ${next}`);
      deepEqual((await readdir(api.folder)).sort(), ["client-cert.pem", "client-key.pem"]);
    }
  }
  await mkdir(join(home.certs, ".new.client.new"));
  await lay({ [join(home.certs, ".new.client.new", "client-key.pem")]: newKey });
  await bench.ok("verify");
  deepEqual((await readdir(home.certs)).sort(), ["api", "web"]);
  equal(await exists(join(home.folder, "swapping")), false);
});

Deno.test("certs signs nothing with a key that is not the CA's, or a CA that has expired", async () => {
  await using bench = await workbench({ init: "--lifetime 10" });
  const late = { now: new Date(Date.now() + 11 * DAY_MS) };
  for (const line of ["generate api", "generate-all", "generate-server web"]) {
    const refused = await bench.certs(line, late);
    equal(refused.code, 1);
    match(refused.stderr, /the CA expired at/);
  }
  await bench.ok("generate api");
  await writeFile(bench.home.caKey, await readFile(bench.home.pair("api", "client").key));
  for (const line of ["generate api", "generate-all", "crl", "revoke api", "renew --all"]) {
    const refused = await bench.certs([...line.split(" "), "--json"]);
    equal(JSON.parse(refused.stderr).code, "key_mismatch", line);
  }
  await bench.ok("verify");
  await writeFile(bench.home.caCert, "nonsense");
  for (const line of ["generate api", "list", "verify", "crl"]) {
    const refused = await bench.certs([...line.split(" "), "--json"]);
    equal(JSON.parse(refused.stderr).code, "bad_ca", line);
  }
});

Deno.test("certs says at once that the CA has expired, or the clock is wrong, and what to do", async () => {
  await using bench = await workbench({ init: "--lifetime 10d" });
  for (const [days, code, hint] of [[11, "ca_expired", /init-ca/], [-1, "ca_not_yet_valid", /clock/]] as const) {
    const now = new Date(Date.now() + days * DAY_MS);
    for (const line of ["generate api", "generate-all", "generate-all-servers"]) {
      const refused = await bench.certs(`${line} --json`, { now });
      equal(refused.code, 1);
      const told = JSON.parse(refused.stderr);
      equal(told.code, code, line);
      match(told.hint, hint);
    }
  }
  await using middle = await workbench({ init: "--intermediate --lifetime 10d" });
  const later = await middle.certs("generate api --json", { now: new Date(Date.now() + 6 * DAY_MS) });
  match(JSON.parse(later.stderr).hint, /--root-key/);
});

Deno.test("certs init-ca refuses a key that is not the CA's, or none at all", async () => {
  await using bench = await workbench();
  await using other = await workbench();
  for (const text of ["", "nonsense\n", await readFile(other.home.caKey, "utf8")]) {
    await writeFile(bench.home.caKey, text);
    const refused = await bench.certs("init-ca --json");
    equal(refused.code, 1, text);
    equal(JSON.parse(refused.stderr).code, "key_mismatch");
    equal(await readFile(bench.home.caKey, "utf8"), text);
    const found = JSON.parse((await bench.certs("doctor --offline --json")).stdout);
    deepEqual(found.map(({ check, subject }: Record<string, string>) => [check, subject]), [["ca", bench.home.caKey]]);
  }
});

Deno.test("certs list waits for nobody who is at work", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  await writeFile(join(bench.home.folder, "swapping"), "");
  using lock = await Deno.open(bench.home.lock, { read: true, write: true });
  await lock.lock(true);
  equal((await bench.json("list")).length, 3);
  equal(await exists(join(bench.home.folder, "swapping")), true, "what is underway is left alone");
});

Deno.test("certs goes on when a line of the ledger was cut short by a crash", async () => {
  // A short one, and one longer than what is written over it.
  for (const cut of ['{"event":"iss', `{"event":"issued","service":"${"x".repeat(2000)}`]) {
    await using bench = await workbench();
    const ledger = await readFile(bench.home.ledger, "utf8");
    await writeFile(bench.home.ledger, `${ledger}${cut}`);
    await bench.ok("generate api");
    await bench.ok("crl");
    const text = await readFile(bench.home.ledger, "utf8");
    equal(text.startsWith(ledger), true);
    deepEqual(text.trimEnd().split("\n").map((line) => JSON.parse(line).event), ["crl", "issued", "crl"]);
  }
});
