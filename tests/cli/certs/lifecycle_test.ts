import { deepEqual, doesNotMatch, equal, match, notEqual } from "node:assert/strict";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRequest, generateKeyPair, parseCertificate, parseCertificates, parseCrl } from "@helyos/pki";
import { startFakeDaemon } from "../terminal.ts";
import { lacking } from "../../support/tools.ts";
import { REGISTRY, workbench } from "./workbench.ts";

const read = async (path: string) => parseCertificate(await readFile(path, "utf8"));
const inDays = (days: number) => ({ now: new Date(Date.now() + days * 86_400_000) });

interface Row {
  service: string;
  type: string;
  cn: string;
  note: string | null;
  daysLeft: number;
  hasKey: boolean;
}
const short = (rows: Row[]) => rows.map(({ service, type, note }) => `${service} ${type} ${note}`);

Deno.test("certs list works with nothing there, and shows clients, servers and the CA", async () => {
  await using bench = await workbench({ init: false });
  equal(await bench.ok("list"), "service  type  expiry  cn\n");
  deepEqual(await bench.json("list"), []);
  await bench.ok("init-ca");
  await bench.ok("generate-all");
  await bench.ok("generate-server api");
  const rows: Row[] = await bench.json("list");
  deepEqual(short(rows), ["ca ca null", "api client null", "api server null", "web client null"]);
  deepEqual(rows.map(({ daysLeft }) => daysLeft), [3649, 364, 364, 364]);
  deepEqual(
    Object.keys(rows[1]!).sort().join(),
    "cn,daysLeft,hasKey,issuer,lastError,nextTry,notAfter,notBefore,note,path,sans,serial,service,subject,type",
  );
  const table = await bench.ok("list");
  match(table, /^service +type +expiry +cn\nca +ca +\d{4}-\d\d-\d\d \d\d:\d\d +Helyos Service CA\n/);
  match(table, /\napi +server +\d{4}-\d\d-\d\d \d\d:\d\d +api\.internal\n/);
});

Deno.test("certs list shows what is wrong: expired, no key, unreadable, no certificate, another CA's", async () => {
  await using bench = await workbench();
  const { home } = bench;
  await bench.ok("generate-all --lifetime 1d");
  await bench.ok("generate-all-servers");
  match((await bench.certs("list", inDays(2))).stdout, /api +client .* api\.internal +expired\n/);
  await rm(home.pair("api", "client").key);
  await writeFile(home.pair("api", "server").cert, "nonsense");
  await rm(home.pair("web", "server").cert);
  deepEqual(short(await bench.json("list")), [
    "ca ca null",
    "api client no key",
    "api server unreadable",
    "web client null",
    "web server no certificate",
  ]);
  await rm(home.ca, { recursive: true });
  await bench.ok("init-ca");
  equal(short(await bench.json("list"))[3], "web client other CA");
  // The CA itself ends some day.
  match((await bench.certs("list", inDays(3651))).stdout, /ca +ca .* Helyos Service CA +expired\n/);
});

Deno.test("certs verify names the rule that is broken", async () => {
  await using bench = await workbench();
  const { home } = bench;
  const [api, web] = [home.pair("api", "client"), home.pair("web", "client")];
  const broken = async (terminal = {}) => {
    const outcome = await bench.certs("verify --json", terminal);
    equal(outcome.code, 1);
    return JSON.parse(outcome.stdout).filter(({ ok }: { ok: boolean }) => !ok)
      .map(({ service, rule }: { service: string; rule: string }) => `${service} ${rule}`);
  };
  await bench.ok("generate-all --lifetime 10d");
  await bench.ok("verify");
  deepEqual(await broken(inDays(11)), ["api validity", "web validity"]);
  await copyFile(web.key, api.key);
  deepEqual(await broken(), ["api pair"]);
  await copyFile(web.cert, api.cert);
  deepEqual(await broken(), ["api name"]);
  await bench.ok(["verify", web.cert]);
  await bench.ok("generate api");
  await bench.ok("verify");
  await rm(api.key);
  deepEqual(await broken(), ["api pair"]);
  await bench.ok("generate api");
  // The list is over before the certificates are: nobody can say any more that they are not revoked.
  await bench.ok("generate-all");
  deepEqual(await broken(inDays(31)), ["api revocation", "web revocation"]);
  await bench.ok("crl", inDays(31));
  await bench.ok("verify", inDays(31));
  await rm(home.ca, { recursive: true });
  await bench.ok("init-ca");
  deepEqual(await broken(), ["api issuer", "web issuer"]);
  equal((await bench.certs("verify nobody")).code, 1);
});

Deno.test("certs verify and list go on after one service that makes no sense or cannot be read", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  await writeFile(bench.registry, "services: {api: {hostname: [7]}, web: {hostname: www.lan}}\n");
  const outcome = await bench.certs("verify --json");
  equal(outcome.code, 1);
  deepEqual(
    JSON.parse(outcome.stdout).map(({ service, ok, rule }: Record<string, unknown>) => [service, ok, rule]),
    [["api", false, "registry"], ["web", true, undefined]],
  );
  const { cert } = bench.home.pair("api", "client");
  await rm(cert);
  await mkdir(cert);
  await writeFile(bench.registry, REGISTRY);
  match(await bench.ok("list"), /api +client +- +- +unreadable\n(.*\n)*web .* www\.lan\n/);
  match((await bench.certs("verify")).stdout, /client-cert\.pem cannot be read: it is a folder/);
});

Deno.test("certs verify takes a file as inspect does, DER or PEM", async () => {
  await using bench = await workbench({ init: "--intermediate" });
  await bench.ok("generate api");
  const pem = await readFile(bench.home.pair("api", "client").cert, "utf8");
  const der = join(bench.folder, "api.der");
  await writeFile(der, parseCertificates(pem)[0]!.der);
  await bench.ok(["verify", der]);
  match(await bench.ok(["inspect", der]), /valid until +\S+Z \(36\d days left\)/);
  match(await bench.ok(["inspect", der], inDays(367)), /\(expired 2 days ago\)/);
});

Deno.test("certs inspect shows limits and the identifiers of keys, and whose own key signed", async () => {
  await using bench = await workbench({ init: "--permit-dns internal,lan" });
  await bench.ok("generate api");
  const ca = await bench.ok("inspect ca");
  match(ca, / issuer {2}CN=Helyos Service CA \(itself\)\n/);
  match(ca, / permitted {2}dns:internal, dns:lan\n/);
  const id = / key id {2}([0-9a-f]{40})\n/.exec(ca)?.[1];
  const leaf = await bench.ok("inspect api");
  match(leaf, new RegExp(` issuer key  ${id}\\n`));
  match(leaf, / issuer {2}CN=Helyos Service CA\n/);
  match(leaf, /sha256 of key {2}([0-9a-f]{2}:){31}[0-9a-f]{2}\n/);
});

Deno.test("certs crl gives nothing back when the ledger is lost", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  const [serial] = (await bench.json("revoke api --reason keyCompromise")).serials;
  await rm(bench.home.ledger);
  await bench.ok("crl");
  await bench.ok("revoke web");
  const { revoked, number } = parseCrl(await readFile(bench.home.crl, "utf8"));
  equal(number, 4n);
  equal(revoked.length, 2);
  equal(revoked.find((entry) => entry.serial === serial)?.reason, "keyCompromise");
});

Deno.test("certs doctor names what is wrong with lists and records once, and still looks at the rest", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all --lifetime 300d");
  const found = async (terminal = {}) => {
    const { stdout } = await bench.certs("doctor --offline --json", terminal);
    return JSON.parse(stdout).map(({ level, check, subject }: Record<string, string>) =>
      `${level} ${check} ${subject}`
    );
  };
  deepEqual(await found(), []);
  deepEqual(await found(inDays(31)), [`warning crl ${bench.home.crl}`]);
  await writeFile(bench.home.crl, "nonsense\n");
  deepEqual(await found(), [`error crl ${bench.home.crl}`]);
  await rm(bench.home.crl);
  deepEqual(await found(), [`warning crl ${bench.home.crl}`]);
  match((await bench.certs("verify", inDays(301))).stdout, /expired/);
  await bench.ok("crl");
  await writeFile(bench.home.ledger, "nonsense\n");
  await rm(bench.home.pair("web", "client").key);
  deepEqual(await found(), [`error ca ${bench.home.ledger}`, "error pair web client"]);
  await rm(bench.home.ledger);
  deepEqual(await found(), [`warning ca ${bench.home.ledger}`, "error pair web client"]);
  match((await bench.certs("doctor --offline")).stderr, /1 thing is wrong, 1 more may be/);
  await writeFile(bench.registry, "services: [\n");
  deepEqual((await found())[0], `error registry ${bench.registry}`);
  equal((await found()).length, 3);
  match((await bench.certs("doctor --offline", inDays(-1))).stdout, /valid from .* only\n {2}hint: Is the clock/);
});

Deno.test("certs verify finds nothing wrong while everything is issued anew", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `  s${i}: {}\n`).join("");
  await using bench = await workbench({ registry: `services:\n${names}` });
  await bench.ok("generate-all");
  let issuing = true;
  const issued = bench.ok("generate-all").finally(() => issuing = false);
  while (issuing) await bench.ok("verify");
  await issued;
  await bench.ok("verify");
});

Deno.test("certs renew renews what is due and nothing else", async () => {
  await using bench = await workbench();
  const { home } = bench;
  await bench.ok("generate api --lifetime 30d --algorithm ed25519");
  await bench.ok("generate web --lifetime 90d");
  const before = await read(home.pair("web", "client").cert);
  match(await bench.ok("renew", inDays(19)), /None of 2 is due/);
  const dry = await bench.json("renew --dry-run", inDays(21));
  deepEqual(dry.map(({ service, action }: Record<string, string>) => `${service} ${action}`), [
    "api renew",
    "web keep",
  ]);
  equal((await bench.json("renew", inDays(21))).issued.length, 1);
  const api = await read(home.pair("api", "client").cert);
  equal(Math.round((api.notAfter.getTime() - inDays(21).now.getTime()) / 86_400_000), 30, "lives as long as before");
  equal(api.publicKey.algorithm.id ?? "", "1.3.101.112", "same kind of key");
  equal((await read(home.pair("web", "client").cert)).serial, before.serial);
  equal((await bench.json("renew --all --lifetime 24h", inDays(21))).issued.length, 2);
  notEqual((await read(home.pair("web", "client").cert)).serial, before.serial);

  // Of no use as it is, so due whatever its dates say.
  await rm(home.pair("web", "client").key);
  await writeFile(home.pair("api", "client").cert, "nonsense");
  equal((await bench.json("renew", inDays(21))).issued.length, 2);
  await rm(home.ca, { recursive: true });
  await bench.ok("init-ca");
  match(await bench.ok("renew --dry-run"), /api client: renew: another CA issued it/);
  equal((await bench.json("renew")).issued.length, 2);
});

Deno.test("certs renew gives nothing back that was revoked, and does not chase the end of the CA", async () => {
  await using bench = await workbench({ init: "--lifetime 30" });
  await bench.ok("generate-all");
  match(await bench.ok("renew", inDays(29)), /0 issued, 0 failed, 2 skipped/);
  await bench.ok("revoke api");
  const told = await bench.json("renew --all");
  deepEqual(told.issued.map(({ service }: Row) => service), ["web"]);
  match(told.skipped[0].reason, /revoked; for a new one: helyos certs generate api/);
  await bench.ok("generate api");
  equal((await bench.json("renew --all")).issued.length, 2);
});

Deno.test("certs renew names a service that left the registry, and renews the others", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  await writeFile(bench.registry, "services: {web: {}}\n");
  const outcome = await bench.certs("renew --all");
  equal(outcome.code, 1);
  match(outcome.stdout, /1 issued, 1 failed/);
  match(outcome.stderr, /✗ api: there is no service 'api'/);
});

Deno.test({
  name: "certs revoke puts every certificate of a service that still counts on a new list",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench();
    const { home } = bench;
    const first = (await bench.json("generate api")).serial;
    const second = (await bench.json("generate api")).serial;
    const server = (await bench.json("generate-server api")).serial;
    await bench.ok("generate web");
    equal((await bench.certs("revoke nobody")).code, 1);
    equal((await bench.certs("revoke api --reason because")).code, 2);
    const told = await bench.json("revoke api --type client --reason keyCompromise");
    deepEqual(told.serials.sort(), [first, second].sort());
    deepEqual((await bench.json("revoke api")).serials, [server]);
    const again = await bench.json("revoke api");
    deepEqual(again.serials, []);
    const crl = parseCrl(await readFile(home.crl, "utf8"));
    deepEqual([crl.number, crl.revoked.length], [4n, 3]);
    equal(crl.revoked.find(({ serial }) => serial === first)?.reason, "keyCompromise");
    deepEqual(short(await bench.json("list")), [
      "ca ca null",
      "api client revoked",
      "api server revoked",
      "web client null",
    ]);
    const check = ["verify", "-crl_check", "-CAfile", home.caCert, "-CRLfile", home.crl];
    match((await bench.run("openssl", [...check, home.pair("api", "client").cert])).text, /certificate revoked/);
    equal((await bench.run("openssl", [...check, home.pair("web", "client").cert])).code, 0);
    // A new one is not revoked by what was.
    await bench.ok("generate api");
    await bench.ok("generate-server api");
    await bench.ok("verify");
    // What has expired needs no list.
    deepEqual((await bench.json("revoke web", inDays(400))).serials.length, 1, "the one on the disk");
  },
});

Deno.test({
  name: "certs sign signs a request, whoever made it, and never sees a key",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench();
    const csr = join(bench.folder, "r.csr");
    const write = async (commonName: string, names = {}) =>
      await writeFile(csr, (await createRequest({ key: await generateKeyPair(), commonName, names })).pem);
    await write("x.internal", { dns: ["x.internal", "*.x.internal"], ip: ["10.9.9.9"] });
    const printed = await bench.certs(["sign", csr]);
    equal(printed.code, 0, printed.stderr);
    match(printed.stderr, /Signed as server for x\.internal, \*\.x\.internal, 10\.9\.9\.9/);
    equal(parseCertificate(printed.stdout).extendedKeyUsage?.[0], "1.3.6.1.5.5.7.3.1");
    const out = join(bench.folder, "out.pem");
    equal((await bench.certs(["sign", csr, "--type", "peer"])).code, 1, "who a client is cannot be a wildcard");
    await write("x.internal", { dns: ["x.internal"] });
    await bench.ok(["sign", csr, "--type", "peer", "--lifetime", "24h", "--out", out]);
    const args = ["verify", "-x509_strict", "-CAfile", bench.home.caCert];
    for (const purpose of ["sslserver", "sslclient"]) {
      equal((await bench.run("openssl", [...args, "-purpose", purpose, out])).code, 0);
    }
    await bench.ok(["verify", out]);
    await write("just a client");
    equal((await bench.json(["sign", csr])).type, "client");
    const { serials } = await bench.json("revoke x.internal");
    equal(serials.length, 2);
    equal((await bench.certs(["verify", out])).code, 1);
    // RSA and DER from elsewhere.
    const req = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-subj", "/CN=y.lan"];
    await bench.run("openssl", [...req, "-addext", "subjectAltName=DNS:y.lan", "-outform", "DER", "-out", csr]);
    await bench.ok(["sign", csr]);

    const good = await readFile(csr);
    const changed = Uint8Array.from(good);
    changed[changed.length - 5]! ^= 1;
    for (const bytes of [changed, good.subarray(0, 100), new TextEncoder().encode("hello"), new Uint8Array()]) {
      await writeFile(csr, bytes);
      const refused = await bench.certs(["sign", csr, "--json"]);
      equal(JSON.parse(refused.stderr).code, "invalid_request");
    }
    equal((await bench.certs(["sign", join(bench.folder, "none")])).code, 1);
    await writeFile(csr, await readFile(bench.home.caKey, "utf8"));
    equal((await bench.certs(["sign", csr])).code, 1);
  },
});

Deno.test({
  name: "certs export writes what OpenSSL reads",
  ignore: lacking("openssl"),
  async fn() {
    await using bench = await workbench({ init: "--intermediate" });
    equal((await bench.certs("export api --chain")).code, 1);
    await bench.ok("generate-all");
    await bench.ok("generate-server api");
    deepEqual(
      parseCertificates(await bench.ok("export api --chain")).map(({ subject }) => subject.commonName),
      ["api.internal", "Helyos Service Intermediate CA", "Helyos Service CA"],
    );
    const server = parseCertificates(await bench.ok("export api --chain --type server"))[0];
    equal(server?.serial, (await read2(bench.home.pair("api", "server").cert)).serial);
    for (const line of ["export api", "export api --p12 --chain"]) equal((await bench.certs(line)).code, 2);
    match((await bench.certs("export api --p12")).stderr, /--passphrase-file/);
    match((await bench.certs("export api --p12", { keys: "one\rtwo\r" })).stderr, /differ/);
    equal((await bench.certs("export api --p12", { keys: "\r" })).code, 1);
    await bench.ok("export api --p12", { keys: "one\rone\r" });
    const [passphrase, out] = [join(bench.folder, "pass"), join(bench.folder, "api.p12")];
    await writeFile(passphrase, "correct horse\n");
    await bench.ok(["export", "api", "--p12", "--passphrase-file", passphrase, "--out", out]);
    equal((await stat(out)).mode & 0o777, 0o600);
    const shown = await bench.run("openssl", ["pkcs12", "-in", out, "-passin", "pass:correct horse", "-nodes"]);
    equal(shown.text.match(/BEGIN CERTIFICATE/g)?.length, 3);
    equal(shown.text.match(/BEGIN PRIVATE KEY/g)?.length, 1);
    const kept = await bench.json(["export", "api", "--p12", "--passphrase-file", passphrase]);
    equal(kept.path, join(bench.home.pair("api", "client").folder, "client.p12"));
    await copyFile(bench.home.pair("web", "client").key, bench.home.pair("api", "client").key);
    equal((await bench.certs(["export", "api", "--p12", "--passphrase-file", passphrase])).code, 1);
  },
});

const read2 = async (path: string) => parseCertificates(await readFile(path, "utf8"))[0]!;

Deno.test("certs inspect shows a service, the CA, a file, and what a server presents", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  await bench.ok("generate-server api");
  const both = await bench.json("inspect api");
  deepEqual(both.map(({ extendedKeyUsage }: { extendedKeyUsage: string[] }) => extendedKeyUsage), [
    ["clientAuth"],
    ["serverAuth"],
  ]);
  match(await bench.ok("inspect ca"), /subject {2}CN=Helyos Service CA\n/);
  const { cert, key } = bench.home.pair("api", "server");
  equal((await bench.json(["inspect", cert]))[0].commonName, "api.internal");
  for (const what of [key, "nothing.pem", bench.home.folder, "localhost:0", "localhost:99999"]) {
    equal((await bench.certs(["inspect", what])).code, 1, what);
  }
  const [certPem, keyPem] = await Promise.all([readFile(cert, "utf8"), readFile(key, "utf8")]);
  await using server = startFakeDaemon({}, { cert: certPem, key: keyPem });
  const { port } = new URL(server.server);
  equal((await bench.json(`inspect localhost:${port}`))[0].serial, both[1].serial);
  equal((await bench.json(`inspect 127.0.0.1:${port}`))[0].serial, both[1].serial);
  await using plain = startFakeDaemon({});
  equal((await bench.certs(`inspect 127.0.0.1:${new URL(plain.server).port}`)).code, 1);
});

Deno.test("certs never shows what a certificate's names would do to a terminal", async () => {
  await using bench = await workbench();
  await bench.ok("generate api");
  await writeFile(bench.home.pair("api", "client").cert, "\x1b]0;owned\x07");
  for (const line of ["list", "verify", "inspect api", "renew --dry-run"]) {
    const { stdout, stderr } = await bench.certs(line);
    // deno-lint-ignore no-control-regex -- what must not be there
    doesNotMatch(stdout + stderr, /\x1b|\x07/, line);
  }
});
