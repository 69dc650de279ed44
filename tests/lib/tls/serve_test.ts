import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import net from "node:net";
import tls from "node:tls";
import { buildClientTlsOptions, fetchTls, type ServeInfo, serveTls, type TlsServer } from "@helyos/tls";
import { lacking, tool } from "../../support/tools.ts";
import { type Stage, stage, until } from "./support.ts";

/** Sends raw bytes over mutual TLS and collects what comes until the connection ends. */
async function raw(it: Stage, text: string, o: { keepOpenMs?: number } = {}): Promise<string> {
  const options = await buildClientTlsOptions(it.clientConfig);
  return await new Promise((resolve) => {
    const socket = tls.connect({ ...options, host: "127.0.0.1", servername: "localhost", port: it.server.addr.port });
    let received = "";
    socket.on("secureConnect", () => socket.write(text));
    socket.on("data", (chunk: Uint8Array) => received += new TextDecoder("latin1").decode(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(received));
    if (o.keepOpenMs !== undefined) setTimeout(() => socket.destroy(), o.keepOpenMs);
  });
}

Deno.test("serveTls() refuses to start with an aborted signal, without a configuration, or on a port in use", async () => {
  await using it = await stage();
  const { serverConfig: config } = it;
  const reason = new Error("changed my mind");
  await rejects(serveTls(() => new Response(), { config, port: 0, signal: AbortSignal.abort(reason) }), reason);
  await rejects(serveTls(() => new Response(), { config: [], port: 0 }), TypeError);
  await rejects(serveTls(() => new Response(), {} as never), TypeError);
  await rejects(
    serveTls(() => new Response(), { config, port: it.server.addr.port, hostname: "127.0.0.1" }),
    { code: "EADDRINUSE" },
  );
});

Deno.test("serveTls() answers 400 to requests without exactly one valid host, and calls no handler", async () => {
  await using it = await stage();
  const requests = [
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: user@a\r\nConnection: close\r\n\r\n",
    "GET http://plain/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  ];
  for (const request of requests) ok((await raw(it, request)).startsWith("HTTP/1.1 400 "), request);
  ok((await raw(it, "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).startsWith("HTTP/1.1 501 "));
  equal(it.calls(), 0);
});

Deno.test("serveTls() drops what could be read in two ways", async () => {
  await using it = await stage();
  const requests = [
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\n\n",
    "GET relative HTTP/1.1\r\nHost: a\r\n\r\n",
  ];
  for (const request of requests) ok(!(await raw(it, request, { keepOpenMs: 2000 })).includes(" 200 "), request);
  equal(it.calls(), 0);
});

Deno.test("serveTls() bounds head, body and time of a request, and the time of a handshake", async () => {
  await using it = await stage(async (request) => new Response(await request.text()), {
    limits: {
      maxHeaderBytes: 2048,
      maxBodyBytes: 10,
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      handshakeTimeoutMs: 300,
      keepAliveTimeoutMs: 300,
    },
    onError: () => new Response(null, { status: 500 }),
  });
  ok((await raw(it, `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(4000)}\r\n\r\n`)).startsWith("HTTP/1.1 431 "));
  ok((await raw(it, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901")).startsWith("HTTP/1.1 413 "));
  const chunked =
    "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n";
  ok((await raw(it, chunked)).startsWith("HTTP/1.1 500 "));
  equal(it.calls(), 1);
  ok((await raw(it, "GET / HTTP/1.1\r\nHost: a\r\n")).startsWith("HTTP/1.1 408 "));
  equal(it.calls(), 1);
  await raw(it, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  // A client that never begins its handshake, and one that idles after its request.
  await new Promise<void>((resolve) => {
    net.connect(it.server.addr.port, "127.0.0.1").on("error", () => {}).on("close", () => resolve()).resume();
  });
  ok((await raw(it, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).startsWith("HTTP/1.1 200 "));
});

Deno.test("serveTls() answers 500 when a handler fails, and goes on", async () => {
  const errors: unknown[] = [];
  const failures: Record<string, () => Response | Promise<Response>> = {
    "/throws": () => {
      throw new Error("thrown");
    },
    "/rejects": () => Promise.reject(new Error("rejected")),
    "/nothing": () => undefined as never,
    "/error": () => Response.error(),
    "/body": () => new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("body")) })),
  };
  await using it = await stage(
    (request) => (failures[new URL(request.url).pathname] ?? (() => new Response("fine")))(),
    {
      onError: (error) => {
        errors.push(error);
        return new Response("sorry", { status: 500 });
      },
    },
  );
  await using fetch = await fetchTls(it.clientConfig);
  for (const path of Object.keys(failures)) {
    const response = await fetch(new URL(path, it.url));
    deepEqual([response.status, await response.text()], [500, "sorry"], path);
  }
  equal(errors.length, 5);
  equal(await (await fetch(it.url)).text(), "fine");
});

Deno.test("serveTls() breaks the connection when a body fails half-way, so that nobody takes it for whole", async () => {
  await using it = await stage(() => {
    let chunks = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (chunks++ < 3) controller.enqueue(new TextEncoder().encode("part"));
          else controller.error(new Error("half-way"));
        },
      }),
    );
  }, { onError: () => new Response() });
  await using fetch = await fetchTls(it.clientConfig);
  const response = await fetch(it.url);
  equal(response.status, 200);
  await rejects(response.text(), { code: "closed" });
});

Deno.test("serveTls() gives a request that works like any other", async () => {
  await using it = await stage(async (request, info) => {
    const { pathname } = new URL(request.url);
    ok(request instanceof Request);
    if (pathname === "/copy") {
      const copy = new Request(request, { headers: { "x-copied": "yes" } });
      return Response.json({ method: copy.method, url: copy.url, text: await copy.text(), own: request.bodyUsed });
    }
    if (pathname === "/clone") return new Response(`${await request.clone().text()} ${await request.text()}`);
    if (pathname === "/json") return Response.json(await request.json());
    if (pathname === "/form") return new Response((await request.formData()).get("field") as string);
    return Response.json({
      method: request.method,
      url: request.url,
      header: request.headers.get("x-test"),
      mode: typeof request.mode,
      aborted: request.signal.aborted,
      body: request.body === null,
      remote: info.remoteAddr.hostname,
      protocol: info.protocol,
      server: info.serverName,
      frozen: Object.isFrozen(info),
    });
  });
  await using fetch = await fetchTls(it.clientConfig);
  const post = (path: string, body: BodyInit) => fetch(new URL(path, it.url), { method: "POST", body });
  deepEqual(await (await fetch(`${it.url}a%20b/../c?d=e`, { headers: { "x-test": "ä, b" } })).json(), {
    method: "GET",
    url: `${it.url}c?d=e`,
    header: "ä, b",
    mode: "string",
    aborted: false,
    body: true,
    remote: "127.0.0.1",
    protocol: "TLSv1.3",
    server: "localhost",
    frozen: true,
  });
  deepEqual(await (await post("/copy", "text")).json(), {
    method: "POST",
    url: `${it.url}copy`,
    text: "text",
    own: true,
  });
  equal(await (await post("/clone", "twice")).text(), "twice twice");
  deepEqual(await (await post("/json", '{"a":1}')).json(), { a: 1 });
  const form = new FormData();
  form.set("field", "value");
  equal(await (await post("/form", form)).text(), "value");
});

Deno.test("serveTls() takes an absolute request target and OPTIONS *", async () => {
  await using it = await stage((request) => new Response(request.url));
  const answer = (request: string) => raw(it, `${request} HTTP/1.1\r\nHost: ignored\r\nConnection: close\r\n\r\n`);
  ok((await answer("GET https://named:1/x?y")).endsWith("https://named:1/x?y"));
  ok((await answer("OPTIONS *")).endsWith("https://ignored/*"));
  ok((await answer("GET //other/x")).endsWith("https://ignored//other/x"));
});

Deno.test("serveTls() sends status, headers and bodies as the response has them", async () => {
  const responses: Record<string, () => Response> = {
    "/null": () => new Response(null, { status: 201, statusText: "Made" }),
    "/empty": () => new Response(""),
    "/204": () => new Response(null, { status: 204 }),
    "/cookies": () => new Response("x", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-a", "1"]] }),
    "/length": () => new Response("12345", { headers: { "content-length": "5" } }),
    "/bytes": () => new Response(new Uint8Array(100_000).fill(7)),
  };
  await using it = await stage((request) => responses[new URL(request.url).pathname]!());
  await using fetch = await fetchTls(it.clientConfig);
  const get = (path: string, init?: RequestInit) => fetch(new URL(path, it.url), init);
  const made = await get("/null");
  deepEqual([made.status, made.statusText, made.headers.get("content-length")], [201, "Made", "0"]);
  equal((await get("/empty")).headers.get("content-length"), "0");
  deepEqual([(await get("/204")).status, (await get("/204")).body], [204, null]);
  const cookies = await get("/cookies");
  deepEqual(cookies.headers.getSetCookie(), ["a=1", "b=2"]);
  deepEqual([cookies.headers.get("content-length"), cookies.headers.get("content-type")], [
    "1",
    "text/plain;charset=UTF-8",
  ]);
  const head = await get("/length", { method: "HEAD" });
  deepEqual([head.headers.get("content-length"), await head.text()], ["5", ""]);
  equal((await (await get("/bytes")).bytes()).length, 100_000);
});

Deno.test("serveTls() streams both ways at once", async () => {
  await using it = await stage((request) => new Response(request.body));
  await using fetch = await fetchTls(it.clientConfig);

  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const answer = fetch(it.url, { method: "POST", body: readable, duplex: "half" } as RequestInit);
  void writer.write(new TextEncoder().encode("one"));
  const response = await answer;
  const reader = response.body!.getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  equal(await next(), "one");
  void writer.write(new TextEncoder().encode("two"));
  equal(await next(), "two");
  await writer.close();
  equal((await reader.read()).done, true);
});

Deno.test({
  name: "serveTls() keeps pace with a client that reads slowly",
  ignore: lacking("python3"),
  async fn() {
    let produced = 0;
    const chunk = new Uint8Array(65_536);
    await using it = await stage(() =>
      new Response(
        new ReadableStream({
          pull(controller) {
            produced += chunk.byteLength;
            if (produced > 1e9) controller.close();
            else controller.enqueue(chunk);
          },
        }, { highWaterMark: 0 }),
      )
    );
    const script = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.load_cert_chain(sys.argv[2], sys.argv[3])
client = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[4]))), server_hostname="localhost")
client.send(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
sys.stdin.read()
`;
    const { certificatePath, privateKeyPath } = it.clientConfig;
    const client = new Deno.Command(tool("python3"), {
      args: ["-c", script, it.ca.path, certificatePath!, privateKeyPath!, String(it.server.addr.port)],
      stdin: "piped",
    }).spawn();
    let last = -1;
    await until("nothing more is produced", async () => {
      const before = last;
      last = produced;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return last > 0 && before === produced;
    });
    ok(produced < 50e6, `produced ${produced} bytes for nobody`);
    await client.stdin.close();
    await client.status;
  },
});

Deno.test({
  name: "serveTls() holds up a client that sends more than its handler reads",
  ignore: lacking("python3"),
  async fn() {
    const release = Promise.withResolvers<void>();
    await using it = await stage(async (request) => {
      await release.promise;
      let total = 0;
      for await (const chunk of request.body!) total += chunk.byteLength;
      return new Response(String(total));
    });
    const script = `
import http.client, socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.load_cert_chain(sys.argv[2], sys.argv[3])
client = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[4]))), server_hostname="localhost")
total, sent = 100_000_000, 0
client.send(b"PUT / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % total)
chunk = bytes(65536)
client.settimeout(1)
try:
  while sent < total: sent += client.send(chunk[:total - sent])
except TimeoutError: pass
print(sent, flush=True)
client.settimeout(20)
while sent < total: sent += client.send(chunk[:total - sent])
response = http.client.HTTPResponse(client)
response.begin()
print(response.read().decode(), flush=True)
`;
    const { certificatePath, privateKeyPath } = it.clientConfig;
    const client = new Deno.Command(tool("python3"), {
      args: ["-c", script, it.ca.path, certificatePath!, privateKeyPath!, String(it.server.addr.port)],
      stdout: "piped",
    }).spawn();
    const output = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    // A line may come in pieces.
    const nextLine = async () => {
      while (!said.includes("\n")) {
        const { value, done } = await output.read();
        if (done) throw new Error(`the client ended after "${said}"`);
        said += value;
      }
      const [line = "", ...rest] = said.split("\n");
      said = rest.join("\n");
      return line;
    };
    const held = Number(await nextLine());
    ok(held < 20e6, `${held} bytes were taken for nobody`);
    release.resolve();
    equal(await nextLine(), "100000000");
    await output.cancel();
    await client.status;
  },
});

Deno.test("serveTls() aborts the request's signal and cancels the body when the client leaves", async () => {
  let aborted = false;
  let cancelled = false;
  await using it = await stage((request) => {
    request.signal.addEventListener("abort", () => aborted = true);
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: () => void (cancelled = true),
      }),
    );
  });
  await using fetch = await fetchTls(it.clientConfig);
  const controller = new AbortController();
  const response = await fetch(it.url, { signal: controller.signal });
  const read = response.text();
  controller.abort();
  await rejects(read);
  await until("the handler noticed", () => aborted && cancelled);
});

Deno.test("a server shuts down when its signal is aborted: running requests finish, idle connections close", async () => {
  const controller = new AbortController();
  const release = Promise.withResolvers<void>();
  let listening: unknown;
  await using it = await stage(async (request) => {
    if (request.url.endsWith("/slow")) await release.promise;
    return new Response("done");
  }, { signal: controller.signal, onListen: (address) => listening = address });
  deepEqual(listening, it.server.addr);
  await using fetch = await fetchTls(it.clientConfig);
  equal(await (await fetch(it.url)).text(), "done");
  const slow = fetch(new URL("/slow", it.url));
  await until("the request runs", () => it.calls() === 2);
  controller.abort();
  await rejects(connect(it.server), { code: "ECONNREFUSED" });
  release.resolve();
  const response = await slow;
  equal(await response.text(), "done");
  equal(response.headers.get("connection"), "close");
  await it.server.finished;
});

function connect(server: TlsServer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.addr.port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });
}

Deno.test("a server that shuts down does not wait longer than it was told", async () => {
  await using it = await stage(() => new Promise<Response>(() => {}), { limits: { shutdownTimeoutMs: 100 } });
  await using fetch = await fetchTls(it.clientConfig);
  const hanging = fetch(it.url);
  await until("the request runs", () => it.calls() === 1);
  await Promise.all([it.server.shutdown(), it.server.shutdown(), rejects(hanging, { code: "closed" })]);
});

Deno.test("serveTls() is reached by name and by either kind of address, in TLS 1.3", async () => {
  await using it = await stage((_, info) => new Response(info.protocol), { hostname: "::" });
  await using fetch = await fetchTls(it.clientConfig);
  for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
    equal(await (await fetch(`https://${host}:${it.server.addr.port}/`)).text(), "TLSv1.3", host);
  }
});

Deno.test("serveTls() takes no more connections than it may", async () => {
  await using it = await stage(undefined, { limits: { maxConnections: 2 } });
  const open = () => net.connect(it.server.addr.port, "127.0.0.1").on("error", () => {});
  const held = [open(), open()];
  await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  await new Promise<void>((resolve) => open().on("close", () => resolve()).resume());
  for (const socket of held) socket.destroy();
  await using fetch = await fetchTls(it.clientConfig);
  await until("there is room again", () => fetch(it.url).then((response) => response.ok, () => false));
});

Deno.test("serveTls() gives nothing to a client that speaks no TLS", async () => {
  await using it = await stage();
  const received = await new Promise<string>((resolve) => {
    let text = "";
    const socket = net.connect(
      it.server.addr.port,
      "127.0.0.1",
      () => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    socket.on("data", (chunk: Uint8Array) => text += new TextDecoder("latin1").decode(chunk));
    socket.on("error", () => {}).on("close", () => resolve(text));
  });
  ok(!received.includes("HTTP/"), received);
  equal(it.calls(), 0);
});

Deno.test("serveTls() without a CA serves everyone, and authenticates nobody", async () => {
  const infos: ServeInfo[] = [];
  await using it = await stage();
  await using server = await serveTls((_, info) => {
    infos.push(info);
    return new Response();
  }, { config: it.serverConfig.with({ caCertificatesPath: undefined }), port: 0, hostname: "127.0.0.1" });
  equal(server.isMutual, false);
  equal(it.server.isMutual, true);
  // With a certificate in hand it is still not asked for.
  await using fetch = await fetchTls(it.clientConfig);
  equal((await fetch(`https://localhost:${server.addr.port}/`)).status, 200);
  deepEqual([infos[0]!.peer, infos[0]!.principal], [null, null]);
});
