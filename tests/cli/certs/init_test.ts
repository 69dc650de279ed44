import { deepEqual, equal, match } from "node:assert/strict";
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseCertificate, parseCrl } from "@helyos/pki";
import { lacking } from "../../support/tools.ts";
import { workbench } from "./workbench.ts";

const mode = async (path: string) => (await stat(path)).mode & 0o777;

Deno.test("certs init-ca refuses a CA of which one half is missing, and changes nothing", async () => {
  for (const lost of ["caKey", "caCert"] as const) {
    await using bench = await workbench();
    const { home } = bench;
    const left = lost === "caKey" ? home.caCert : home.caKey;
    const before = await readFile(left, "utf8");
    await rm(home[lost]);
    const refused = await bench.certs("init-ca");
    equal(refused.code, 1);
    match(refused.stderr, new RegExp(`not whole: .*${lost === "caKey" ? "ca-key" : "ca-cert"}\\.pem missing`));
    equal(await readFile(left, "utf8"), before);
    equal(JSON.parse((await bench.certs("generate api --json")).stderr).code, "partial_ca");
  }
});

Deno.test("certs works on without the CA's key, but for what must be signed", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  await rm(bench.home.caKey);
  deepEqual((await bench.json("list")).slice(0, 2).map(({ note }: { note: string }) => note), ["no key", null]);
  for (const line of ["verify", "inspect ca", "export api --chain", "renew"]) await bench.ok(line);
  for (const line of ["generate-all", "generate-server api", "crl", "revoke api", "renew --all", "init-ca"]) {
    equal(JSON.parse((await bench.certs(`${line} --json`)).stderr).code, "partial_ca", line);
  }
  match((await bench.certs("doctor --offline")).stdout, /ca-key\.pem is missing/);
});

Deno.test("certs init-ca refuses a folder with the records of a CA that is gone", async () => {
  await using bench = await workbench();
  await rm(bench.home.caKey);
  await rm(bench.home.caCert);
  const refused = await bench.certs("init-ca");
  equal(refused.code, 1);
  match(refused.stderr, /ledger\.jsonl/);
});

Deno.test("certs init-ca refuses constraints that make no sense, and leaves nothing behind", async () => {
  await using bench = await workbench({ init: false });
  for (const line of ["--permit-dns a..b", "--permit-ip 10.0.0.1/33", "--permit-ip 10.0.0.5/8"]) {
    equal((await bench.certs(`init-ca ${line}`)).code, 1, line);
  }
  equal((await bench.certs("init-ca --permit-dns a,,b")).code, 2);
  deepEqual(await bench.json("list"), []);
  equal(await stat(bench.home.ca).catch(() => "none"), "none");
});

Deno.test("certs init-ca makes a CA once; the second time changes nothing", async () => {
  await using bench = await workbench({ init: false });
  const { home } = bench;
  const made = await bench.certs("init-ca");
  equal(made.code, 0);
  match(made.stdout, /ca-cert\.pem\n.*ca-key\.pem/);
  match(made.stderr, /not encrypted/);
  const files = [home.caCert, home.caKey, home.crl, home.serial];
  const before = await Promise.all(files.map((file) => readFile(file, "utf8")));
  equal((await bench.certs("init-ca")).code, 0);
  deepEqual(await Promise.all(files.map((file) => readFile(file, "utf8"))), before);
  equal((await bench.json("init-ca")).created, false);

  const ca = parseCertificate(before[0]!);
  equal(ca.version, 3);
  equal(ca.subject.commonName, "Helyos Service CA");
  deepEqual([ca.isCa, ca.basicConstraints?.pathLength], [true, 0]);
  deepEqual([...ca.keyUsage!].sort(), ["cRLSign", "keyCertSign"]);
  match(before[3]!, /^[0-9A-F]{40}\n$/);
  equal(parseCrl(before[2]!).revoked.length, 0);
  deepEqual(await Promise.all([home.folder, home.ca].map(mode)), [0o700, 0o700]);
  deepEqual(await Promise.all([home.caKey, home.serial, home.ledger].map(mode)), [0o600, 0o600, 0o600]);
  equal(await mode(home.caCert), 0o644);
});

Deno.test("certs init-ca twice at once makes one CA", async () => {
  await using bench = await workbench({ init: false });
  const results = await Promise.all([1, 2, 3, 4].map(() => bench.json("init-ca")));
  equal(results.filter(({ created }) => created).length, 1);
  equal((await bench.certs("generate api")).code, 0);
});

Deno.test("certs init-ca closes a folder that others could enter", async () => {
  await using bench = await workbench({ init: false });
  await mkdir(bench.home.folder, { mode: 0o777 });
  await bench.ok("init-ca");
  equal(await mode(bench.home.folder), 0o700);
});

Deno.test("certs init-ca shuts nobody out of a folder that is not the CA's alone", async () => {
  await using bench = await workbench({ init: false });
  await mkdir(bench.home.folder);
  await chmod(bench.home.folder, 0o755);
  await writeFile(join(bench.home.folder, "letter.txt"), "dear");
  const refused = await bench.certs("init-ca --json");
  equal(JSON.parse(refused.stderr).code, "foreign_folder");
  equal(await mode(bench.home.folder), 0o755);
  // Who closed it may keep what they like in it.
  await chmod(bench.home.folder, 0o700);
  await bench.ok("init-ca");
});

Deno.test("certs init-ca encrypts the key under a passphrase, which every signature then needs", async () => {
  await using bench = await workbench({ init: false });
  const file = join(bench.folder, "passphrase");
  await writeFile(file, "correct horse\nand more\n");
  const made = await bench.json(["init-ca", "--passphrase-file", file]);
  equal(made.encrypted, true);
  match(await readFile(bench.home.caKey, "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);

  const refused = await bench.certs("generate api");
  equal(refused.code, 1);
  match(refused.stderr, /--passphrase-file/);
  await writeFile(join(bench.folder, "wrong"), "battery staple\n");
  const wrong = await bench.certs(["generate", "api", "--passphrase-file", join(bench.folder, "wrong"), "--json"]);
  equal(JSON.parse(wrong.stderr).code, "wrong_passphrase");
  for (const bad of ["", "\n"]) {
    await writeFile(join(bench.folder, "empty"), bad);
    equal((await bench.certs(["generate", "api", "--passphrase-file", join(bench.folder, "empty")])).code, 1);
  }
  equal((await bench.certs(["generate", "api", "--passphrase-file", join(bench.folder, "none")])).code, 1);
  equal((await bench.certs(["generate", "api", "--passphrase-file", file])).code, 0);
  // What signs nothing asks for nothing.
  equal((await bench.certs("list")).code, 0);
  equal((await bench.certs("verify")).code, 0);
});

Deno.test("certs init-ca on a terminal asks for a passphrase twice; Enter means none", async () => {
  await using bench = await workbench({ init: false });
  const differ = await bench.certs("init-ca", { keys: "one\rtwo\r" });
  equal(differ.code, 1);
  match(differ.stderr, /differ/);
  equal(await stat(bench.home.ca).catch(() => "none"), "none");
  equal((await bench.certs("init-ca", { keys: "secret\rsecret\r" })).code, 0);
  match(await readFile(bench.home.caKey, "utf8"), /ENCRYPTED/);
  const asked = await bench.certs("generate api", { keys: "secret\r" });
  equal(asked.code, 0, asked.stderr);
  equal(asked.stderr.includes("secret"), false);
  // Nothing is asked when there is nothing to do.
  equal((await bench.certs("init-ca", { keys: "" })).code, 0);

  await using open = await workbench({ init: false });
  match((await open.certs("init-ca", { keys: "\r" })).stderr, /not encrypted/);
});

Deno.test({
  name: "certs init-ca --intermediate works on when the root's key has been carried away",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench({ init: "--intermediate" });
    const { home } = bench;
    await rename(home.rootKey, join(bench.folder, "offline.pem"));
    equal(await stat(home.caKey).catch(() => "none"), "none");
    equal((await bench.json("init-ca")).created, false);
    await bench.ok("generate api");
    await bench.ok("generate-server api");
    await bench.ok("verify");
    for (const [type, purpose] of [["client", "sslclient"], ["server", "sslserver"]] as const) {
      const { cert } = home.pair("api", type);
      equal((await readFile(cert, "utf8")).match(/BEGIN CERTIFICATE/g)?.length, 2, "leaf and intermediate");
      const args = ["-x509_strict", "-purpose", purpose, "-CAfile", home.caCert, "-untrusted", cert];
      const crls = ["-crl_check_all", "-CRLfile", home.crl, "-CRLfile", home.rootCrl];
      const judged = await bench.run("openssl", ["verify", ...args, ...crls, cert]);
      equal(judged.code, 0, judged.text);
    }
    const rows = await bench.json("list");
    deepEqual(rows.slice(0, 2).map(({ type, hasKey }: { type: string; hasKey: boolean }) => [type, hasKey]), [
      ["ca", false],
      ["intermediate", true],
    ]);
    await bench.ok("revoke api");
    equal((await bench.certs("verify")).code, 1);
    // Half of the intermediate is as bad as half of a CA.
    await rm(home.intermediateKey);
    equal((await bench.certs("init-ca")).code, 1);
  },
});

Deno.test("certs init-ca --permit-dns makes a CA that speaks for nothing else, and servers still work", async () => {
  await using bench = await workbench({ init: "--permit-dns internal,lan --permit-ip 10.0.0.0/8" });
  await bench.ok("generate-server api");
  const server = parseCertificate(await readFile(bench.home.pair("api", "server").cert, "utf8"));
  deepEqual(server.names.map(({ value }) => value).sort(), ["10.0.0.5", "api.internal", "api.lan"]);
  await bench.ok("verify");
  await using wider = await workbench({
    init: "--permit-dns internal,lan,localhost --permit-ip 10.0.0.0/8,127.0.0.1/32,::1/128",
  });
  await wider.ok("generate-server api");
  const all = parseCertificate(await readFile(wider.home.pair("api", "server").cert, "utf8"));
  deepEqual(all.names.length, 6);
  await writeFile(bench.registry, "services: {api: {hostname: api.example.com}}\n");
  const refused = await bench.certs("generate api --json");
  equal(refused.code, 1);
  equal(JSON.parse(refused.stderr).code, "name_not_permitted");
});

Deno.test({
  name: "certs init-ca --root-key replaces the intermediate, and revokes the one before when asked to",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench({ init: "--intermediate --permit-dns internal,lan --permit-ip 10.0.0.0/8" });
    const { home } = bench;
    const offline = join(bench.folder, "offline.pem");
    await rename(home.rootKey, offline);
    await bench.ok("generate-all");
    const old = join(bench.folder, "old.pem");
    await writeFile(old, await readFile(home.pair("api", "client").cert));
    const files = () =>
      Promise.all([home.intermediateKey, home.intermediateCert, home.rootCrl].map((f) => readFile(f, "utf8")));
    const before = await files();
    for (const wrong of [home.intermediateKey, home.caCert, join(bench.folder, "none")]) {
      equal((await bench.certs(["init-ca", "--root-key", wrong])).code, 1, wrong);
    }
    equal((await bench.certs("init-ca --revoke-intermediate")).code, 2);
    deepEqual(await files(), before);

    const judge = (cert: string) => {
      const crls = ["-crl_check_all", "-CRLfile", home.crl, "-CRLfile", home.rootCrl];
      return bench.run("openssl", ["verify", "-CAfile", home.caCert, "-untrusted", cert, ...crls, cert]);
    };
    await bench.ok(["init-ca", "--root-key", offline]);
    await bench.ok(["init-ca", "--root-key", offline, "--revoke-intermediate"]);
    deepEqual((await bench.json("list")).map(({ note }: { note: string }) => note), [
      null,
      null,
      "other CA",
      "other CA",
    ]);
    equal((await bench.json("renew")).issued.length, 2);
    await bench.ok("verify");
    equal((await judge(home.pair("api", "client").cert)).code, 0);
    equal((await judge(old)).code !== 0, true);
    equal(parseCrl(await readFile(home.rootCrl, "utf8")).revoked.length, 1);
    await bench.ok("generate api");
    await writeFile(bench.registry, "services: {api: {hostname: api.example.com}, web: {aliases: [192.0.2.1]}}\n");
    for (const service of ["api", "web"]) equal((await bench.certs(`generate ${service}`)).code, 1, service);

    await using plain = await workbench();
    equal((await plain.certs(["init-ca", "--root-key", plain.home.caKey])).code, 1);
  },
});
