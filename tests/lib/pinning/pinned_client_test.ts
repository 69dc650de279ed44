import { exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { PinnedClient, type PinnedClientOptions, pinnedFetch } from "@helyos/pinning";
import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { httpAnswer, startHostileServer } from "../../support/hostile_server.ts";
import { forgeCa, type Forged, forgeServer } from "./forge.ts";

const ca: Forged = await forgeCa("CA");
const certificate: Forged = await forgeServer(ca);

interface World extends AsyncDisposable {
  readonly client: PinnedClient;
  readonly origin: string;
  /** Ports of the clients that were seen: one for each connection. */
  readonly ports: Set<number>;
}

/** A daemon that answers with `handler`, and a client that pins it. */
function world(
  handler: (request: Request) => Response | Promise<Response>,
  more: Partial<PinnedClientOptions> = {},
): World {
  const ports = new Set<number>();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: certificate.pem,
    key: certificate.keyPem,
    onListen() {},
  }, (request, { remoteAddr }) => {
    ports.add(remoteAddr.port);
    return handler(request);
  });
  const origin = `https://localhost:${server.addr.port}`;
  const client = new PinnedClient({ origin, trust: { ca: ca.pem }, ...more });
  return {
    client,
    origin,
    ports,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server.shutdown();
    },
  };
}

/** A TLS server that treats each connection as it likes; `talk` is told which one it is. */
async function rawServer(talk: (socket: Socket, connection: number) => void) {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createTlsServer({ cert: certificate.pem, key: certificate.keyPem }, (socket) => {
    open.add(socket);
    socket.on("error", () => {});
    talk(socket, ++connections);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function clientOf(origin: string, more: Partial<PinnedClientOptions> = {}): PinnedClient {
  return new PinnedClient({ origin, trust: { ca: ca.pem }, ...more });
}

for (
  const [origin, trust] of [
    ["ftp://localhost", "none"],
    ["localhost:6443", { ca: "x" }],
    ["https://localhost/path", "system"],
    ["https://localhost/?q", "system"],
    ["https://user:secret@localhost", "system"],
    ["https://localhost", "none"],
    ["http://localhost", "system"],
    ["http://localhost", { ca: ca.pem }],
    ["https://localhost", "anybody"],
    ["https://localhost", undefined],
    ["https://localhost", { ca: undefined }],
  ] as [string, PinnedClientOptions["trust"]][]
) {
  Deno.test(`PinnedClient refuses ${origin} with trust ${JSON.stringify(trust)?.slice(0, 20)}`, () => {
    throws(() => new PinnedClient({ origin, trust }), (error: Error) => {
      ok(!error.message.includes("secret"));
      return error instanceof TypeError;
    });
  });
}

Deno.test("PinnedClient refuses limits that are none, and a proxy that is none", () => {
  const base = { origin: "http://localhost", trust: "none" } as const;
  for (const limit of ["timeoutMs", "connectTimeoutMs", "idleTimeoutMs", "maxHeaderBytes"] as const) {
    for (const value of [0, -1, NaN, Infinity]) {
      throws(() => new PinnedClient({ ...base, [limit]: value }), RangeError);
    }
  }
  for (const proxy of ["", "localhost", "https://localhost", "socks5://localhost"]) {
    throws(() => new PinnedClient({ ...base, proxy }), TypeError);
  }
});

Deno.test("PinnedClient.fetch() sends method, headers and body, and gives back status, headers and body", async () => {
  await using w = world(async (request) =>
    Response.json({
      method: request.method,
      url: request.url,
      token: request.headers.get("authorization"),
      type: request.headers.get("content-type"),
      length: request.headers.get("content-length"),
      body: await request.text(),
    }, { status: 201, headers: { "x-answer": "yes" } })
  );
  const response = await w.client.fetch("/a%20b?c=d#e", {
    method: "POST",
    headers: { authorization: "Bearer t", "content-type": "application/json", host: "evil", connection: "close" },
    body: '{"ü":1}',
  });
  equal(response.status, 201);
  equal(response.headers.get("x-answer"), "yes");
  equal(response.url, `${w.origin}/a%20b?c=d`);
  deepEqual(await response.json(), {
    method: "POST",
    url: `${w.origin}/a%20b?c=d`,
    token: "Bearer t",
    type: "application/json",
    length: "8",
    body: '{"ü":1}',
  });
});

Deno.test("PinnedClient.fetch() takes URLs and requests, and every kind of body", async () => {
  await using w = world(async (request) => new Response(`${request.method} ${await request.text()}`));
  const text = async (input: string | URL | Request, init?: RequestInit) =>
    await (await w.client.fetch(input, init)).text();
  equal(await text(new URL("/x", w.origin)), "GET ");
  equal(await text(new Request(`${w.origin}/x`, { method: "PUT", body: "abc" })), "PUT abc");
  equal(await text("/", { method: "POST" }), "POST ");
  equal(await text("/", { method: "POST", body: new Uint8Array([65, 66]) }), "POST AB");
  equal(await text("/", { method: "POST", body: new URLSearchParams({ a: "b" }) }), "POST a=b");
  equal(await text("/", { method: "DELETE" }), "DELETE ");
  const stream = new ReadableStream({
    start(controller) {
      for (const part of ["one", "two", "three"]) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  equal(await text("/", { method: "POST", body: stream }), "POST onetwothree");
});

Deno.test("PinnedClient.fetch() understands answers without a body", async () => {
  await using w = world((request) => new Response(null, { status: Number(new URL(request.url).pathname.slice(1)) }));
  for (const status of [204, 304, 200]) equal(await (await w.client.fetch(`/${status}`)).text(), "");
  equal(await (await w.client.fetch("/200", { method: "HEAD" })).text(), "");
  equal(w.ports.size, 1);
});

Deno.test("PinnedClient uses its connections again", async () => {
  await using w = world(() => new Response("hello"));
  for (let i = 0; i < 5; i++) await (await w.client.fetch("/")).text();
  equal(w.ports.size, 1);
  await Promise.all(Array.from({ length: 6 }, async () => await (await w.client.fetch("/")).text()));
  ok(w.ports.size <= 6);
});

Deno.test("PinnedClient without keepAlive uses each connection once", async () => {
  await using w = world(() => new Response("hello"), { keepAlive: false });
  for (let i = 0; i < 3; i++) await (await w.client.fetch("/")).text();
  equal(w.ports.size, 3);
});

Deno.test("PinnedClient does not use a connection again whose answer was not read to its end", async () => {
  await using w = world(() => new Response(new Uint8Array(10_000_000)));
  await (await w.client.fetch("/")).body!.cancel();
  equal((await (await w.client.fetch("/")).bytes()).length, 10_000_000);
  equal(w.ports.size, 2);
});

Deno.test("PinnedClient streams large bodies both ways", async () => {
  await using w = world((request) => new Response(request.body));
  const size = 20_000_000;
  let left = size;
  const body = new ReadableStream({
    pull(controller) {
      const chunk = new Uint8Array(Math.min(left, 100_000)).fill(7);
      left -= chunk.length;
      controller.enqueue(chunk);
      if (left === 0) controller.close();
    },
  });
  let received = 0;
  for await (const chunk of (await w.client.fetch("/", { method: "POST", body })).body!) {
    received += chunk.length;
    ok(chunk.every((byte) => byte === 7));
  }
  equal(received, size);
});

Deno.test("PinnedClient does not read further ahead than the caller reads", async () => {
  let sent = 0;
  await using w = world(() =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sent += 65_536;
          controller.enqueue(new Uint8Array(65_536));
          if (sent > 100_000_000) controller.close();
        },
      }),
    )
  );
  const response = await w.client.fetch("/");
  const reader = response.body!.getReader();
  await reader.read();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  ok(sent < 50_000_000, `${sent} bytes were taken from the server`);
  await reader.cancel();
});

Deno.test("PinnedClient hands on each event of a stream as it comes, and may wait long for the next", async () => {
  const gate = Promise.withResolvers<void>();
  await using w = world(() =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("data: 1\n\n"));
          await gate.promise;
          controller.enqueue(new TextEncoder().encode("data: 2\n\n"));
          controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    ), { idleTimeoutMs: 50, timeoutMs: 1000 });
  const reader = (await w.client.fetch("/")).body!.pipeThrough(new TextDecoderStream()).getReader();
  equal((await reader.read()).value, "data: 1\n\n");
  setTimeout(gate.resolve, 150);
  equal((await reader.read()).value, "data: 2\n\n");
  equal((await reader.read()).done, true);
});

Deno.test("PinnedClient gives up on a server that does not answer", async () => {
  const gate = Promise.withResolvers<Response>();
  await using w = world(() => gate.promise, { timeoutMs: 50 });
  await rejects(() => w.client.fetch("/"), { code: "timeout", message: /^No answer from localhost:\d+ within 50 ms$/ });
  gate.resolve(new Response());
});

Deno.test("PinnedClient gives up on a server that falls silent inside its answer", async () => {
  await using server = await rawServer((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"));
  await using client = clientOf(server.origin, { idleTimeoutMs: 50 });
  const response = await client.fetch("/");
  await rejects(() => response.text(), { code: "timeout" });
});

Deno.test("PinnedClient gives up on a server that accepts and says nothing", async () => {
  const open = new Set<Socket>();
  const server = createServer((socket) => open.add(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  await using client = clientOf(origin, { connectTimeoutMs: 50 });
  await rejects(() => client.fetch("/"), { code: "timeout", message: /^Cannot connect to localhost:\d+: no answer/ });
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("PinnedClient stops when the signal says so: before, while connecting, while waiting, while reading", async () => {
  const gate = Promise.withResolvers<Response>();
  await using w = world((request) =>
    new URL(request.url).pathname === "/wait"
      ? gate.promise
      : new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }))
  );
  await rejects(() => w.client.fetch("/", { signal: AbortSignal.abort("no") }), { code: "aborted", cause: "no" });
  await rejects(() => w.client.fetch("/wait", { signal: AbortSignal.timeout(50) }), { code: "timeout" });
  const controller = new AbortController();
  const reader = (await w.client.fetch("/", { signal: controller.signal })).body!.getReader();
  await reader.read();
  const next = reader.read();
  controller.abort();
  await rejects(() => next, { code: "aborted" });
  gate.resolve(new Response());

  await using silent = await startHostileServer();
  await using other = clientOf(`https://127.0.0.1:${silent.port}`);
  const connecting = new AbortController();
  const sent = other.fetch("/", { signal: connecting.signal });
  while (silent.connections() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  connecting.abort();
  await rejects(() => sent, { code: "aborted" });
});

Deno.test("PinnedClient closed while it waits rejects what it waits for, and accepts nothing more", async () => {
  const gate = Promise.withResolvers<Response>();
  await using w = world(() => gate.promise);
  const sent = w.client.fetch("/");
  while (w.ports.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const refused = rejects(() => sent, { name: "PinningError" });
  await w.client[Symbol.asyncDispose]();
  await refused;
  gate.resolve(new Response());
  await rejects(() => w.client.fetch("/"), { code: "aborted" });
});

Deno.test("PinnedClient names why a server cannot be reached", async () => {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  await rejects(() => clientOf(`https://127.0.0.1:${port}`).fetch("/"), {
    code: "refused",
    message: `Cannot connect to 127.0.0.1:${port}: nothing listens there (connection refused)`,
  });
  await rejects(() => clientOf("https://no-such-host.invalid:6443").fetch("/"), {
    code: "dns",
    message: "Cannot connect to no-such-host.invalid:6443: its name cannot be resolved",
  });
  await using server = await rawServer((socket) => socket.destroy());
  await rejects(() => clientOf(server.origin).fetch("/"), { code: "disconnected" });
});

for (
  const [what, answer, code] of [
    ["a header that never ends", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(40_000)}`, "too_large"],
    ["a flood of headers", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`, "too_large"],
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "protocol"],
    ["an impossible status", "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", "protocol"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "protocol"],
    ["another protocol", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "protocol"],
  ] as const
) {
  Deno.test(`PinnedClient refuses an answer with ${what}`, async () => {
    await using server = await rawServer((socket) => socket.once("data", () => socket.write(answer)));
    await using client = clientOf(server.origin);
    await rejects(() => client.fetch("/"), { code });
  });
}

Deno.test("PinnedClient does not take half an answer for a whole one", async () => {
  for (const head of ["content-length: 9", "transfer-encoding: chunked"]) {
    await using server = await rawServer((socket) => {
      socket.once(
        "data",
        () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\nabc\r\n`.slice(0, head.length + 24)),
      );
    });
    await using client = clientOf(server.origin);
    const response = await client.fetch("/");
    await rejects(() => response.text(), { code: "disconnected", message: /hung up in the middle of its answer$/ });
  }
});

Deno.test("PinnedClient does not wait for ever for the end of an answer that has no body", async () => {
  for (const end of ["transfer-encoding: chunked\r\n\r\n", "content-length: 9\r\n\r\nhalf"]) {
    await using server = await rawServer((socket) => {
      socket.on("data", () => socket.write(`HTTP/1.1 205 Reset Content\r\n${end}`));
    });
    await using client = clientOf(server.origin, { idleTimeoutMs: 50 });
    await rejects(() => client.fetch("/"), { code: "timeout", message: /does not come to the end/ });
    await using patient = clientOf(server.origin);
    await rejects(() => patient.fetch("/", { signal: AbortSignal.timeout(50) }), { code: "timeout" });
  }
});

Deno.test("PinnedClient tries again when a connection breaks before a byte of the request was sent", async () => {
  let connections = 0;
  await using server = await rawServer((socket) => {
    socket.on("data", () => socket.write(httpAnswer("200 OK", "second")));
  });
  // In front of it stands something that resets the first connection, as happens while a listener is swapped.
  const front = createServer((socket) => {
    socket.on("error", () => {});
    if (++connections === 1) return void socket.resetAndDestroy();
    const back = connect(Number(new URL(server.origin).port), "127.0.0.1");
    back.on("error", () => {});
    socket.pipe(back).pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  await using client = clientOf(`https://localhost:${(front.address() as AddressInfo).port}`);
  equal(await (await client.fetch("/", { method: "POST", body: "once" })).text(), "second");
  equal(connections, 2);
  await client[Symbol.asyncDispose]();
  await new Promise((resolve) => front.close(resolve));
});

Deno.test("PinnedClient tries a GET again on a kept connection that turns out to be closed, but never a POST", async () => {
  const seen: string[] = [];
  await using server = await rawServer((socket, connection) => {
    socket.on("data", (chunk: Uint8Array) => {
      const [line] = new TextDecoder().decode(chunk).split("\r\n");
      seen.push(`${connection} ${line}`);
      // Each connection answers one request and hangs up on the second.
      if (seen.filter((entry) => entry.startsWith(`${connection} `)).length > 1) socket.destroy();
      else socket.write(httpAnswer("200 OK", String(connection)));
    });
  });
  await using client = clientOf(server.origin);
  equal(await (await client.fetch("/a")).text(), "1");
  equal(await (await client.fetch("/b")).text(), "2");
  await rejects(() => client.fetch("/c", { method: "POST", body: "x" }), { code: "disconnected" });
  deepEqual(seen.map((entry) => entry.slice(0, 7).trim()), ["1 GET /", "1 GET /", "2 GET /", "2 POST"]);
});

Deno.test("PinnedClient fails no request while a server swaps its certificate", async () => {
  const listen = (port: number) =>
    Deno.serve({
      hostname: "127.0.0.1",
      port,
      cert: certificate.pem,
      key: certificate.keyPem,
      onListen() {},
    }, () => new Response("ok"));
  let server = listen(0);
  const { port } = server.addr;
  await using client = clientOf(`https://localhost:${port}`);
  for (let swap = 0; swap < 5; swap++) {
    for (let i = 0; i < 5; i++) equal(await (await client.fetch("/")).text(), "ok");
    await server.shutdown();
    server = listen(port);
  }
  // What changes something is not sent twice, so nobody can save it on a connection whose end is just on its way here:
  // a request that may be repeated meets the last swap, and this one the connection that it made.
  equal(await (await client.fetch("/")).text(), "ok");
  equal(await (await client.fetch("/", { method: "POST", body: "x" })).text(), "ok");
  await client[Symbol.asyncDispose]();
  await server.shutdown();
});

Deno.test("PinnedClient loses no request while new listeners take over the port under load", async () => {
  const listen = (port: number) =>
    Deno.serve({
      hostname: "127.0.0.1",
      port,
      reusePort: true,
      cert: certificate.pem,
      key: certificate.keyPem,
      onListen() {},
    }, () => new Response("ok"));
  let server = listen(0);
  const { port } = server.addr;
  let stop = false;
  let answers = 0;
  const clients = Array.from({ length: 6 }, async (_, number) => {
    await using client = clientOf(`https://localhost:${port}`, { keepAlive: number % 2 === 0 });
    while (!stop) {
      equal(await (await client.fetch("/")).text(), "ok");
      answers++;
    }
  });
  for (let swap = 0; swap < 6; swap++) {
    const before = answers;
    while (answers < before + 20) await new Promise((resolve) => setTimeout(resolve, 1));
    const old = server;
    server = listen(port);
    await old.shutdown();
  }
  stop = true;
  await Promise.all(clients);
  await server.shutdown();
});

Deno.test("PinnedClient follows redirects inside the origin, with the method that HTTP wants", async () => {
  await using w = world(async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/end") {
      return new Response(`${request.method} ${request.headers.get("authorization")} ${await request.text()}`);
    }
    if (pathname === "/loop") return new Response(null, { status: 302, headers: { location: "/loop" } });
    return new Response(null, { status: Number(pathname.slice(1)), headers: { location: "end" } });
  });
  const send = async (path: string, init: RequestInit) =>
    await (await w.client.fetch(path, { ...init, headers: { authorization: "t" } })).text();
  equal(await send("/303", { method: "POST", body: "x" }), "GET t ");
  equal(await send("/302", { method: "POST", body: "x" }), "GET t ");
  equal(await send("/307", { method: "POST", body: "x" }), "POST t x");
  equal(await send("/308", { method: "PUT", body: "x" }), "PUT t x");
  equal(await send("/301", {}), "GET t ");
  await rejects(() => w.client.fetch("/loop"), { code: "protocol", message: /after 10 redirects$/ });
  await rejects(() => w.client.fetch("/301", { redirect: "error" }), { code: "protocol" });
  equal((await w.client.fetch("/301", { redirect: "manual" })).status, 301);
  equal((await w.client.fetch("/301")).redirected, true);
  equal((await w.client.fetch("/end")).redirected, false);
  const body = new ReadableStream({ start: (controller) => controller.close() });
  await rejects(() => w.client.fetch("/307", { method: "POST", body }), { code: "protocol" });
});

Deno.test("PinnedClient with trust insecure verifies nothing, and still encrypts", async () => {
  await using w = world(() => new Response("hello"), { trust: "insecure" });
  equal(await (await w.client.fetch("/")).text(), "hello");
});

/** Not every container has IPv6. */
function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    // Then there is nothing to test.
    return false;
  }
}

Deno.test({
  name: "PinnedClient takes IPv6 addresses",
  ignore: !hasIpv6(),
  async fn() {
    const key = await generateKeyPair();
    const { pem } = await issueCertificate({
      issuer: { certificate: ca.pem, key: ca.key },
      profile: "server",
      publicKey: key.publicKey,
      commonName: "localhost",
      names: { dns: ["localhost"], ip: ["::1"] },
      lifetimeSeconds: 3600,
    });
    const tls = { cert: pem, key: await exportPrivateKey(key), onListen() {} };
    const serve = (hostname: string) =>
      Deno.serve({ hostname, port: 0, ...tls }, (request) => new Response(request.url));
    await using six = serve("::1");
    await using right = clientOf(`https://[::1]:${six.addr.port}`);
    equal(await (await right.fetch("/x")).text(), `https://[::1]:${six.addr.port}/x`);
    await using four = serve("127.0.0.1");
    await using wrong = clientOf(`https://127.0.0.1:${four.addr.port}`);
    await rejects(() => wrong.fetch("/"), { code: "wrong_name", offered: ["localhost", "::1"] });
  },
});

Deno.test("PinnedClient takes a name with the dot of the root for the name without", async () => {
  await using proxy = await startProxy();
  await using w = world(() => new Response("hello"));
  const { port } = new URL(w.origin);
  await using client = clientOf(`https://localhost.:${port}`, { proxy: proxy.url });
  equal(await (await client.fetch("/")).text(), "hello");
});

Deno.test("PinnedClient with trust none speaks plain HTTP", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => new Response(`${request.method} ${await request.text()}`),
  );
  await using client = new PinnedClient({ origin: `http://127.0.0.1:${server.addr.port}`, trust: "none" });
  equal(await (await client.fetch("/", { method: "POST", body: "x" })).text(), "POST x");
  deepEqual(client.presented, []);
});

Deno.test("PinnedClient shows what the server presented", async () => {
  await using w = world(() => new Response("hello"));
  deepEqual(w.client.presented, []);
  await (await w.client.fetch("/")).text();
  deepEqual(w.client.presented, [certificate.der]);
});

Deno.test("pinnedFetch() is a fetch for one origin", async () => {
  await using w = world(() => new Response("hello"));
  const fetch = pinnedFetch({ origin: w.origin, trust: { ca: ca.pem }, keepAlive: false });
  equal(await (await fetch("/x")).text(), "hello");
  await rejects(() => fetch("https://example.com/"), TypeError);
});

/** A proxy that tells what it was asked. */
async function startProxy(answer?: string) {
  const asked: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on("error", () => {}));
    socket.once("data", (chunk: Uint8Array) => {
      const head = new TextDecoder().decode(chunk);
      asked.push(head);
      if (answer !== undefined) return void socket.write(answer);
      const [, host, port] = /(?:CONNECT |http:\/\/)([^:/ ]+):(\d+)/.exec(head)!;
      const back = connect(Number(port), host!.replace(/\.$/, ""), () => {
        if (head.startsWith("CONNECT")) socket.write("HTTP/1.1 200 OK\r\n\r\n");
        else back.write(chunk);
        socket.pipe(back).pipe(socket);
      });
      open.add(back.on("error", () => {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://user:p%40ss@127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("PinnedClient goes through the proxy it is given, which learns the name of the server alone", async () => {
  await using proxy = await startProxy();
  await using w = world(() => new Response("hello"), { proxy: proxy.url });
  const headers = { authorization: "Bearer canary" };
  for (let i = 0; i < 2; i++) equal(await (await w.client.fetch("/secret", { headers })).text(), "hello");
  equal(proxy.asked.length, 1);
  const { host } = new URL(w.origin);
  equal(
    proxy.asked[0],
    `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Basic ${btoa("user:p@ss")}\r\n\r\n`,
  );
});

Deno.test("PinnedClient believes a proxy as little as anybody else", async () => {
  const other = await forgeCa("other");
  const { pem, keyPem } = await forgeServer(other);
  await using attacker = await startHostileServer({ cert: pem, key: keyPem });
  await using proxy = await startProxy();
  await using client = clientOf(`https://localhost:${attacker.port}`, { proxy: proxy.url });
  await rejects(() => client.fetch("/", { headers: { authorization: "canary" } }), { code: "unknown_ca" });
  equal(attacker.received(), "");
});

Deno.test("PinnedClient asks a proxy for plain HTTP by the whole URL", async () => {
  await using proxy = await startProxy();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("plain"));
  const origin = `http://127.0.0.1:${server.addr.port}`;
  await using client = new PinnedClient({ origin, trust: "none", proxy: proxy.url });
  equal(await (await client.fetch("/x?y")).text(), "plain");
  match(proxy.asked[0]!, new RegExp(`^GET ${origin}/x\\?y HTTP/1.1\r\n`));
  match(proxy.asked[0]!, /proxy-authorization: Basic /i);
});

for (
  const answer of [
    "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nearly bytes",
    "nonsense\r\n\r\n",
    `HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`,
  ]
) {
  Deno.test(`PinnedClient refuses a proxy that answers ${JSON.stringify(answer.slice(0, 30))}`, async () => {
    await using proxy = await startProxy(answer);
    await using client = clientOf("https://localhost:1", { proxy: proxy.url });
    const error = await client.fetch("/").then(() => undefined, (error) => error);
    equal(error?.code, "proxy_refused");
    ok(!error.message.includes("p@ss"));
  });
}

Deno.test("PinnedClient says that the proxy is down, not the server", async () => {
  await using client = clientOf("https://localhost:6443", { proxy: "http://127.0.0.1:1" });
  await rejects(() => client.fetch("/"), { code: "refused", message: /the proxy 127\.0\.0\.1:1/ });
  await using plain = clientOf("http://localhost:6443", { proxy: "http://127.0.0.1:1", trust: "none" });
  await rejects(() => plain.fetch("/"), { code: "refused", message: /the proxy 127\.0\.0\.1:1/ });
});
