/**
 * What every proxy that is a program must do, tried with the real program and curl's view of it.
 */
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, type Issuer } from "@helyos/pki";
import { deepEqual, equal, match } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { request as requestTls } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import {
  type Address,
  type DesiredProxy,
  type ProxyBackend,
  type ServedCertificate,
  type Site,
  siteId,
} from "../../../../daemon/proxy/backend.ts";
import { openProgramProxy, type ProgramName } from "../../../../daemon/proxy/program/open.ts";
import { run, temporaryFolder } from "../../../support/process.ts";
import { ok as reply, say, startUpstream as startRaw } from "../embedded/support.ts";
import { findTool, lacking } from "../../../support/tools.ts";

const TOKEN = "a-token";

/** What programs behind a proxy believe, and visitors therefore say. */
const FORGED = [
  "Forwarded",
  "X-Real-IP",
  "X_Real_IP",
  "X-Forwarded-For",
  "X_Forwarded_For",
  "X_Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Prefix",
  "X-Forwarded-Proto",
  "X_Forwarded_Proto",
  "X-Forwarded-Scheme",
  "X-Forwarded-Server",
  "X-Forwarded-Uri",
  "X-Forwarded-User",
] as const;

/** A server that says who it is and what it was asked. */
export interface Upstream extends AsyncDisposable {
  readonly address: Address;
}

/** Starts one. */
export async function startUpstream(name: string): Promise<Upstream> {
  const server = createServer((incoming, response) => {
    const { host, "x-forwarded-proto": proto, "x-forwarded-for": from } = incoming.headers;
    response.end(JSON.stringify({ name, path: incoming.url, host, proto, from }));
  });
  // Echoes what comes after the switch, as a WebSocket server would
  server.on("upgrade", (_incoming, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await listening(server);
  return { address: addressOf(server), [Symbol.asyncDispose]: () => closed(server) };
}

/** Answers challenges as the daemon does. */
async function startChallenges(): Promise<Upstream & DesiredProxy["challenges"]> {
  const answer = (token: string) => token === TOKEN ? "the-answer" : undefined;
  const server = createServer((incoming, response) => {
    const text = answer(incoming.url!.slice(incoming.url!.lastIndexOf("/") + 1));
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  await listening(server);
  return { address: addressOf(server), answer, [Symbol.asyncDispose]: () => closed(server) };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function addressOf(server: Server): Address {
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

let authority: Promise<Issuer> | undefined;

/** A certificate for a domain. */
export async function certificateFor(domain: string): Promise<ServedCertificate> {
  authority ??= (async () => {
    const key = await generateKeyPair();
    return { certificate: (await createRootCa({ commonName: "Test CA", key })).pem, key };
  })();
  const issuer = await authority;
  const key = await generateKeyPair();
  const { pem } = await issueCertificate({
    issuer,
    profile: "server",
    publicKey: key.publicKey,
    commonName: domain,
    names: { dns: [domain] },
  });
  return { id: await siteId(domain), names: [domain], certPem: pem, keyPem: await exportPrivateKey(key) };
}

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Asks a listener for a path under a host name; over TLS that name is sent as SNI, too. */
export function ask(at: Address, host: string, o: { readonly path?: string; readonly tls?: boolean } = {}) {
  const { path = "/", tls = false } = o;
  return new Promise<Answer>((resolve, reject) => {
    const options = { host: at.host, port: at.port, path, headers: { host }, agent: false as const, timeout: 5_000 };
    const read = (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    };
    const sent = tls
      ? requestTls({ ...options, servername: host, rejectUnauthorized: false }, read)
      : request(options, read);
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on("error", reject);
    sent.end();
  });
}

/** The leaf's SHA-256 that is served for a name; undefined when the handshake fails. */
export function leaf(at: Address, servername: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: at.host, port: at.port, servername, rejectUnauthorized: false });
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new X509Certificate(raw).fingerprint256);
    });
    socket.once("error", () => resolve(undefined));
  });
}

/** The same of a certificate that should be. */
export function fingerprintOf({ certPem }: ServedCertificate): string {
  return new X509Certificate(certPem).fingerprint256;
}

/** A proxy under test and what it is told. */
export interface Bench extends AsyncDisposable {
  readonly proxyDir: string;
  readonly lines: string[];
  readonly proxy: ProxyBackend;
  open(): Promise<ProxyBackend>;
  desired(
    sites: readonly Site[],
    certificates?: readonly ServedCertificate[],
    listen?: { readonly http?: Address; readonly https?: Address },
  ): DesiredProxy;
}

/** Opens a proxy in a folder of its own. */
export async function openBench(name: ProgramName): Promise<Bench> {
  const folder = await temporaryFolder();
  const challenges = await startChallenges();
  const lines: string[] = [];
  const open = () =>
    openProgramProxy(name, {
      proxyDir: folder.path,
      program: findTool(name)!,
      onLine: (line) => lines.push(line),
    });
  const any: Address = { host: "127.0.0.1", port: 0 };
  const proxy = await open();
  return {
    proxyDir: folder.path,
    lines,
    open,
    proxy,
    desired: (sites, certificates = [], { http = any, https = any } = {}) => ({
      sites,
      certificates,
      httpListen: http,
      httpsListen: https,
      challenges,
    }),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await challenges[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A site over plain HTTP. */
export function plain(domain: string, ...upstreams: readonly Address[]): Site {
  return { domain, upstreams, tls: "none", redirectToHttps: false };
}

/** A site over HTTPS. */
export function secure(domain: string, certificate: ServedCertificate, ...upstreams: readonly Address[]): Site {
  return { domain, upstreams, tls: { certificateId: certificate.id }, redirectToHttps: true };
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`it never happened: ${what}`);
}

const served = (domain: string) => ({ domain, state: "served" as const });

/** Registers the suite. */
export function proxySuite(name: ProgramName): void {
  const test = (what: string, fn: (bench: Bench) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${what}`,
      ignore: lacking(name),
      async fn() {
        await using bench = await openBench(name);
        try {
          await fn(bench);
        } catch (error) {
          throw new Error(
            `${(error as Error).message}\n${JSON.stringify(bench.proxy.status())}\n${bench.lines.join("\n")}`,
            {
              cause: error,
            },
          );
        }
      },
    });

  test("apply() binds nothing without sites", async ({ proxy, desired }) => {
    deepEqual(await proxy.apply(desired([])), []);
    deepEqual(proxy.status(), { state: "idle", detail: "nothing to serve" });
  });

  test("apply() serves plain HTTP, one label of a wildcard, 503 without upstream, and challenges of any host", async ({ proxy, desired }) => {
    await using app = await startUpstream("app");
    await using other = await startUpstream("other");
    await using exact = await startUpstream("exact");
    deepEqual(
      await proxy.apply(desired([
        plain("*.wild.test", other.address),
        plain("app.test", app.address),
        plain("empty.test"),
        plain("exact.wild.test", exact.address),
      ])),
      [served("*.wild.test"), served("app.test"), served("empty.test"), served("exact.wild.test")],
    );
    const { http, state } = proxy.status();
    equal(state, "serving");
    const answer = JSON.parse((await ask(http!, "app.test", { path: "/a%20b?c=d" })).text);
    deepEqual(answer, { name: "app", path: "/a%20b?c=d", host: "app.test", proto: "http", from: "127.0.0.1" });
    equal(JSON.parse((await ask(http!, "one.wild.test")).text).name, "other");
    equal(JSON.parse((await ask(http!, "exact.wild.test")).text).name, "exact");
    equal((await ask(http!, "two.one.wild.test")).status, 404);
    equal((await ask(http!, "wild.test")).status, 404);
    equal((await ask(http!, "empty.test")).status, 503);
    equal((await ask(http!, "stranger.test")).status, 404);
    for (const host of ["app.test", "empty.test", "stranger.test", "x.wild.test"]) {
      const { status, text } = await ask(http!, host, { path: `/.well-known/acme-challenge/${TOKEN}` });
      deepEqual([status, text], [200, "the-answer"], host);
      equal((await ask(http!, host, { path: "/.well-known/acme-challenge/unknown" })).status, 404);
    }
  });

  test("apply() serves HTTPS, redirects to it, and gives strangers no certificate", async ({ proxy, desired, proxyDir }) => {
    await using app = await startUpstream("app");
    const certificate = await certificateFor("app.test");
    const wild = await certificateFor("*.wild.test");
    await proxy.apply(desired([
      secure("*.wild.test", wild, app.address),
      { ...secure("app.test", certificate, app.address), hstsSeconds: 600 },
      secure("empty.test", certificate),
    ], [wild, certificate]));
    const { http, https } = proxy.status();
    equal(await leaf(https!, "app.test"), fingerprintOf(certificate));
    equal(await leaf(https!, "one.wild.test"), fingerprintOf(wild));
    equal(await leaf(https!, "stranger.test"), undefined);
    const answer = await ask(https!, "app.test", { tls: true, path: "/x" });
    equal(answer.headers["strict-transport-security"], "max-age=600");
    equal(JSON.parse(answer.text).proto, "https");
    const redirect = await ask(http!, "app.test", { path: "/x?y=z" });
    match(String(redirect.status), /^30[18]$/);
    equal(redirect.headers.location, `https://app.test:${https!.port}/x?y=z`);
    equal((await ask(http!, "app.test", { path: `/.well-known/acme-challenge/${TOKEN}` })).text, "the-answer");
    const folder = join(proxyDir, name, "certs");
    equal((await stat(folder)).mode & 0o777, 0o700);
    const keys = (await readdir(folder)).filter((file) => file.endsWith(".key"));
    equal(keys.length, 2);
    for (const key of keys) equal((await stat(join(folder, key))).mode & 0o777, 0o600);
  });

  test("apply() swaps a certificate, removes a route with its files, and lets go of its ports", async ({ proxy, desired, proxyDir }) => {
    await using app = await startUpstream("app");
    const [first, second] = [await certificateFor("app.test"), await certificateFor("app.test")];
    const beside = plain("beside.test", app.address);
    await proxy.apply(desired([secure("app.test", first, app.address), beside], [first]));
    const { http, https } = proxy.status();
    equal(await leaf(https!, "app.test"), fingerprintOf(first));
    await proxy.apply(desired([secure("app.test", second, app.address), beside], [second]));
    equal(await leaf(https!, "app.test"), fingerprintOf(second));
    deepEqual(await proxy.apply(desired([beside])), [served("beside.test")]);
    equal((await ask(http!, "app.test")).status, 404);
    equal((await ask(http!, "beside.test")).status, 200);
    equal(await leaf(https!, "app.test"), undefined);
    deepEqual(await readdir(join(proxyDir, name, "certs")), []);
    await proxy.apply(desired([]));
    equal(proxy.status().state, "idle");
    await using _again = await occupy(http!);
  });

  test("apply() keeps a broken site as it was, says why, and serves the others", async ({ proxy, desired }) => {
    await using app = await startUpstream("app");
    const good = await certificateFor("app.test");
    const other = await certificateFor("other.test");
    const mixed = { ...good, keyPem: other.keyPem };
    const beside = plain("beside.test", app.address);
    const [, broken] = await proxy.apply(desired([beside, secure("other.test", { ...other, keyPem: good.keyPem })], [
      { ...other, keyPem: good.keyPem },
    ]));
    deepEqual(broken, {
      domain: "other.test",
      state: "failed",
      reason: "its key does not belong to its certificate",
    });
    const { http, https } = proxy.status();
    equal((await ask(http!, "beside.test")).status, 200);
    equal((await ask(http!, "other.test")).status, 503);
    await proxy.apply(desired([secure("app.test", good, app.address), beside], [good]));
    const statuses = await proxy.apply(desired([
      secure("app.test", mixed, app.address),
      beside,
      plain("evil.test;}", app.address),
      plain("up.test", { host: "a b`{{", port: 1 }),
    ], [mixed]));
    deepEqual(statuses.map(({ state }) => state), ["failed", "served", "failed", "failed"]);
    match(statuses[0]!.reason!, /does not belong to its certificate; it is served as it was before$/);
    match(statuses[2]!.reason!, /characters that no host name has/);
    match(statuses[3]!.reason!, /no valid host/);
    equal(await leaf(https!, "app.test"), fingerprintOf(good));
    equal((await ask(http!, "beside.test")).status, 200);
    match(proxy.status().detail, /serves 1 of 4 sites$/);
  });

  test("apply() serves the others beside a key that no TLS signs with", async ({ proxy, desired, proxyDir }) => {
    await using app = await startUpstream("app");
    const good = await certificateFor("app.test");
    const [keyFile, certFile] = [join(proxyDir, "odd.key"), join(proxyDir, "odd.crt")];
    const args = [
      "req",
      "-x509",
      "-nodes",
      "-subj",
      "/CN=odd.test",
      "-newkey",
      "ed448",
      "-keyout",
      keyFile,
      "-out",
      certFile,
    ];
    equal((await run("openssl", args, { home: proxyDir })).code, 0);
    const odd = {
      ...good,
      id: "odd",
      certPem: await readFile(certFile, "utf8"),
      keyPem: await readFile(keyFile, "utf8"),
    };
    const statuses = await proxy.apply(
      desired([secure("app.test", good, app.address), secure("odd.test", odd, app.address)], [good, odd]),
    );
    deepEqual(statuses, [served("app.test"), {
      domain: "odd.test",
      state: "failed",
      reason: "its key is of a kind or size that cannot be served",
    }]);
    equal(await leaf(proxy.status().https!, "app.test"), fingerprintOf(good));
  });

  test("apply() tells of a port in use, and serves once it is free", async ({ proxy, desired }) => {
    await using app = await startUpstream("app");
    const http = { host: "127.0.0.1", port: 0 };
    {
      await using occupied = await occupy(http);
      const wanted = desired([plain("app.test", app.address)], [], { http: occupied.address });
      deepEqual(await proxy.apply(wanted), [served("app.test")]);
      equal(proxy.status().state, "failing");
      equal(proxy.status().detail, `cannot listen on 127.0.0.1:${occupied.address.port}: the address is in use`);
      equal(proxy.status().http, undefined);
    }
    await until("it serves", () => proxy.status().state === "serving");
    equal((await ask(proxy.status().http!, "app.test")).status, 200);
  });

  test("two upstreams share the work, and one that is down costs nobody anything", async ({ proxy, desired }) => {
    await using one = await startUpstream("one");
    await using two = await startUpstream("two");
    await proxy.apply(desired([plain("app.test", one.address, two.address)]));
    const { http } = proxy.status();
    const names = async () => {
      const seen = new Set<string>();
      for (let round = 0; round < 12; round++) seen.add(JSON.parse((await ask(http!, "app.test")).text).name);
      return [...seen].sort();
    };
    deepEqual(await names(), ["one", "two"]);
    await two[Symbol.asyncDispose]();
    deepEqual(await names(), ["one"]);
  });

  test("what visitors say of themselves, of the host or of another protocol never reaches an upstream", async ({ proxy, desired }) => {
    await using app = await startRaw(() => reply("hello"));
    const [a, b] = [await certificateFor("a.test"), await certificateFor("b.test")];
    await proxy.apply(
      desired([
        secure("a.test", a, app.address),
        secure("b.test", b, app.address),
        plain("one.test", app.address),
        plain("two.test", app.address),
      ], [a, b]),
    );
    const { http, https } = proxy.status();
    const forged = [...FORGED, ...name === "caddy" ? ["X-Forwarded-Roles", "X_Forwarded_Roles"] : []].map((field) =>
      `${field}: 6.6.6.6\r\n`
    ).join("");
    await say(http!.port, `GET / HTTP/1.1\r\nHost: one.test\r\n${forged}Via: 1.0 cache\r\nConnection: close\r\n\r\n`);
    const [head] = app.heads.splice(0);
    equal(/^.*6\.6\.6\.6.*$/m.exec(head!)?.[0], undefined);
    match(head!, /^x-forwarded-for: 127\.0\.0\.1\r$/im);
    match(head!, /^x-real-ip: 127\.0\.0\.1\r$/im);
    match(head!, /^via: .*1\.0 cache/im);

    // RFC 9112 §3.2.2: a target that names its host wins
    await say(http!.port, "GET http://one.test/ HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n");
    match(app.heads.splice(0)[0]!, /^host: one\.test\r$/im);

    // A tunnel past this proxy would carry requests that it never sees
    await say(
      http!.port,
      "GET / HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    );
    equal(/^(upgrade|http2-settings):.*$/im.exec(app.heads.splice(0)[0]!)?.[0], undefined);

    // RFC 9110 §7.4; Traefik does not tell
    const misdirected = (host: string) =>
      say(https!.port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, { serverName: "a.test" });
    match(await misdirected("b.test"), name === "traefik" ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 421 /);
    match(await misdirected("one.test"), /^HTTP\/1\.1 4(04|21) /);
    match(await misdirected("stranger.test"), /^HTTP\/1\.1 4(04|21) /);
    match(await misdirected("A.test:443"), /^HTTP\/1\.1 200 /);
  });

  test("WebSockets pass, and outlive changes elsewhere", async ({ proxy, desired }) => {
    await using app = await startUpstream("app");
    await proxy.apply(desired([plain("app.test", app.address)]));
    const { http } = proxy.status();
    const { promise, resolve, reject } = Promise.withResolvers<import("node:stream").Duplex>();
    const sent = request({
      ...http!,
      agent: false,
      headers: { host: "app.test", connection: "Upgrade", upgrade: "websocket" },
    });
    sent.on("upgrade", (_response, socket) => resolve(socket));
    sent.on("error", reject);
    sent.end();
    const socket = await promise;
    const echo = (text: string) =>
      new Promise<string>((heard, failed) => {
        socket.once("data", (data) => heard(String(data)));
        socket.once("close", () => failed(new Error("the WebSocket was closed")));
        socket.write(text);
      });
    equal(await echo("before"), "before");
    await proxy.apply(desired([plain("app.test", app.address), plain("new.test", app.address)]));
    equal((await ask(http!, "new.test")).status, 200);
    equal(await echo("after"), "after");
    socket.destroy();
  });

  test("a program that is killed is started again", async ({ proxy, desired, proxyDir }) => {
    await using app = await startUpstream("app");
    await proxy.apply(desired([plain("app.test", app.address)]));
    const { http } = proxy.status();
    for (const pid of await childrenIn(proxyDir)) Deno.kill(pid, "SIGKILL");
    await until("it notices", () => proxy.status().state === "failing");
    match(proxy.status().detail, /SIGKILL/);
    await until("it serves again", () => proxy.status().state === "serving");
    equal((await ask(http!, "app.test")).status, 200);
  });

  test("what a killed daemon left running is ended, and its routes are served again", async (bench) => {
    await using app = await startUpstream("app");
    const daemon = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "-A",
        new URL("./abandon.ts", import.meta.url).pathname,
        name,
        findTool(name)!,
        bench.proxyDir,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let said = "";
    for await (const chunk of daemon.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      if (said.includes("\n")) break;
    }
    daemon.kill("SIGKILL");
    await daemon.status;
    const http = JSON.parse(said) as Address;
    equal((await ask(http, "old.test")).status, 503, "the program outlives its daemon");
    await bench.proxy.apply(bench.desired([plain("app.test", app.address)], [], { http }));
    equal(bench.proxy.status().state, "serving");
    equal((await ask(http, "app.test")).status, 200);
    equal((await ask(http, "old.test")).status, 404);
  });
}

/** Processes whose working folder is below a folder: the programs started there. */
async function childrenIn(folder: string): Promise<number[]> {
  const { stdout } = await run("find", ["/proc", "-maxdepth", "2", "-name", "cwd", "-lname", `${folder}/*`], {
    home: folder,
  });
  return [...stdout.matchAll(/^\/proc\/(\d+)\/cwd$/gm)].map(([, pid]) => Number(pid));
}

/** Listens on an address, so that nobody else can. */
async function occupy({ host, port }: Address): Promise<AsyncDisposable & { readonly address: Address }> {
  const server = createTcpServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });
  return {
    address: { host, port: (server.address() as AddressInfo).port },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
