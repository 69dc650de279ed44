/**
 * Story: the local half of `helyos certs`, as an operator runs it: many at once, killed in the middle, and the certificates used.
 */
import { deepEqual, equal, notEqual, rejects } from "node:assert/strict";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { holdsKey, importPrivateKey, parseCertificate } from "@helyos/pki";
import { fetchTls, serveTls, TlsConfig } from "@helyos/tls";
import { openTerminal, quoted } from "../support/pseudo_terminal.ts";
import { environment, helyos, ROOT, run, type RunOptions, temporaryFolder } from "../support/process.ts";

const LAUNCHER = join(ROOT, "scripts/launch.sh");
const mode = async (path: string) => (await stat(path)).mode & 0o777;
const pki = (home: string, ...path: string[]) => join(home, ".helyos/pki", ...path);

async function certs(line: string, options: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await helyos(["certs", ...line.split(" ")], options);
  equal(code, 0, `${line}: ${stderr}`);
  return stdout;
}

async function registryOf(home: string, names: readonly string[]): Promise<void> {
  const services = names.map((name) => `  ${name}: {current_host: here, docker_compose: /${name}/c.yml}\n`).join("");
  await writeFile(join(home, "registry.yml"), `hosts: {here: {ip: 127.0.0.1}}\nservices:\n${services}`);
}

/** Every pair that can be seen: how many there are, and those that are none. */
async function pairsIn(home: string, type: string): Promise<{ count: number; broken: string[] }> {
  const folder = pki(home, "certs");
  const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
  const broken: string[] = [];
  for (const name of names) {
    try {
      const certificate = parseCertificate(await readFile(join(folder, name, `${type}-cert.pem`), "utf8"));
      const { publicKey } = await importPrivateKey(await readFile(join(folder, name, `${type}-key.pem`), "utf8"));
      if (!await holdsKey(certificate, publicKey)) broken.push(`${name}: no pair`);
    } catch (error) {
      broken.push(`${name}: ${error}`);
    }
  }
  return { count: names.length, broken };
}

Deno.test("certs: fifty at once get fifty numbers, and keys are closed under any umask", async () => {
  await using home = await temporaryFolder();
  await registryOf(home.path, ["api", "web"]);
  const under = (umask: string, words: string) => {
    const script = `umask ${umask}; exec sh "$0" cli certs ${words}`;
    return run("sh", ["-c", script, LAUNCHER], { home: home.path });
  };
  equal((await under("000", "init-ca")).code, 0);
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, i) => under(i % 2 ? "000" : "022", `generate ${i % 3 ? "api" : "web"} --json`)),
  );
  for (const { code, stderr } of outcomes) equal(code, 0, stderr);
  equal(new Set(outcomes.map(({ stdout }) => JSON.parse(stdout).serial)).size, 50);
  const ledger = (await readFile(pki(home.path, "ca/ledger.jsonl"), "utf8")).trimEnd().split("\n");
  equal(ledger.filter((line) => JSON.parse(line).event === "issued").length, 50);
  for (const folder of ["", "ca", "certs", "certs/api", "certs/web"]) {
    equal(await mode(pki(home.path, folder)), 0o700, folder);
  }
  const secrets = [
    "ca/ca-key.pem",
    "ca/serial",
    "ca/ledger.jsonl",
    "certs/api/client-key.pem",
    "certs/web/client-key.pem",
  ];
  for (const file of secrets) equal(await mode(pki(home.path, file)), 0o600, file);
  deepEqual((await pairsIn(home.path, "client")).broken, []);
  // And what everybody may read stays so: a registry closed to its readers would be an outage.
  equal((await under("077", "generate-server api")).code, 0);
  equal((await under("077", "update-registry")).code, 0);
  for (const file of ["certs/api/server-cert.pem", "../../registry.yml"]) {
    equal(await mode(pki(home.path, file)), 0o644, file);
  }
  equal(await mode(pki(home.path, "certs/api/server-key.pem")), 0o600);
});

Deno.test("certs: a home that is reached through a link is a home", async () => {
  await using folder = await temporaryFolder();
  const [real, home] = [join(folder.path, "real"), join(folder.path, "home")];
  await mkdir(real);
  await symlink(real, home);
  await registryOf(home, ["api"]);
  const lines = [
    "init-ca",
    "generate api",
    "generate-server api",
    "update-registry",
    "renew --all",
    "revoke api",
    "list",
  ];
  for (const line of lines) await certs(line, { home });
});

Deno.test("certs generate-all killed in the middle leaves whole pairs, and the next one works on", async () => {
  await using home = await temporaryFolder();
  const names = Array.from({ length: 300 }, (_, i) => `service-${i}`);
  await registryOf(home.path, names);
  await certs("init-ca", { home: home.path });
  let killed = 0;
  for (let round = 0; round < 6; round++) {
    const child = new Deno.Command("sh", {
      args: [LAUNCHER, "cli", "certs", "generate-all"],
      cwd: home.path,
      env: environment(home.path),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    // Killed while it is at work: after its first lines, more of them each time.
    let lines = 0;
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      lines += chunk.split("\n").length - 1;
      if (lines <= round * 32) continue;
      child.kill("SIGKILL");
      break;
    }
    if ((await child.status).signal === "SIGKILL") killed++;
    const { broken } = await pairsIn(home.path, "client");
    deepEqual(broken, [], `round ${round}`);
  }
  notEqual(killed, 0);
  const told = JSON.parse(await certs("generate-all --json", { home: home.path }));
  equal(told.issued.length, names.length);
  const after = await pairsIn(home.path, "client");
  deepEqual(after, { count: names.length, broken: [] });
  const left = await readdir(pki(home.path), { recursive: true });
  deepEqual(left.filter((name) => /\.new|\.tmp|swapping/.test(name)), []);
  // What was signed and never seen can be revoked all the same: it was written down before.
  const ledger = await readFile(pki(home.path, "ca/ledger.jsonl"), "utf8");
  for (const line of ledger.trimEnd().split("\n")) JSON.parse(line);
});

Deno.test("certs init-ca killed at any moment leaves a whole CA or none", async () => {
  await using home = await temporaryFolder();
  await registryOf(home.path, ["api"]);
  const child = new Deno.Command("sh", {
    args: [LAUNCHER, "cli", "certs", "init-ca", "--algorithm", "rsa-4096"],
    cwd: home.path,
    env: environment(home.path),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  // It has begun, and the key takes its time.
  while (await stat(pki(home.path, "ca.tmp")).then(() => false, () => true)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  child.kill("SIGKILL");
  await child.status;
  equal(JSON.parse(await certs("init-ca --json", { home: home.path })).created, true);
  await certs("generate api", { home: home.path });
});

function ask(port: number, options: { ca: string; cert?: string; key?: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "localhost", port, agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on("error", reject).end();
  });
}

Deno.test("certs: a server of Deno's node:https lets in who has a certificate of the CA, and nobody else's", async () => {
  await using home = await temporaryFolder();
  await using other = await temporaryFolder();
  const files: Record<string, { ca: string; cert: string; key: string }> = {};
  for (const { path } of [home, other]) {
    await registryOf(path, ["api", "web"]);
    await certs("init-ca", { home: path });
    await certs("generate web", { home: path });
    const [ca, cert, key] = await Promise.all(
      ["ca/ca-cert.pem", "certs/web/client-cert.pem", "certs/web/client-key.pem"].map((file) =>
        readFile(pki(path, file), "utf8")
      ),
    );
    files[path] = { ca: ca!, cert: cert!, key: key! };
  }
  await certs("generate-server api", { home: home.path });
  const cert = await readFile(pki(home.path, "certs/api/server-cert.pem"), "utf8");
  const key = await readFile(pki(home.path, "certs/api/server-key.pem"), "utf8");
  const { ca } = files[home.path]!;
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (_, response) => {
    response.end("in");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    equal(await ask(port, files[home.path]!), 200);
    const stranger = files[other.path]!;
    await rejects(() => ask(port, { ca, cert: stranger.cert, key: stranger.key }));
    await rejects(() => ask(port, { ca }));
    await rejects(() => ask(port, { ca, cert, key }), "a server's certificate is no client's");
    await rejects(() => ask(port, stranger), "and a stranger does not trust the server");
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

Deno.test("certs revoke: our server helper refuses the client from then on, given the list", async () => {
  for (const init of ["init-ca", "init-ca --intermediate"]) {
    await using home = await temporaryFolder();
    const at = (file: string) => pki(home.path, file);
    await registryOf(home.path, ["api", "web", "job"]);
    await certs(init, { home: home.path });
    await certs("generate-server api", { home: home.path });
    await certs("generate-all", { home: home.path });
    await certs("revoke web --reason keyCompromise", { home: home.path });
    const lists = init === "init-ca" ? [at("ca/crl.pem")] : [at("ca/crl.pem"), at("ca/root-crl.pem")];
    const config = new TlsConfig({
      certificatePath: at("certs/api/server-cert.pem"),
      privateKeyPath: at("certs/api/server-key.pem"),
      caCertificatesPath: at("ca/ca-cert.pem"),
      revocationListsPath: lists,
    });
    await using server = await serveTls((_, info) => new Response(info.peer?.identity.commonName), {
      config,
      port: 0,
      hostname: "127.0.0.1",
    });
    const call = async (service: string) => {
      const client = config.with({
        certificatePath: at(`certs/${service}/client-cert.pem`),
        privateKeyPath: at(`certs/${service}/client-key.pem`),
      });
      await using fetch = await fetchTls(client);
      return await (await fetch(`https://localhost:${server.addr.port}/`)).text();
    };
    equal(await call("job"), "job.internal", init);
    await rejects(() => call("web"), { name: "TlsConnectionError" }, init);
  }
});

Deno.test("certs on a terminal: a passphrase is asked for and never shown; progress is, and leaves no trace", async () => {
  await using home = await temporaryFolder();
  await registryOf(home.path, ["api", "web"]);
  const line = (words: string) => `sh ${quoted(LAUNCHER)} cli certs ${words}; echo "exit=$?"`;
  await using first = openTerminal(line("init-ca"), { home: home.path });
  await first.waitFor(/Passphrase for the CA's key \(Enter for none\): /);
  await first.press("correct horse\r");
  await first.waitFor(/The same again: /);
  await first.press("correct horse\r");
  await first.waitFor(/exit=0/);
  equal(first.shown().includes("correct"), false);
  equal(first.shown().includes("not encrypted"), false);

  await using second = openTerminal(line("generate-all"), { home: home.path });
  await second.waitFor(/Passphrase of the CA's key: /);
  await second.press("correct horse\r");
  await second.waitFor(/1\/2 api/);
  await second.waitFor(/2 issued, 0 failed, 0 skipped/);
  await second.waitFor(/exit=0/);

  await using third = openTerminal(line("generate api"), { home: home.path });
  await third.waitFor(/Passphrase of the CA's key: /);
  await third.press("wrong\r");
  await third.waitFor(/the passphrase is wrong/);
  await third.waitFor(/exit=1/);
  await using fourth = openTerminal(line("generate api"), { home: home.path });
  await fourth.waitFor(/Passphrase of the CA's key: /);
  await fourth.press("\x03");
  await fourth.waitFor(/exit=130/);
});
