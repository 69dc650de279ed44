import { deepEqual, equal, match, ok as truthy } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { Address } from "../../../../daemon/proxy/backend.ts";
import type { Limits } from "../../../../daemon/proxy/embedded/limits.ts";
import { call, certificate, ok, site, startCore, startRawUpstream, startUpstream } from "./support.ts";

const KEEP = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A proxy that serves `a` over both. */
async function startSecureCore(upstream: Address, limits: Partial<Limits> = {}) {
  return await startCore([site("a", [upstream], { tls: { certificateId: "a" } })], {
    certificates: [await certificate("a", ["a"])],
    limits,
  });
}

/** Waits until a number stays the same for a while: whatever moves it has stopped. */
async function still(read: () => number): Promise<void> {
  for (let before = -1, same = 0; same < 3;) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    same = read() === before && before > 0 ? same + 1 : 0;
    before = read();
  }
}

/** A wire to the proxy whose near end can stop taking bytes, or be slow: a TLS socket of this process could be neither. */
async function startRelay(port: number) {
  const links = new Set<Socket>();
  let pauseMs = 0;
  let isHeld = false;
  const server = createTcpServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    links.add(far);
    if (isHeld) far.pause();
    far.on("data", (bytes: Buffer) => {
      near.write(bytes);
      if (pauseMs === 0) return;
      far.pause();
      setTimeout(() => far.resume(), pauseMs);
    });
    far.on("end", () => near.end());
    far.on("close", () => near.destroy());
    near.pipe(far);
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    hold() {
      isHeld = true;
      for (const far of links) far.pause();
    },
    release: () => links.forEach((far) => far.resume()),
    /** From now on it rests after every piece. */
    slow: (ms: number) => void (pauseMs = ms),
    async [Symbol.asyncDispose]() {
      for (const far of links) far.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

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

for (const secure of [false, true]) {
  const how = secure ? "TLS" : "TCP";

  Deno.test(`ProxyCore holds a visitor back over ${how} while the upstream reads nothing, and goes on afterwards`, async () => {
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
    await using proxy = await startSecureCore(upstream.address);
    using caller = await (secure ? call(proxy.https, { serverName: "a" }) : call(proxy.http));
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
    await still(() => sent);
    truthy(sent < total / 2, `${sent} of ${total} bytes were taken for an upstream that reads nothing`);
    go();
    await caller.until(/done$/);
  });

  Deno.test(`ProxyCore holds an upstream back over ${how} while its visitor reads nothing, and goes on afterwards`, async () => {
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
    await using proxy = await startSecureCore(upstream.address);
    await using relay = await startRelay(secure ? proxy.https : proxy.http);
    using caller = await (secure ? call(relay.port, { serverName: "a" }) : call(relay.port));
    let received = 0;
    const { promise: all, resolve } = Promise.withResolvers<void>();
    caller.socket.removeAllListeners("data");
    caller.socket.on("data", (bytes: Buffer) => (received += bytes.length) >= total && resolve());
    relay.hold();
    caller.send(KEEP);
    await still(() => written);
    truthy(written < total / 2, `${written} of ${total} bytes were taken for a visitor that reads nothing`);
    relay.release();
    await all;
  });

  Deno.test(`ProxyCore answers no more over ${how} than its visitor takes, and goes on afterwards`, async () => {
    const count = 10_000;
    const content = "x".repeat(10_000);
    await using upstream = await startUpstream(() => ok(content));
    await using proxy = await startSecureCore(upstream.address);
    await using relay = await startRelay(secure ? proxy.https : proxy.http);
    using caller = await (secure ? call(relay.port, { serverName: "a" }) : call(relay.port));
    relay.hold();
    // Half of them are the proxy's own to answer
    caller.send((KEEP + KEEP.replace("Host: a", "Host: unknown")).repeat(count / 2));
    await still(() => upstream.heads.length);
    truthy(upstream.heads.length < count / 4, `${upstream.heads.length} were answered to a visitor that reads nothing`);
    relay.release();
    caller.send(KEEP.replace("Host: a", "Host: a\r\nConnection: close"));
    const text = await caller.ended();
    equal(text.split("HTTP/1.1 200 ").length - 1, count / 2 + 1);
    equal(text.split("HTTP/1.1 404 ").length - 1, count / 2);
  });

  Deno.test(`ProxyCore waits over ${how} for a visitor that takes the end of its response slowly`, async () => {
    const total = 10 * 1024 * 1024;
    await using upstream = await startUpstream(() => ok("x".repeat(total)));
    await using proxy = await startSecureCore(upstream.address, { keepAliveMs: 50 });
    await using relay = await startRelay(secure ? proxy.https : proxy.http);
    using caller = await (secure ? call(relay.port, { serverName: "a" }) : call(relay.port));
    let received = 0;
    const { promise: all, resolve, reject } = Promise.withResolvers<void>();
    caller.socket.removeAllListeners("data");
    caller.socket.on("data", (bytes: Buffer) => (received += bytes.length) > total && resolve());
    caller.socket.on("end", () => reject(new Error(`it was cut off after ${received} of ${total} bytes`)));
    relay.slow(10);
    caller.send(KEEP);
    await all;
  });
}

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
