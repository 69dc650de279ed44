import { equal, ok, rejects } from "node:assert/strict";
import https from "node:https";
import tls from "node:tls";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import {
  buildClientTlsOptions,
  buildServerTlsOptions,
  connectWebSocket,
  fetchTls,
  serveTls,
  TlsConfig,
  TlsConnectionError,
  type TlsConnectionErrorCode,
} from "@helyos/tls";
import { lacking } from "../../support/tools.ts";
import { Ca, configOf, forge, type Leaf, type Stage, stage, temporaryFolder } from "./support.ts";

const DAY = 86_400_000;

type Files = Pick<Leaf, "certificatePath" | "privateKeyPath">;

/** A client that must be refused, over HTTP and as a WebSocket, without the handler being called. */
async function refused(it: Stage, config: TlsConfig): Promise<void> {
  const before = it.calls();
  await using fetch = await fetchTls(config);
  const isRefusal = (error: unknown) => {
    ok(error instanceof TlsConnectionError, String(error));
    ok(["refused_by_peer", "closed", "protocol_version"].includes(error.code), `${error.code}: ${error.message}`);
    return true;
  };
  await rejects(fetch(it.url), isRefusal);
  await rejects(connectWebSocket(it.url.replace("https:", "wss:"), { tls: config }), isRefusal);
  equal(it.calls(), before);
}

/** A server that a client must refuse, before a byte of its request is sent. */
async function refuses(
  files: Files,
  client: TlsConfig,
  code: TlsConnectionErrorCode,
  host = "localhost",
): Promise<void> {
  await using server = await plainServer(files);
  await using fetch = await fetchTls(client);
  await rejects(
    fetch(`https://${host}:${server.port}/`),
    (error) => error instanceof TlsConnectionError && error.code === code || Promise.reject(error) as never,
  );
  const webSocket = connectWebSocket(`wss://${host}:${server.port}/`, { tls: client });
  await rejects(webSocket, (error) => error instanceof TlsConnectionError && error.code === code);
  // And with the bare options, as other code would use them.
  const options = await buildClientTlsOptions(client);
  await rejects(
    new Promise((resolve, reject) => {
      const request = https.request({ ...options, host, port: server.port, agent: false }, resolve);
      request.on("error", reject);
      request.end();
    }),
  );
  equal(server.received(), 0);
}

async function plainServer(files: Files, options: tls.TlsOptions = {}) {
  let received = 0;
  const server = https.createServer({
    cert: await Deno.readTextFile(files.certificatePath),
    key: await Deno.readTextFile(files.privateKeyPath),
    ...options,
  }, (_request, response) => {
    received++;
    response.end("served");
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as { port: number }).port,
    received: () => received,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

Deno.test("serveTls() refuses a client without a certificate", async () => {
  await using it = await stage();
  await refused(it, configOf(undefined, it.ca));
});

Deno.test("serveTls() refuses a client of another CA, even one of the same name", async () => {
  await using it = await stage();
  await using other = await temporaryFolder();
  const stranger = await Ca.make(other.path, "ca");
  const leaf = await stranger.issue("client");
  await refused(it, configOf(leaf, it.ca));
  // With the real CA's certificate thrown in.
  await writeFile(leaf.certificatePath, leaf.pem + it.ca.pem);
  await refused(it, configOf(leaf, it.ca));
});

Deno.test("serveTls() refuses a certificate that is expired, not yet valid, or for servers", async () => {
  await using it = await stage();
  const past = new Ca(it.folder, it.ca.name, it.ca.key, it.ca.pem, it.ca.path);
  await using folder = await temporaryFolder();
  const old = await Ca.make(folder.path, "old", { now: new Date(Date.now() - 30 * DAY) });
  await using oldStage = await stageOf(old);
  const expired = await old.issue("client", { name: "expired", now: new Date(Date.now() - 10 * DAY), seconds: 86_400 });
  await refused(oldStage, configOf(expired, old));
  await refused(it, configOf(await past.issue("server", { name: "as-server" }), it.ca));
  const future = await Ca.make(folder.path, "future", { now: new Date(Date.now() + DAY) });
  const early = await future.issue("client", { name: "early", now: new Date(Date.now() + 2 * DAY) });
  await refused(it, configOf(early, it.ca));
});

/** Like `stage()`, for a CA made elsewhere. */
async function stageOf(ca: Ca): Promise<Stage> {
  const serverConfig = configOf(await ca.issue("server"), ca);
  const clientConfig = configOf(await ca.issue("client"), ca);
  let calls = 0;
  const server = await serveTls(() => new Response(`call ${++calls}`), {
    config: serverConfig,
    port: 0,
    hostname: "127.0.0.1",
  });
  return {
    folder: ca.folder,
    ca,
    serverConfig,
    clientConfig,
    server,
    url: `https://localhost:${server.addr.port}/`,
    calls: () => calls,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("serveTls() refuses clients once its CA has expired", async () => {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path, "ca", { now: new Date(Date.now() - 10 * DAY), days: 5 });
  const client = await ca.issue("client", { now: new Date(Date.now() - 9 * DAY) });
  const server = await (await Ca.make(folder.path, "other")).issue("server");
  await using running = await serveTls(() => new Response("in"), {
    config: configOf(server, ca),
    port: 0,
    hostname: "127.0.0.1",
  });
  await using fetch = await fetchTls(configOf(client, join(folder.path, "other.pem")));
  await rejects(fetch(`https://localhost:${running.addr.port}/`), TlsConnectionError);
});

Deno.test("TLS 1.2 is refused on both ends unless it was chosen", async () => {
  await using it = await stage();
  const options = {
    ...await buildClientTlsOptions(it.clientConfig),
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.2",
  } as const;
  const connect = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ ...options, host: "127.0.0.1", servername: "localhost", port }, () => {
        socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      });
      socket.once("data", () => resolve(socket.getProtocol() ?? ""));
      socket.on("error", reject);
      socket.once("close", () => reject(new Error("closed")));
    });
  await rejects(connect(it.server.addr.port));
  equal(it.calls(), 0);
  await using old = await serveTls(() => new Response(), {
    config: it.serverConfig.with({ minVersion: "TLSv1.2" }),
    port: 0,
    hostname: "127.0.0.1",
  });
  equal(await connect(old.addr.port), "TLSv1.2");

  const files = it.serverConfig as unknown as Files;
  await using server = await plainServer(files, { maxVersion: "TLSv1.2" });
  await using fetch = await fetchTls(it.clientConfig);
  await rejects(fetch(`https://localhost:${server.port}/`), { code: "protocol_version" });
  await using lenient = await fetchTls(it.clientConfig.with({ minVersion: "TLSv1.2" }));
  equal(await (await lenient(`https://localhost:${server.port}/`)).text(), "served");
  equal(server.received(), 1);
});

Deno.test("a client refuses a server of another CA, and one the system trusts", async () => {
  await using folder = await temporaryFolder();
  const [own, other] = [await Ca.make(folder.path, "own"), await Ca.make(folder.path, "other")];
  const server = await other.issue("server");
  await refuses(server, configOf(undefined, own), "untrusted_certificate");
  // What the process trusts by its environment does not count either.
  const script = `
    import { fetchTls, TlsConfig } from "@helyos/tls";
    const [ca, url] = Deno.args;
    const trusted = await fetch(url).then((r) => r.text(), (e) => e.message);
    const pinned = await fetchTls(new TlsConfig({ caCertificatesPath: ca }));
    const refused = await pinned(url).then(() => "served", (e) => e.code);
    console.log(JSON.stringify([trusted, refused]));
    Deno.exit();
  `;
  await using running = await plainServer(server);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", new URL("../../../deno.json", import.meta.url).pathname, "--ext=ts", script, own.path]
      .concat(`https://localhost:${running.port}/`),
    env: { DENO_CERT: other.path, NODE_EXTRA_CA_CERTS: other.path, NODE_TLS_REJECT_UNAUTHORIZED: "0" },
  }).output();
  equal(
    new TextDecoder().decode(stdout).trim(),
    '["served","untrusted_certificate"]',
    new TextDecoder().decode(stderr),
  );
});

Deno.test("a client refuses a server of another name", async () => {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path);
  const server = await ca.issue("server", { names: { dns: ["localhost", "*.wild.test"], ip: ["127.0.0.2"] } });
  await refuses(server, configOf(undefined, ca), "wrong_name", "127.0.0.1");
});

Deno.test("a client refuses a certificate for clients, an expired one, and an expired CA", async () => {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path);
  await refuses(await ca.issue("client"), configOf(undefined, ca), "untrusted_certificate");
  const old = await Ca.make(folder.path, "old", { now: new Date(Date.now() - 30 * DAY) });
  const expired = await old.issue("server", { now: new Date(Date.now() - 10 * DAY), seconds: 86_400 });
  await refuses(expired, configOf(undefined, old), "untrusted_certificate");
});

const SERVER = "extendedKeyUsage=serverAuth\n";

Deno.test({
  name: "a client refuses names that only look like the right one",
  ignore: lacking("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    const ca = await Ca.make(folder.path);
    const issuer = await ca.files();
    const san = (names: string) => `${SERVER}subjectAltName=@names\n[names]\n${names}\n`;
    const cases: [string, string][] = [
      ["cn-only", SERVER],
      ["comma", san("DNS.1=evil.test, DNS:localhost")],
      ["uri", san("URI.1=https://localhost/")],
      ["email", san("email.1=a@localhost")],
      ["partial", san("DNS.1=local*")],
      ["wildcard", san("DNS.1=*")],
    ];
    for (const [name, extensions] of cases) {
      const files = await forge(folder.path, { name, subject: "/CN=localhost", extensions, issuer });
      await refuses(files, configOf(undefined, ca), "wrong_name");
    }
    const ip = await forge(folder.path, { name: "ip", extensions: san("DNS.1=127.0.0.1"), issuer });
    await refuses(ip, configOf(undefined, ca), "wrong_name", "127.0.0.1");
  },
});

Deno.test({
  name: "both ends refuse an intermediate that may not sign, has no CA:TRUE, or is deeper than the CA allows",
  ignore: lacking("openssl"),
  async fn() {
    await using it = await stage();
    const { folder } = it;
    const rootFiles = await it.ca.files();
    const free = await forge(folder, {
      name: "free",
      issuer: rootFiles,
      extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
    });
    // A CA of its own without a path length, so that one level of CAs is allowed.
    const root = { cert: free.certificatePath, key: free.privateKeyPath };
    const kinds: [string, string, boolean][] = [
      ["good", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n", true],
      ["mute", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n", false],
      ["leaf", "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyCertSign\n", false],
    ];
    const leafExtensions = "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:localhost\n";
    for (const [name, extensions, isGood] of kinds) {
      const middle = await forge(folder, { name, extensions, issuer: root });
      const issuer = { cert: middle.certificatePath, key: middle.privateKeyPath };
      const leaf = await forge(folder, { name: `below-${name}`, extensions: leafExtensions, issuer });
      const chain = await Deno.readTextFile(leaf.certificatePath) + await Deno.readTextFile(middle.certificatePath);
      await writeFile(leaf.certificatePath, chain);
      const client = configOf(leaf as Leaf, it.ca);
      const trusting = new TlsConfig({ caCertificatesPath: free.certificatePath });
      await using server = await serveTls(() => new Response("in"), {
        config: it.serverConfig.with({ caCertificatesPath: free.certificatePath }),
        port: 0,
        hostname: "127.0.0.1",
      });
      await using fetch = await fetchTls(client);
      const answer = fetch(`https://localhost:${server.addr.port}/`);
      if (isGood) equal(await (await answer).text(), "in");
      else await rejects(answer, TlsConnectionError);
      if (isGood) {
        await using plain = await plainServer(leaf);
        await using pinned = await fetchTls(trusting);
        equal(await (await pinned(`https://localhost:${plain.port}/`)).text(), "served");
      } else await refuses(leaf, trusting, "untrusted_certificate");

      // The same chain below the CA that allows no CA beneath it (pathLength 0).
      const whole = chain + await Deno.readTextFile(free.certificatePath);
      await writeFile(leaf.certificatePath, whole);
      await refused(it, client);
      await refuses(leaf, configOf(undefined, it.ca), "untrusted_certificate");
    }
  },
});

Deno.test({
  name: "a made-up intermediate with the right name does not stand in for one that may not sign",
  ignore: lacking("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    const { path } = folder;
    const ca = await Ca.make(path, "ca");
    const free = await forge(path, {
      name: "root",
      issuer: await ca.files(),
      extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
    });
    const weak = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n";
    const middle = await forge(path, {
      name: "middle",
      extensions: weak,
      issuer: { cert: free.certificatePath, key: free.privateKeyPath },
    });
    const stranger = await Ca.make(path, "stranger");
    const fake = await forge(path, {
      name: "fake",
      subject: "/CN=middle",
      issuer: await stranger.files(),
      extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
    });
    const leaf = await forge(path, {
      name: "leaf",
      extensions: `${SERVER}subjectAltName=DNS:localhost\n`,
      issuer: { cert: middle.certificatePath, key: middle.privateKeyPath },
    });
    const read = (files: Files) => Deno.readTextFile(files.certificatePath);
    const own = await read(leaf);
    for (const chain of [[fake, middle], [middle, fake]]) {
      await writeFile(leaf.certificatePath, own + (await Promise.all(chain.map(read))).join(""));
      await refuses(leaf, new TlsConfig({ caCertificatesPath: free.certificatePath }), "untrusted_certificate");
    }
  },
});

Deno.test("the options of buildServerTlsOptions() refuse the same clients on a bare node server", async () => {
  await using it = await stage();
  const stranger = await (await Ca.make((await temporaryFolder()).path, "stranger")).issue("client");
  let calls = 0;
  const server = https.createServer({ ...await buildServerTlsOptions(it.serverConfig) }, (_request, response) => {
    calls++;
    response.end();
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const url = `https://localhost:${(server.address() as { port: number }).port}/`;
  for (const leaf of [undefined, stranger]) {
    await using fetch = await fetchTls(configOf(leaf, it.ca));
    await rejects(fetch(url), TlsConnectionError);
  }
  equal(calls, 0);
  await using fetch = await fetchTls(it.clientConfig);
  equal((await fetch(url)).status, 200);
  fetch.close();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

Deno.test("what a client sees of the server is the certificate in the file", async () => {
  await using it = await stage();
  const options = await buildClientTlsOptions(it.clientConfig);
  const seen = await new Promise<string>((resolve, reject) => {
    const socket = tls.connect(
      { ...options, host: "127.0.0.1", servername: "localhost", port: it.server.addr.port },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
  equal(seen, new X509Certificate(await Deno.readFile(it.serverConfig.certificatePath!) as never).fingerprint256);
});
