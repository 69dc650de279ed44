import { deepEqual, doesNotMatch, equal, match, ok, rejects } from "node:assert/strict";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import tls from "node:tls";
import { createCrl, parseCertificate } from "@helyos/pki";
import {
  buildClientTlsOptions,
  connectWebSocket,
  fetchTls,
  type Handler,
  serveTls,
  type TlsConfig,
  TlsConnectionError,
  upgradeWebSocket,
} from "@helyos/tls";
import { lacking, tool } from "../../support/tools.ts";
import { Ca, configOf, type Leaf, stage, temporaryFolder, until } from "./support.ts";

/** The serial number of what a server shows. */
async function shown(port: number, config: TlsConfig, servername = "localhost"): Promise<string> {
  const { ca, cert, key } = await buildClientTlsOptions(config);
  return await new Promise((resolve, reject) => {
    const options = { ca, cert: cert!, key: key!, host: "127.0.0.1", port, servername, rejectUnauthorized: false };
    const socket = tls.connect(options, () => {
      resolve(socket.getPeerCertificate().serialNumber.toLowerCase());
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/** Puts a new certificate where an old one was, as careful programs do: by renaming. */
async function replace(at: { certificatePath?: string | undefined; privateKeyPath?: string | undefined }, by: Leaf) {
  await rename(by.privateKeyPath, at.privateKeyPath!);
  await rename(by.certificatePath, at.certificatePath!);
}

const echo: Handler = (request) => {
  if (!request.headers.has("upgrade")) return new Response("plain");
  const { socket, response } = upgradeWebSocket(request);
  (async () => {
    for await (const message of socket) await socket.send(message);
  })();
  return response;
};

Deno.test("a server goes on with what it has when new files cannot be used, and takes them once they can", async () => {
  const reloads: unknown[] = [];
  await using it = await stage(undefined, { watch: false, onReload: (error) => reloads.push(error) });
  const before = await shown(it.server.addr.port, it.clientConfig);
  const fresh = await it.ca.issue("server", { name: "fresh" });
  // The certificate is there already, its key not yet.
  await rename(fresh.certificatePath, it.serverConfig.certificatePath!);
  await rejects(it.server.reload(), { code: "key_mismatch" });
  equal(await shown(it.server.addr.port, it.clientConfig), before);
  await rename(fresh.privateKeyPath, it.serverConfig.privateKeyPath!);
  await it.server.reload();
  equal(await shown(it.server.addr.port, it.clientConfig), fresh.serial);
  deepEqual([reloads.length, (reloads[0] as { code: string }).code, reloads[1]], [2, "key_mismatch", undefined]);
});

Deno.test("a reload cannot take the CA away: without its file the server still demands certificates", async () => {
  await using it = await stage(undefined, { watch: false });
  await rm(it.ca.path);
  await rejects(it.server.reload(), { code: "file_not_found" });
  await writeFile(it.ca.path, it.ca.pem);
  await using fetch = await fetchTls(configOf(undefined, it.ca));
  await rejects(fetch(it.url), TlsConnectionError);
  await it.server.reload();
  await rejects(fetch(it.url), TlsConnectionError);
  equal(it.calls(), 0);
});

Deno.test("a server notices changed files by itself, and keeps open connections", async () => {
  await using it = await stage(echo);
  await using webSocket = await connectWebSocket(it.url.replace("https", "wss"), { tls: it.clientConfig });
  await using fetch = await fetchTls(it.clientConfig);
  equal(await (await fetch(it.url)).text(), "plain");
  for (const name of ["second", "third"]) {
    const fresh = await it.ca.issue("server", { name });
    await replace(it.serverConfig, fresh);
    await until(
      "the new certificate is shown",
      async () => (await shown(it.server.addr.port, it.clientConfig)) === fresh.serial,
    );
  }
  await webSocket.send("still here");
  equal(await webSocket.receive(), "still here");
  equal(await (await fetch(it.url)).text(), "plain");
});

Deno.test("a server notices changed files in a folder that is never quiet", async () => {
  await using it = await stage();
  const timer = setInterval(() => void writeFile(join(it.folder, "noise"), String(Math.random())), 20);
  try {
    const fresh = await it.ca.issue("server", { name: "fresh" });
    await replace(it.serverConfig, fresh);
    await until(
      "the new certificate is shown",
      async () => (await shown(it.server.addr.port, it.clientConfig)) === fresh.serial,
      4000,
    );
  } finally {
    clearInterval(timer);
  }
});

Deno.test("a server notices a folder that is swapped by a link, as mounted secrets are", async () => {
  await using it = await stage();
  const mount = join(it.folder, "mount");
  const put = async (generation: string) => {
    const leaf = await it.ca.issue("server", { name: generation });
    await mkdir(join(mount, generation), { recursive: true });
    await rename(leaf.certificatePath, join(mount, generation, "tls.crt"));
    await rename(leaf.privateKeyPath, join(mount, generation, "tls.key"));
    await symlink(generation, join(mount, "..next"));
    await rename(join(mount, "..next"), join(mount, "..data"));
    return leaf.serial;
  };
  await put("one");
  for (const file of ["tls.crt", "tls.key"]) await symlink(`..data/${file}`, join(mount, file));
  const config = it.serverConfig.with({
    certificatePath: join(mount, "tls.crt"),
    privateKeyPath: join(mount, "tls.key"),
  });
  await using server = await serveTls(() => new Response(), { config, port: 0, hostname: "127.0.0.1" });
  const serial = await put("two");
  await until("the new certificate is shown", async () => (await shown(server.addr.port, it.clientConfig)) === serial);
});

Deno.test("clients of a CA that was taken away are refused, also on connections they have", async () => {
  await using it = await stage(echo, { watch: false });
  const webSocket = await connectWebSocket(it.url.replace("https", "wss"), { tls: it.clientConfig });
  await using fetch = await fetchTls(it.clientConfig);
  equal((await fetch(it.url)).status, 200);
  await using folder = await temporaryFolder();
  const next = await Ca.make(folder.path, "next");
  await writeFile(it.ca.path, next.pem);
  await it.server.reload();
  equal((await webSocket.closed).code, 1008);
  const calls = it.calls();
  await rejects(fetch(it.url), TlsConnectionError);
  await rejects(fetch(it.url), TlsConnectionError);
  equal(it.calls(), calls);
});

Deno.test({
  name: "a resumed session is judged like a new one: revoked, or of a CA that is gone, it is refused",
  ignore: lacking("openssl"),
  async fn() {
    await using it = await stage();
    const crl = join(it.folder, "ca.crl");
    await revoke(it.ca, crl, []);
    let calls = 0;
    await using server = await serveTls(() => new Response(`call ${++calls}`), {
      config: it.serverConfig.with({ revocationListsPath: crl }),
      port: 0,
      hostname: "127.0.0.1",
      watch: false,
    });
    const { certificatePath, privateKeyPath } = it.clientConfig;
    const session = join(it.folder, "session");
    const ask = async (...more: string[]) => {
      const child = new Deno.Command(tool("openssl"), {
        args: ["s_client", "-connect", `127.0.0.1:${server.addr.port}`, "-servername", "localhost"]
          .concat("-CAfile", it.ca.path, "-cert", certificatePath!, "-key", privateKeyPath!, ...more),
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
      let text = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (/call \d/.test(text)) break;
      }
      await writer.close().catch(() => {});
      await child.status;
      return text;
    };
    match(await ask("-sess_out", session), /call 1/);
    match(await ask("-sess_in", session), /Reused[^]*call 2/);
    await revoke(it.ca, crl, [parseCertificate(await readFile(certificatePath!, "utf8")).serial]);
    await server.reload();
    doesNotMatch(await ask("-sess_in", session), /call/);
    await revoke(it.ca, crl, []);
    await server.reload();
    await using folder = await temporaryFolder();
    const next = await Ca.make(folder.path, "next");
    await writeFile(it.ca.path, next.pem);
    await revoke(next, crl, []);
    await server.reload();
    doesNotMatch(await ask("-sess_in", session), /call/);
    equal(calls, 2);
  },
});

Deno.test("fetchTls.reload() takes renewed files", async () => {
  const seen: (string | undefined)[] = [];
  await using it = await stage((_, info) => {
    seen.push(info.peer?.certificate.serial);
    return new Response();
  });
  await using fetch = await fetchTls(it.clientConfig);
  await (await fetch(it.url)).text();
  const fresh = await it.ca.issue("client", { name: "fresh" });
  await replace(it.clientConfig, fresh);
  await (await fetch(it.url)).text();
  await fetch.reload();
  await (await fetch(it.url)).text();
  equal(seen[0], seen[1]);
  equal(seen[2], fresh.serial);
});

Deno.test("several configurations are told apart by the name a client asks for", async () => {
  await using folder = await temporaryFolder();
  const [one, two] = [await Ca.make(folder.path, "one"), await Ca.make(folder.path, "two")];
  const names = (dns: string[]) => ({ names: { dns } });
  const first = await one.issue("server", { name: "first", names: { dns: ["localhost"], ip: ["127.0.0.1"] } });
  const second = await two.issue("server", { name: "second", ...names(["two.test", "*.two.test"]) });
  const clients = { one: await one.issue("client"), two: await two.issue("client") };
  const seen: (string | null)[] = [];
  await using server = await serveTls((_, info) => {
    seen.push(info.serverName);
    return new Response(info.peer!.identity.commonName);
  }, { config: [configOf(first, one), configOf(second, two)], port: 0, hostname: "127.0.0.1" });
  const { port } = server.addr;
  const addresses = { "two.test": "127.0.0.1", "a.two.test": "127.0.0.1", "unknown.test": "127.0.0.1" };
  await using asOne = await fetchTls(configOf(clients.one, one), { addresses });
  await using asTwo = await fetchTls(configOf(clients.two, two), { addresses });

  equal((await asOne(`https://localhost:${port}/`)).status, 200);
  equal((await asOne(`https://127.0.0.1:${port}/`)).status, 200);
  equal((await asTwo(`https://two.test:${port}/`)).status, 200);
  equal((await asTwo(`https://TWO.test:${port}/`)).status, 200);
  equal((await asTwo(`https://a.two.test:${port}/`)).status, 200);
  // The client of one CA is nobody to the other configuration, and an unknown name gets the first.
  await rejects(asOne(`https://two.test:${port}/`), { code: "untrusted_certificate" });
  const crossed = await fetchTls(configOf(clients.one, two), { addresses });
  await rejects(crossed(`https://two.test:${port}/`), TlsConnectionError);
  await rejects(asTwo(`https://unknown.test:${port}/`), { code: "untrusted_certificate" });
  equal(seen.length, 5);
  crossed.close();
});

Deno.test("a request for another configuration's name over the same connection gets 421", async () => {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path);
  const leaf = (name: string) => ca.issue("server", { name, names: { dns: [`${name}.test`] } });
  let calls = 0;
  await using server = await serveTls(() => new Response(`${++calls}`), {
    config: [configOf(await leaf("one"), ca), configOf(await leaf("two"), ca)],
    port: 0,
    hostname: "127.0.0.1",
  });
  const options = await buildClientTlsOptions(configOf(await ca.issue("client"), ca));
  const ask = (servername: string, host: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ ...options, host: "127.0.0.1", port: server.addr.port, servername }, () => {
        socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      });
      socket.once("data", (chunk: Uint8Array) => resolve(new TextDecoder().decode(chunk).slice(9, 12)));
      socket.once("close", () => reject(new Error(`${servername} closed`)));
      socket.on("error", reject);
    });
  equal(await ask("two.test", "two.test:1"), "200");
  equal(await ask("two.test", "one.test"), "421");
  equal(await ask("one.test", "two.test"), "421");
  equal(await ask("one.test", "one.test"), "200");
  equal(calls, 2);
});

Deno.test("serveTls() refuses configurations with and without a CA on one server", async () => {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path);
  const leaf = await ca.issue("server");
  const configs = [configOf(leaf, ca), configOf(leaf, undefined)];
  for (const config of [configs, configs.toReversed()]) {
    await rejects(serveTls(() => new Response(), { config, port: 0 }), { code: "client_auth_disabled" });
  }
});

const DAY = 86_400_000;

/** Writes a revocation list. */
async function revoke(ca: Ca, path: string, serials: string[], o: { by?: Ca; from?: number; to?: number } = {}) {
  const now = new Date(Date.now() + (o.from ?? 0));
  const { pem, der } = await createCrl({
    issuer: { certificate: (o.by ?? ca).pem, key: (o.by ?? ca).key },
    number: 1,
    revoked: serials.map((serial) => ({ serial, date: now })),
    nextUpdate: new Date(Date.now() + (o.to ?? DAY)),
    now,
  });
  await writeFile(`${path}.tmp`, path.endsWith(".pem") ? pem : der);
  await rename(`${path}.tmp`, path);
}

Deno.test("serveTls() refuses a revoked client, also one that is connected already", async () => {
  await using it = await stage();
  const path = join(it.folder, "ca.crl");
  const bad = await it.ca.issue("client", { name: "bad" });
  const late = await it.ca.issue("client", { name: "late" });
  await revoke(it.ca, path, [bad.serial]);
  let calls = 0;
  await using server = await serveTls((request, info) => {
    calls++;
    return echo(request, info);
  }, { config: it.serverConfig.with({ revocationListsPath: path }), port: 0, hostname: "127.0.0.1" });
  const url = `https://localhost:${server.addr.port}/`;
  await using asBad = await fetchTls(configOf(bad, it.ca));
  await rejects(asBad(url), TlsConnectionError);
  equal(calls, 0);
  await using asLate = await fetchTls(configOf(late, it.ca));
  equal((await asLate(url)).status, 200);
  const webSocket = await connectWebSocket(url.replace("https", "wss"), { tls: configOf(late, it.ca) });
  await revoke(it.ca, path, [bad.serial, late.serial]);
  equal((await webSocket.closed).code, 1008);
  await rejects(asLate(url), TlsConnectionError);
  await rejects(asLate(url), TlsConnectionError);
  equal(calls, 2);
  await using asGood = await fetchTls(it.clientConfig);
  equal((await asGood(url)).status, 200);
});

Deno.test("serveTls() refuses everyone where no current list can say who is revoked", async () => {
  await using it = await stage();
  await using folder = await temporaryFolder();
  const other = await Ca.make(folder.path, "other");
  const lists: [string, () => Promise<void>][] = [
    ["stale.pem", () => revoke(it.ca, join(it.folder, "stale.pem"), [], { from: -2 * DAY, to: -DAY })],
    ["early.pem", () => revoke(it.ca, join(it.folder, "early.pem"), [], { from: DAY, to: 2 * DAY })],
    ["foreign.pem", () => revoke(other, join(it.folder, "foreign.pem"), [])],
  ];
  for (const [name, make] of lists) {
    await make();
    const config = it.serverConfig.with({ revocationListsPath: join(it.folder, name) });
    await using server = await serveTls(() => new Response(), { config, port: 0, hostname: "127.0.0.1" });
    await using fetch = await fetchTls(it.clientConfig);
    await rejects(fetch(`https://localhost:${server.addr.port}/`), TlsConnectionError, name);
  }
});

Deno.test("a revocation list that cannot be used is refused as invalid_crl", async () => {
  await using it = await stage();
  const path = join(it.folder, "bad.pem");
  const start = () =>
    serveTls(() => new Response(), { config: it.serverConfig.with({ revocationListsPath: path }), port: 0 });
  for (const text of ["", "junk", it.ca.pem]) {
    await writeFile(path, text);
    await rejects(start(), { code: "invalid_crl", path });
  }
  // The CA's name, another CA's key.
  await using folder = await temporaryFolder();
  await revoke(it.ca, path, [], { by: await Ca.make(folder.path, "ca") });
  await rejects(start(), { code: "invalid_crl" });
  await revoke(it.ca, path, []);
  const text = await readFile(path, "utf8");
  const at = text.length - 60;
  await writeFile(path, text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1));
  await rejects(start(), { code: "invalid_crl" });
  await rejects(
    serveTls(() => new Response(), { config: it.serverConfig.with({ revocationListsPath: "" }), port: 0 }),
    { code: "invalid_crl" },
  );
});

Deno.test("a client with revocation lists refuses a revoked server", async () => {
  await using it = await stage();
  const path = join(it.folder, "ca.crl");
  await revoke(it.ca, path, []);
  const config = it.clientConfig.with({ revocationListsPath: path });
  await using fetch = await fetchTls(config);
  equal((await fetch(it.url)).status, 200);
  await revoke(it.ca, path, [await shown(it.server.addr.port, it.clientConfig)]);
  await fetch.reload();
  await rejects(fetch(it.url), { code: "untrusted_certificate", message: /revoked/ });
  ok(it.calls() === 1);
});
