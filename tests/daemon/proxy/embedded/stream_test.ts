import { deepEqual, equal, match, ok as truthy } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { call, certificate, ok, site, startCore, startRawUpstream, startUpstream } from "./support.ts";

const KEEP = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("ProxyCore passes server-sent events on as they come", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<(text: string) => void>();
  await using upstream = await startUpstream((_head, socket) => {
    resolve((event) => socket.write(`${event.length.toString(16)}\r\n${event}\r\n`));
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  });
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send(KEEP);
  const emit = await asked;
  await caller.until(/text\/event-stream/);
  for (const name of ["one", "two", "three"]) {
    emit(`data: ${name}\n\n`);
    await caller.until(new RegExp(`data: ${name}\n\n\r\n$`));
  }
});

Deno.test("ProxyCore lets an upstream know that its visitor is gone", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using upstream = await startRawUpstream((socket) => {
    socket.on("close", () => resolve()).resume();
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
  });
  await using proxy = await startCore([site("a", [upstream.address])]);
  {
    using caller = await call(proxy.http);
    caller.send(KEEP);
    await caller.until(/x\r\n$/);
  }
  await gone;
});

Deno.test("ProxyCore still answers a visitor that has closed its own side", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<() => void>();
  await using upstream = await startUpstream((_head, socket) => {
    resolve(() => socket.write(ok("hello")));
    return "";
  });
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send(KEEP);
  caller.socket.end();
  const answer = await asked;
  answer();
  match(await caller.ended(), /hello$/);
});

Deno.test("ProxyCore streams bodies both ways at once, chunked and by length, over TLS", async () => {
  // Echoes while it receives: the response begins before the request ends
  const server = createServer((request, response) => {
    response.writeHead(200);
    request.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const a = await certificate("a", ["a"]);
  await using proxy = await startCore(
    [site("a", [{ host: "127.0.0.1", port: (server.address() as { port: number }).port }], {
      tls: { certificateId: "a" },
    })],
    { certificates: [a] },
  );
  for (const isChunked of [true, false]) {
    using caller = await call(proxy.https, { serverName: "a" });
    const content = Buffer.alloc(3_000_000, "0123456789abcdef!");
    caller.send(
      `POST / HTTP/1.1\r\nHost: a\r\n${
        isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${content.length}`
      }\r\nConnection: close\r\n\r\n`,
    );
    for (let at = 0; at < content.length; at += 70_001) {
      const part = content.subarray(at, at + 70_001);
      if (isChunked) caller.send(`${part.length.toString(16)}\r\n`);
      caller.socket.write(part);
      if (isChunked) caller.send("\r\n");
    }
    if (isChunked) caller.send("0\r\n\r\n");
    const text = await caller.ended();
    const body = text.slice(text.indexOf("\r\n\r\n") + 4);
    let decoded = "";
    for (let at = 0;;) {
      const end = body.indexOf("\r\n", at);
      const size = parseInt(body.slice(at, end), 16);
      if (size === 0) break;
      decoded += body.slice(end + 2, end + 2 + size);
      at = end + 4 + size;
    }
    const hash = (data: Buffer) => createHash("sha256").update(data).digest("hex");
    equal(hash(Buffer.from(decoded, "latin1")), hash(content));
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("ProxyCore holds an upstream back while its visitor reads nothing, and goes on afterwards", async () => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  await using upstream = await startRawUpstream((socket) => {
    socket.once("data", () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
      const block = Buffer.alloc(65_536);
      const more = () => {
        while (written < total) {
          written += block.length;
          if (!socket.write(block)) return void socket.once("drain", more);
        }
      };
      more();
    });
  });
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  let received = 0;
  caller.socket.removeAllListeners("data");
  caller.socket.pause();
  caller.send(KEEP);
  // It has stopped when nothing moves for a while
  for (let before = -1; before !== written || written === 0;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  truthy(written < total / 2, `${written} of ${total} bytes were taken for a visitor that reads nothing`);
  const { promise: all, resolve } = Promise.withResolvers<void>();
  caller.socket.on("data", (bytes: Buffer) => (received += bytes.length) >= total && resolve());
  caller.socket.resume();
  await all;
});

Deno.test("ProxyCore holds a visitor back while the upstream reads nothing, and goes on afterwards", async () => {
  const total = 64 * 1024 * 1024;
  const { promise: paused, resolve } = Promise.withResolvers<() => void>();
  let received = 0;
  await using upstream = await startRawUpstream((socket) => {
    socket.once("data", () => {
      socket.pause();
      resolve(() => socket.resume());
      socket.on("data", (bytes: Buffer) => {
        received += bytes.length;
        if (received >= total - 1024) socket.end(ok("done"));
      });
    });
  });
  await using proxy = await startCore([site("a", [upstream.address])]);
  using caller = await call(proxy.http);
  caller.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
  const go = await paused;
  let sent = 0;
  const block = Buffer.alloc(65_536);
  const more = () => {
    while (sent < total) {
      sent += block.length;
      if (!caller.socket.write(block)) return void caller.socket.once("drain", more);
    }
  };
  more();
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  truthy(sent < total / 2, `${sent} of ${total} bytes were taken for an upstream that reads nothing`);
  go();
  await caller.until(/done$/);
});

Deno.test("ProxyCore gives up on a visitor that takes nothing of its response", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using upstream = await startRawUpstream((socket) => {
    socket.on("close", () => resolve()).resume();
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n");
    const block = Buffer.alloc(65_536);
    const more = () => {
      while (socket.writable && socket.write(block));
    };
    socket.on("drain", more);
    more();
  });
  await using proxy = await startCore([site("a", [upstream.address])], { limits: { bodyMs: 100 } });
  using caller = await call(proxy.http);
  caller.socket.pause();
  caller.send(KEEP);
  await gone;
});

Deno.test("ProxyCore tunnels WebSocket over TLS, both ways, large and small, until either side leaves", async () => {
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => sockets.once("listening", resolve));
  const hosts: (string | undefined)[] = [];
  sockets.on("connection", (socket, request) => {
    hosts.push(request.headers["x-forwarded-proto"] as string);
    socket.send("welcome"); // with the 101, in one packet
    socket.on("message", (data, isBinary) => {
      if (!isBinary && String(data) === "leave") socket.close(4000, "as you wish");
      else socket.send(data, { binary: isBinary });
    });
  });
  const a = await certificate("a", ["a.test"]);
  const address = { host: "127.0.0.1", port: (sockets.address() as { port: number }).port };
  await using proxy = await startCore([site("a.test", [address], { tls: { certificateId: "a" } })], {
    certificates: [a],
  });
  const options = { servername: "a.test", headers: { Host: "a.test" }, rejectUnauthorized: false };
  const socket = new WebSocket(`wss://127.0.0.1:${proxy.https}/chat`, options);
  const received: string[] = [];
  let wake = () => {};
  socket.on("message", (data: Buffer) => {
    received.push(data.length > 100 ? String(data.length) : String(data));
    wake();
  });
  const until = async (count: number) => {
    while (received.length < count) await new Promise<void>((resolve) => wake = resolve);
  };
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.send("hello");
  socket.send(new Uint8Array(2_000_000));
  await until(3);
  deepEqual(received, ["welcome", "hello", "2000000"]);
  deepEqual(hosts, ["https"]);
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.send("leave");
  equal(await closed, 4000);
  await new Promise((resolve) => sockets.close(resolve));
});

Deno.test("ProxyCore passes on that an upstream wants no WebSocket, and closes those of a site that is gone", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using upstream = await startUpstream((head, socket) => {
    socket.on("close", () => head.includes("/yes") && resolve());
    return head.includes("/yes")
      ? "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
      : "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
  });
  await using proxy = await startCore([site("a", [upstream.address]), site("b", [])]);
  using caller = await call(proxy.http);
  const handshake = "GET /no HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
  caller.send(handshake);
  await caller.until(/403 Forbidden[\s\S]*no$/);
  caller.send(handshake.replace("/no", "/yes"));
  await caller.until(/101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
  await proxy.change({ dropDomains: ["a"] });
  await caller.ended();
  await gone;
});
