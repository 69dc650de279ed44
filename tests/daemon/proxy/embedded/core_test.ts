import { deepEqual, equal, match, ok as truthy, rejects } from "node:assert/strict";
import { createServer } from "node:net";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServedCertificate } from "../../../../daemon/proxy/backend.ts";
import { freePort } from "../../../support/free_port.ts";
import { run, temporaryFolder } from "../../../support/process.ts";
import { lacking } from "../../../support/tools.ts";
import { call, certificate, ok, say, site, startCore, startRawUpstream, startUpstream } from "./support.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const KEEP = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const DEAD = { host: "127.0.0.1", port: 1 };

Deno.test("ProxyCore answers 404 for a host it does not know, wildcards one label deep alone", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using proxy = await startCore([site("*.b.test", [upstream.address]), site("x.b.test", [])]);
  const status = async (host: string) =>
    (await say(proxy.http, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).slice(9, 12);
  equal(await status("a.test"), "404");
  equal(await status("b.test"), "404");
  equal(await status("a.a.b.test"), "404");
  equal(await status(".b.test"), "404");
  equal(await status("*.b.test"), "400"); // no host name
  equal(await status("A.b.test.:80"), "200");
  equal(await status("x.b.test"), "503"); // the exact name wins
  equal((await say(proxy.http, "GET / HTTP/1.0\r\n\r\n")).slice(9, 12), "404");
});

Deno.test("ProxyCore answers 503 without upstream and 502 when none can be reached, and tells nothing else", async () => {
  await using proxy = await startCore([site("a", []), site("b", [DEAD])]);
  match(await say(proxy.http, GET), /^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*\r\n\r\n503 Service Unavailable\n$/);
  const text = await say(proxy.http, GET.replace("Host: a", "Host: b"));
  match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n[\s\S]*\r\n\r\n502 Bad Gateway\n$/);
  truthy(!/127|helyos|refused|:1\b/.test(text));
});

Deno.test("ProxyCore answers 504 when the upstream says nothing, 408 when the visitor does not finish", async () => {
  await using upstream = await startUpstream(() => "");
  await using proxy = await startCore([site("a", [upstream.address])], {
    limits: { responseMs: 50, headMs: 500, bodyMs: 200, lingerMs: 500 },
  });
  match(await say(proxy.http, GET), /^HTTP\/1\.1 504 Gateway Timeout/);
  match(await say(proxy.http, "GET / HT"), /^HTTP\/1\.1 408 Request Timeout/);
  match(await say(proxy.http, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"), /^HTTP\/1\.1 408 /);
  equal(await say(proxy.http, ""), "", "a connection without a word ends without a word");
});

Deno.test("ProxyCore ends an idle connection, and one whose response falls silent", async () => {
  await using upstream = await startUpstream((head) =>
    head.startsWith("GET /silent") ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" : ok("hello")
  );
  await using proxy = await startCore([site("a", [upstream.address])], {
    limits: { keepAliveMs: 200, silenceMs: 200 },
  });
  match(await say(proxy.http, KEEP), /hello$/);
  match(await say(proxy.http, KEEP.replace("/", "/silent")), /\r\n1\r\nx\r\n$/);
});

Deno.test("ProxyCore refuses a body beyond its bound, announced or not", async () => {
  await using upstream = await startUpstream(() => "");
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { maxBodyBytes: 10, lingerMs: 500 } });
  match(await say(proxy.http, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello"), /^HTTP\/1\.1 413 /);
  equal(upstream.heads.length, 0);
  match(
    await say(
      proxy.http,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    ),
    /^HTTP\/1\.1 413 /,
  );
});

Deno.test("ProxyCore passes an answer on that comes before the request's end, and reads on until the visitor has it", async () => {
  await using upstream = await startUpstream(() => "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { lingerMs: 200 } });
  using caller = await call(proxy.http);
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n");
  await caller.until(/413 Content Too Large[\s\S]*Connection: close\r\n\r\nno!$/);
  caller.send("x".repeat(1_000_000));
  await caller.ended();
});

Deno.test("ProxyCore answers 504 when the upstream takes nothing of a body", async () => {
  await using upstream = await startRawUpstream((socket) => void socket.pause());
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { bodyMs: 1_000 } });
  using caller = await call(proxy.http);
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n");
  const block = "x".repeat(1_000_000);
  for (let sent = 0; sent < 60; sent++) caller.send(block);
  await caller.until(/^HTTP\/1\.1 504 /);
});

Deno.test("ProxyCore listens on IPv6, and forwards to IPv6", async () => {
  const upstream = createServer((socket) => void socket.once("data", () => socket.end(ok("six")))).listen(0, "::1");
  await new Promise((resolve) => upstream.once("listening", resolve));
  const address = { host: "::1", port: (upstream.address() as { port: number }).port };
  await using proxy = await startCore([]);
  await proxy.change({ putSites: [site("a", [address])], httpListen: { host: "::", port: 0 } });
  match(await say(proxy.http, GET), /six$/);
  await new Promise((resolve) => upstream.close(resolve));
});

Deno.test("ProxyCore turns visitors away beyond its bound when all others are being answered", async () => {
  await using upstream = await startUpstream(() => "");
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { maxConnections: 2, graceMs: 50 } });
  using first = await call(proxy.http);
  using second = await call(proxy.http);
  first.send(KEEP);
  second.send(KEEP);
  while (upstream.heads.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  using third = await call(proxy.http);
  equal(await third.ended(), "");
  truthy(!first.socket.readableEnded && !second.socket.readableEnded);
});

Deno.test("ProxyCore makes room for who speaks: whoever says nothing leaves, the first come first", async () => {
  await using upstream = await startUpstream((head) => head.includes("/busy") ? "" : ok("hello"));
  const a = await certificate("a", ["a"]);
  await using proxy = await startCore([site("a", [upstream.address], { tls: { certificateId: "a" } })], {
    certificates: [a],
    limits: { maxConnections: 3, graceMs: 50 },
  });
  for (const [port, options] of [[proxy.http, {}], [proxy.https, { serverName: "a" }]] as const) {
    using busy = await call(port, options);
    busy.send(KEEP.replace("/", "/busy"));
    const { length } = upstream.heads;
    while (upstream.heads.length === length) await new Promise((resolve) => setTimeout(resolve, 5));
    using silent = await call(port);
    using idle = await call(port, options);
    idle.send(KEEP);
    await idle.until(/hello$/);
    match(await say(port, GET, options), /hello$/);
    equal(await silent.ended(), "");
    for (let turn = 0; turn < 4; turn++) match(await say(port, GET, options), /hello$/);
    truthy(!busy.socket.readableEnded);
  }
});

Deno.test("ProxyCore makes room for who speaks: whoever came first and speaks still stays", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { maxConnections: 2 } });
  using early = await call(proxy.http);
  early.send(KEEP);
  await early.until(/hello$/);
  using silent = await call(proxy.http);
  early.send(KEEP);
  await early.until(/hello[^]*hello$/);
  match(await say(proxy.http, GET), /hello$/);
  equal(await silent.ended(), "");
  early.send(KEEP);
  await early.until(/hello[^]*hello[^]*hello$/);
});

Deno.test("ProxyCore counts handshakes that fail, hang or succeed, and forgets them", async () => {
  await using upstream = await startUpstream((head) => head.includes("/busy") ? "" : ok("hello"));
  const a = await certificate("a", ["a"]);
  await using proxy = await startCore([site("a", [upstream.address], { tls: { certificateId: "a" } })], {
    certificates: [a],
    limits: { maxConnections: 2, handshakeMs: 1_000, graceMs: 50 },
  });
  for (let turn = 0; turn < 4; turn++) {
    await rejects(call(proxy.https, { serverName: "unknown" }));
    await say(proxy.https, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); // no TLS at all
    match(await say(proxy.https, GET, { serverName: "a" }), /hello$/);
  }
  using hanging = await call(proxy.https);
  equal(await hanging.ended(), "");
  const busy = [await call(proxy.https, { serverName: "a" }), await call(proxy.https, { serverName: "a" })] as const;
  for (const caller of busy) caller.send(KEEP.replace("/", "/busy"));
  while (upstream.heads.filter((head) => head.includes("/busy")).length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await rejects(call(proxy.https, { serverName: "a" }));
  for (const caller of busy) caller[Symbol.dispose]();
});

Deno.test("ProxyCore answers an HTTP/1.0 visitor without chunks", async () => {
  await using upstream = await startUpstream(() =>
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"
  );
  await using proxy = await startCore([site("a", [upstream.address])]);
  const text = await say(proxy.http, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  match(text, /^HTTP\/1\.1 200 OK\r\n(?![\s\S]*Transfer-Encoding)[\s\S]*\r\n\r\nhello world$/);
  match(upstream.heads[0]!, /Via: 1\.0 helyos/);
});

Deno.test("ProxyCore ends a response that lasts until the upstream hangs up by a last chunk", async () => {
  await using upstream = await startRawUpstream((socket) =>
    socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\n\r\nhello"))
  );
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send(KEEP);
  await caller.until(/Transfer-Encoding: chunked[\s\S]*\r\n5\r\nhello\r\n0\r\n\r\n$/);
});

Deno.test("ProxyCore sends no content for HEAD, 204 and 304, whatever their fields say", async () => {
  await using upstream = await startUpstream((head) =>
    head.startsWith("HEAD")
      ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
      : head.includes("/204")
      ? "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
      : "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
  );
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send(KEEP.replace("GET", "HEAD"));
  await caller.until(/200 OK\r\nContent-Length: 5\r\n[\s\S]*\r\n\r\n$/);
  caller.send(KEEP.replace("/", "/204"));
  await caller.until(/204 No Content\r\n(?!Content-Length)[\s\S]*\r\n\r\n$/);
  caller.send(KEEP.replace("/", "/304"));
  await caller.until(/304 Not Modified\r\nContent-Length: 5\r\n[\s\S]*\r\n\r\n$/);
  equal(upstream.connections(), 1);
  match(await say(proxy.http, "HEAD / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"), /404[\s\S]*\r\n\r\n$/);
});

Deno.test("ProxyCore strips what concerns one connection from responses, and adds a date", async () => {
  await using upstream = await startUpstream(() =>
    ok(
      "hello",
      "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nSet-Cookie: a\r\nset-cookie: b\r\n",
    )
  );
  await using proxy = await startCore([site("a", [upstream.address])]);
  match(
    await say(proxy.http, GET),
    /^HTTP\/1\.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 5\r\nDate: [^\r]+ GMT\r\nConnection: close\r\n\r\nhello$/,
  );
});

Deno.test("ProxyCore says 100 (Continue) before the body, and never forwards the expectation", async () => {
  await using upstream = await startUpstream((head) => head.startsWith("POST") ? ok("hello") : "");
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  await caller.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  caller.send("hi");
  await caller.until(/hello$/);
  truthy(!/expect/i.test(upstream.heads[0]!));
});

Deno.test("ProxyCore passes early hints on, and keeps the upstream's own 100 to itself", async () => {
  await using upstream = await startUpstream(() =>
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("hello")
  );
  await using proxy = await startCore([site("a", [upstream.address])]);
  match(await say(proxy.http, GET), /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
});

Deno.test("ProxyCore takes turns, and leaves out an upstream that is down until it is back", async () => {
  await using one = await startUpstream(() => ok("one"));
  await using two = await startUpstream(() => ok("two"));
  await using proxy = await startCore([site("a", [one.address, DEAD, two.address])], { limits: { ejectMs: 60_000 } });
  const answers = [];
  for (let turn = 0; turn < 8; turn++) answers.push((await say(proxy.http, GET)).slice(-3));
  equal(answers.filter((answer) => answer === "one").length + answers.filter((answer) => answer === "two").length, 8);
  truthy(answers.includes("one") && answers.includes("two"));

  const port = await freePort();
  await using late = await startCore([site("a", [{ host: "127.0.0.1", port }])], { limits: { ejectMs: 60_000 } });
  match(await say(late.http, GET), / 502 /);
  const server = createServer((socket) => void socket.once("data", () => socket.end(ok("back")))).listen(
    port,
    "127.0.0.1",
  );
  await new Promise((resolve) => server.once("listening", resolve));
  match(await say(late.http, GET), /back$/, "a lone upstream is always asked");
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("ProxyCore repeats a request that can be repeated on another upstream, and no other", async () => {
  await using broken = await startUpstream(() => undefined);
  await using whole = await startUpstream(() => ok("whole"));
  await using proxy = await startCore([site("a", [broken.address, whole.address])], { limits: { ejectMs: 0 } });
  for (let turn = 0; turn < 4; turn++) match(await say(proxy.http, GET), /whole$/);
  const answers = [];
  for (let turn = 0; turn < 4; turn++) {
    answers.push((await say(proxy.http, GET.replace("GET", "POST"))).slice(9, 12));
  }
  deepEqual(answers.toSorted(), ["200", "200", "502", "502"]);
  equal(whole.heads.length, 6);
});

Deno.test("ProxyCore repeats on a new connection what met a connection being closed", async () => {
  let served = 0;
  await using upstream = await startUpstream(() => ++served === 2 ? undefined : ok("hello"));
  await using proxy = await startCore([site("a", [upstream.address])]);
  match(await say(proxy.http, GET), /hello$/);
  match(await say(proxy.http, GET), /hello$/);
  equal(served, 3);
});

Deno.test("ProxyCore keeps upstream connections as long as the upstream says", async () => {
  await using brief = await startUpstream(() => ok("hello", "Keep-Alive: timeout=1\r\n"));
  await using closing = await startUpstream(() => ok("hello", "Connection: close\r\n"));
  await using lasting = await startUpstream(() => ok("hello"));
  await using proxy = await startCore([
    site("a", [brief.address]),
    site("b", [closing.address]),
    site("c", [lasting.address]),
  ]);
  for (const host of "abcabcabc") await say(proxy.http, GET.replace("Host: a", `Host: ${host}`));
  deepEqual([brief.connections(), closing.connections(), lasting.connections()], [3, 3, 1]);
});

Deno.test("ProxyCore redirects to HTTPS except for challenges, which it answers for every host", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using challenges = await startUpstream((head) => ok(head.split(" ")[1]!.slice(-5)));
  const a = await certificate("a", ["a.test"]);
  await using proxy = await startCore([
    site("a.test", [upstream.address], { tls: { certificateId: "a" }, redirectToHttps: true, hstsSeconds: 60 }),
  ], { certificates: [a], challenges: challenges.address });
  const path = "/x?y=z";
  match(
    await say(proxy.http, `POST ${path} HTTP/1.1\r\nHost: A.test:8080\r\nConnection: close\r\n\r\n`),
    new RegExp(`^HTTP/1\\.1 308 Permanent Redirect[\\s\\S]*Location: https://a\\.test:${proxy.https}/x\\?y=z\r\n`),
  );
  for (const host of ["a.test", "unknown.test"]) {
    const challenge = `GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    match(await say(proxy.http, challenge), /token$/);
  }
  equal(upstream.heads.length, 0);
  const secure = await say(proxy.https, `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`, {
    serverName: "a.test",
  });
  match(secure, /200 OK[\s\S]*Strict-Transport-Security: max-age=60\r\n/);
  match(upstream.heads[0]!, /X-Forwarded-Proto: https\r\n/);
});

Deno.test("ProxyCore refuses handshakes for unknown names, and hosts under another host's certificate", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  const [a, b] = await Promise.all([certificate("a", ["a.test"]), certificate("b", ["*.b.test"])]);
  await using proxy = await startCore([
    site("a.test", [upstream.address], { tls: { certificateId: "a" } }),
    site("*.b.test", [upstream.address], { tls: { certificateId: "b" } }),
    site("plain.test", [upstream.address]),
  ], { certificates: [a, b] });
  await rejects(call(proxy.https, { serverName: "unknown.test" }));
  await rejects(call(proxy.https, { serverName: "x.y.b.test" }));
  await rejects(call(proxy.https, { serverName: "plain.test" }));
  await rejects(call(proxy.https, { serverName: "" }));
  const ask = async (host: string, serverName: string) =>
    (await say(proxy.https, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, { serverName })).slice(
      9,
      12,
    );
  equal(await ask("a.test", "a.test"), "200");
  equal(await ask("x.b.test", "x.b.test"), "200");
  equal(await ask("y.b.test", "x.b.test"), "200"); // the same site, the same certificate
  equal(await ask("a.test", "x.b.test"), "421");
  equal(await ask("plain.test", "a.test"), "421");
  equal(await ask("unknown.test", "a.test"), "404");
});

Deno.test("ProxyCore serves a new certificate at once, and keeps connections of the old one", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  const [old, renewed] = await Promise.all([certificate("a", ["a.test"]), certificate("a", ["a.test"])]);
  await using proxy = await startCore([site("a.test", [upstream.address], { tls: { certificateId: "a" } })], {
    certificates: [old],
  });
  const serial = (caller: { socket: unknown }) =>
    (caller.socket as { getPeerCertificate(): { serialNumber: string } }).getPeerCertificate().serialNumber;
  using before = await call(proxy.https, { serverName: "a.test" });
  before.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await before.until(/hello$/);
  await proxy.change({ putCertificates: [renewed] });
  using after = await call(proxy.https, { serverName: "a.test" });
  truthy(serial(before) !== serial(after));
  before.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await before.until(/hello[\s\S]*hello$/);
});

Deno.test("ProxyCore fails a site whose certificate cannot be served, and that site alone", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  const [a, b] = await Promise.all([certificate("a", ["a.test"]), certificate("b", ["b.test"])]);
  await using proxy = await startCore([], {});
  const secure = (domain: string, certificateId: string) =>
    site(domain, [upstream.address], { tls: { certificateId } });
  const failed = await proxy.change({
    putSites: [
      secure("a.test", "a"),
      secure("b.test", "b"),
      secure("c.test", "c"),
      secure("d.test", "d"),
      secure("e.test", "e"),
    ],
    putCertificates: [a, { ...b, keyPem: a.keyPem }, { ...a, id: "c", certPem: "garbage" }, {
      ...a,
      id: "d",
      keyPem: "garbage",
    }],
  });
  deepEqual(failed, [
    { domain: "b.test", reason: "its key does not belong to its certificate" },
    { domain: "c.test", reason: "its certificate is no PEM" },
    { domain: "d.test", reason: "its private key cannot be read" },
    { domain: "e.test", reason: "its certificate is missing" },
  ]);
  using caller = await call(proxy.https, { serverName: "a.test" });
  caller.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await caller.until(/hello$/);
  await rejects(call(proxy.https, { serverName: "b.test" }));
  deepEqual(await proxy.change({ putCertificates: [b], dropDomains: ["c.test", "d.test", "e.test"] }), []);
  (await call(proxy.https, { serverName: "b.test" }))[Symbol.dispose]();
});

Deno.test({
  name: "ProxyCore fails a site whose key TLS cannot use, and that site alone, also when somebody asks for it",
  ignore: lacking("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    await using upstream = await startUpstream(() => ok("hello"));
    const file = (name: string) => join(folder.path, name);
    const make = async (id: string, ...kind: string[]): Promise<ServedCertificate> => {
      const files = ["-keyout", file(`${id}.key`), "-out", file(`${id}.pem`)];
      const args = ["req", "-x509", "-nodes", "-days", "9", "-subj", `/CN=${id}`, "-newkey", ...kind, ...files];
      equal((await run("openssl", args, { home: folder.path })).code, 0);
      const [certPem, keyPem] = await Promise.all([
        readFile(file(`${id}.pem`), "utf8"),
        readFile(file(`${id}.key`), "utf8"),
      ]);
      return { id, names: [id], certPem, keyPem };
    };
    const bad = [
      await make("weak", "rsa:1024"),
      await make("bitcoin", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
      await make("goldilocks", "ed448"),
    ];
    const good = [
      await make("p521", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"),
      await make("edwards", "ed25519"),
      await make("rsa", "rsa:2048"),
    ];
    const certificates = [...bad, ...good];
    await using proxy = await startCore([], {});
    const failed = await proxy.change({
      putSites: certificates.map(({ id }) => site(id, [upstream.address], { tls: { certificateId: id } })),
      putCertificates: certificates,
    });
    const reason = "its key is of a kind or size that cannot be served";
    deepEqual(failed, bad.map(({ id }) => ({ domain: id, reason })));
    for (const { id } of bad) await rejects(call(proxy.https, { serverName: id }));
    for (const { id } of good) {
      match(await say(proxy.https, GET.replace("Host: a", `Host: ${id}`), { serverName: id }), /hello$/);
    }
  },
});

Deno.test("ProxyCore binds with the first site, tells why it cannot, tries again, and lets go with the last", async () => {
  const port = await freePort();
  const httpListen = { host: "127.0.0.1", port };
  const taken = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { promise: bound, resolve } = Promise.withResolvers<void>();
  await using proxy = await startCore([], {
    limits: { bindRetryMs: 20, bindRetryMaxMs: 20 },
    onPorts: (ports) => ports.http.bound && resolve(),
  });
  deepEqual(proxy.core.ports, { http: {}, https: {} });
  await proxy.change({ putSites: [site("a", [])], httpListen });
  equal(proxy.core.ports.http.failure, `cannot listen on 127.0.0.1:${port}: the address is in use`);
  await new Promise((done) => taken.close(done));
  await bound;
  match(await say(port, GET), / 503 /);
  await proxy.change({ dropDomains: ["a"], httpListen });
  deepEqual(proxy.core.ports, { http: {}, https: {} });
  await rejects(call(port));
});

Deno.test("ProxyCore finishes what is under way when it stops, and ends what is idle", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<() => void>();
  await using upstream = await startUpstream((head, socket) => {
    if (!head.includes("/slow")) return ok("hello");
    resolve(() => socket.write(ok("finished")));
    return "";
  });
  const proxy = await startCore([site("a", [upstream.address])]);
  using idle = await call(proxy.http);
  idle.send(KEEP);
  await idle.until(/hello$/);
  using busy = await call(proxy.http);
  busy.send(KEEP.replace("/", "/slow"));
  const finish = await asked;
  const port = proxy.http;
  const stopped = proxy[Symbol.asyncDispose]();
  await idle.ended();
  await rejects(call(port));
  finish();
  match(await busy.ended(), /Connection: close\r\n\r\nfinished$/);
  idle.socket.end();
  busy.socket.end();
  await stopped;
});

Deno.test("ProxyCore waits no longer than its grace when it stops", async () => {
  await using upstream = await startUpstream(() => "");
  const proxy = await startCore([site("a", [upstream.address])], { limits: { graceMs: 50 } });
  using caller = await call(proxy.http);
  caller.send(KEEP);
  while (upstream.heads.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await proxy[Symbol.asyncDispose]();
  equal(await caller.ended(), "");
});
