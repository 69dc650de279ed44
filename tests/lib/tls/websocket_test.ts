import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import tls from "node:tls";
import {
  buildClientTlsOptions,
  certAuthenticator,
  connectWebSocket,
  type Handler,
  TlsConfig,
  upgradeWebSocket,
  withCertAuth,
  type WsConnection,
} from "@helyos/tls";
import { type Stage, stage, until } from "./support.ts";

const sockets: WsConnection[] = [];

const echo: Handler = (request) => {
  const { socket, response } = upgradeWebSocket(request, { protocols: ["haystack", "other"], maxMessageBytes: 1000 });
  sockets.push(socket);
  (async () => {
    for await (const message of socket) await socket.send(message);
  })();
  return response;
};

const wss = (it: Stage, path = "") => `${it.url.replace("https", "wss")}${path}`;

Deno.test("connectWebSocket() never ignores TLS settings", async () => {
  const tls = new TlsConfig({ caCertificatesPath: "ca.pem" });
  await rejects(connectWebSocket("ws://localhost/", { tls }), TypeError);
  await rejects(connectWebSocket("ws://localhost/", { tls: new TlsConfig() }), TypeError);
  await rejects(connectWebSocket("wss://localhost/"), TypeError);
  await rejects(connectWebSocket("https://localhost/", { tls }), TypeError);
  await rejects(connectWebSocket("ws://example.com/", { authToken: "t" }), TypeError);
  await rejects(connectWebSocket("wss://localhost/#x", { tls }), TypeError);
});

Deno.test("a WebSocket of a client that is not allowed is refused before the upgrade", async () => {
  let upgraded = 0;
  const guarded = withCertAuth((request, info) => {
    upgraded++;
    return echo(request, info);
  }, certAuthenticator({ allowedCns: ["somebody-else"] }));
  await using it = await stage(guarded);
  await rejects(connectWebSocket(wss(it), { tls: it.clientConfig }), { code: "upgrade_refused", status: 403 });
  equal(upgraded, 0);
});

Deno.test("a WebSocket of an allowed client echoes, both ends knowing each other", async () => {
  let seen: string | null | undefined;
  const guarded = withCertAuth((request, info) => {
    seen = info.principal;
    return echo(request, info);
  }, certAuthenticator({ allowedCns: ["client-01"] }));
  await using it = await stage(guarded);
  const socket = await connectWebSocket(wss(it), { tls: it.clientConfig, protocols: ["unknown", "other"] });
  equal(seen, "client-01");
  equal(socket.protocol, "other");
  equal(socket.peer?.identity.commonName, "localhost");
  equal(sockets.at(-1)?.peer?.identity.commonName, "client-01");
  await socket.send("text ✓");
  await socket.send(new Uint8Array([1, 2, 3]));
  equal(await socket.receive(), "text ✓");
  deepEqual(await socket.receive(), new Uint8Array([1, 2, 3]));
  deepEqual(await socket.close(1000, "bye"), { code: 1000, reason: "bye" });
  equal(await socket.receive(), undefined);
  await rejects(socket.send("late"), { code: "closed" });
});

Deno.test("connectWebSocket() sends the token as the first message, and no header", async () => {
  let header: string | null = "";
  await using it = await stage((request, info) => {
    header = request.headers.get("authorization");
    return echo(request, info);
  });
  await using socket = await connectWebSocket(wss(it), { tls: it.clientConfig, authToken: "secret" });
  equal(await socket.receive(), '{"authToken":"secret"}');
  equal(header, null);
});

Deno.test("connectWebSocket() says why it could not connect, and gives up when told", async () => {
  await using it = await stage(
    (request) => request.url.endsWith("/hang") ? new Promise<Response>(() => {}) : new Response("no", { status: 404 }),
    { limits: { shutdownTimeoutMs: 50 } },
  );
  const options = { tls: it.clientConfig };
  await rejects(connectWebSocket(wss(it), options), { code: "upgrade_refused", status: 404 });
  await rejects(connectWebSocket(wss(it, "hang"), { ...options, timeoutMs: 200 }), { code: "timeout" });
  await rejects(connectWebSocket("wss://localhost:1/", options), { code: "unreachable" });
  await rejects(connectWebSocket(wss(it).replace("localhost", "127.0.0.2"), options));
  const reason = new Error("enough");
  await rejects(connectWebSocket(wss(it), { ...options, signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  await rejects(connectWebSocket(wss(it, "hang"), { ...options, signal: controller.signal }), reason);
});

Deno.test("a page of another origin may not open a WebSocket, unless it is named", async () => {
  await using it = await stage(echo, { webSocketOrigins: ["https://app.test"] });
  const open = (origin: string) => connectWebSocket(wss(it), { tls: it.clientConfig, headers: { origin } });
  for (const origin of ["https://evil.test", "null", "http://localhost", "https://app.test.evil.test"]) {
    await rejects(open(origin), { code: "upgrade_refused", status: 403 }, origin);
  }
  equal(it.calls(), 0);
  for (const origin of [new URL(it.url).origin, "https://app.test"]) await (await open(origin)).close();
});

Deno.test("a message that is too long ends the connection with 1009", async () => {
  await using it = await stage(echo);
  const socket = await connectWebSocket(wss(it), { tls: it.clientConfig });
  await socket.send("x".repeat(1001));
  equal((await socket.closed).code, 1009);
});

Deno.test("upgradeWebSocket() works once, for requests that ask for it", async () => {
  const errors: string[] = [];
  await using it = await stage((request) => {
    if (request.headers.has("upgrade")) {
      const { response } = upgradeWebSocket(request);
      try {
        upgradeWebSocket(request);
      } catch (error) {
        errors.push((error as Error).name);
      }
      return response;
    }
    return upgradeWebSocket(request).response;
  }, { onError: (error) => new Response((error as Error).name, { status: 500 }) });
  await (await connectWebSocket(wss(it), { tls: it.clientConfig })).close();
  deepEqual(errors, ["TypeError"]);
});

Deno.test("a handshake that is malformed is answered, and never upgraded", async () => {
  await using it = await stage(echo, { onError: () => new Response() });
  const options = await buildClientTlsOptions(it.clientConfig);
  const ask = (head: string) =>
    new Promise<string>((resolve) => {
      let text = "";
      const socket = tls.connect(
        { ...options, host: "127.0.0.1", servername: "localhost", port: it.server.addr.port },
        () => socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n${head}\r\n\r\n`),
      );
      socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
      socket.on("error", () => {});
      socket.on("close", () => resolve(text));
    });
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  for (
    const head of [
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13",
      `Upgrade: websocket\r\nSec-WebSocket-Version: 1\r\n${key}`,
      `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short`,
    ]
  ) ok(/^HTTP\/1.1 4\d\d /.test(await ask(head)), head);
  ok(!(await ask(`Upgrade: h2c\r\n${key}`)).includes(" 101 "));
});

Deno.test("a handler that fails after the upgrade closes the connection with 1011", async () => {
  await using it = await stage((request) => {
    upgradeWebSocket(request);
    throw new Error("after");
  }, { onError: () => new Response() });
  const socket = await connectWebSocket(wss(it), { tls: it.clientConfig });
  equal((await socket.closed).code, 1011);
});

Deno.test("WebSockets are told when the server shuts down", async () => {
  await using it = await stage(echo);
  const socket = await connectWebSocket(wss(it), { tls: it.clientConfig });
  await it.server.shutdown();
  equal((await socket.closed).code, 1001);
});

Deno.test("a WebSocket whose messages nobody receives holds the sender up", async () => {
  let own: WsConnection | undefined;
  await using it = await stage((request) => {
    const { socket, response } = upgradeWebSocket(request);
    own = socket;
    return response;
  });
  const socket = await connectWebSocket(wss(it), { tls: it.clientConfig });
  const total = 500;
  const sending = (async () => {
    for (let i = 0; i < total; i++) await socket.send(`message ${i}`);
  })();
  await until("the server has the connection", () => own !== undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (let i = 0; i < total; i++) equal(await own!.receive(), `message ${i}`);
  await sending;
  await socket.close();
});

Deno.test("connectWebSocket() speaks ws in the clear when no TLS is asked for", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = (event) => socket.send(event.data);
    return response;
  });
  const socket = await connectWebSocket(`ws://127.0.0.1:${server.addr.port}/`, { authToken: "t" });
  equal(await socket.receive(), '{"authToken":"t"}');
  equal(socket.peer, null);
  await socket.close();
  await server.shutdown();
});
