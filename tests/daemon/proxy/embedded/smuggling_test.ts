import { equal, match, ok as truthy } from "node:assert/strict";
import { call, ok, say, site, startCore, startRawUpstream, startUpstream } from "./support.ts";

const LIMITS = { lingerMs: 500, maxHops: 3 };

for (
  const [name, status, text] of [
    [
      "Content-Length beside Transfer-Encoding",
      400,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    [
      "two lengths",
      400,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    [
      "a coding in disguise",
      400,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    [
      "a folded coding",
      400,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ["bare LF", 400, "GET / HTTP/1.1\nHost: a\n\nGET /smuggled HTTP/1.1\nHost: a\n\n"],
    ["a head that never ends", 431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(40_000)}`],
    ["TLS where HTTP is spoken", 400, "\x16\x03\x01\x00\n\x01\x00"],
  ] as const
) {
  Deno.test(`ProxyCore answers ${name} with ${status}, hangs up and forwards nothing`, async () => {
    await using upstream = await startUpstream(() => ok("hello"));
    await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
    const text_ = await say(proxy.http, text);
    match(text_, new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*Connection: close\\r\\n\\r\\n`));
    equal(text_.split("HTTP/1.1 ").length, 2, "one answer");
    equal(upstream.heads.length, 0);
  });
}

Deno.test("ProxyCore breaks off a request whose chunks are wrong, and the upstream's connection with it", async () => {
  await using upstream = await startUpstream((head) => head.startsWith("POST") ? "" : ok("hello"));
  await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
  const text = await say(
    proxy.http,
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  match(text, /^HTTP\/1\.1 400 /);
  truthy(upstream.heads.every((head) => !head.includes("smuggled")));
  match(await say(proxy.http, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200 /);
  equal(upstream.connections(), 2);
});

Deno.test("ProxyCore answers pipelined requests in order, a body being no request", async () => {
  await using upstream = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    await request.text();
    return new Response(new URL(request.url).pathname);
  });
  await using proxy = await startCore([site("a", [{ host: "127.0.0.1", port: upstream.addr.port }])], {
    limits: LIMITS,
  });
  const inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const text = await say(
    proxy.http,
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
      `\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}` +
      "GET /404 HTTP/1.1\r\nHost: b\r\n\r\n" +
      "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  equal([...text.matchAll(/\r\n\r\n(\/\d|404)/g)].map((found) => found[1]).join(" "), "/1 /2 404 /3");
});

Deno.test("ProxyCore closes an upstream's connection that sends more than a response", async () => {
  await using upstream = await startUpstream(() => ok("hello") + ok("poison"));
  await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
  using caller = await call(proxy.http);
  for (let turn = 1; turn <= 3; turn++) {
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await caller.until(new RegExp(`(hello[\\s\\S]*){${turn}}`));
  }
  truthy(!caller.text().includes("poison"));
  equal(upstream.connections(), 3);
});

Deno.test("ProxyCore asks nothing more over a connection on which content may follow a 204", async () => {
  for (const field of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
    await using upstream = await startUpstream(() => `HTTP/1.1 204 No Content\r\n${field}\r\n\r\n`);
    await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
    using caller = await call(proxy.http);
    for (let turn = 1; turn <= 2; turn++) {
      caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await caller.until(new RegExp(`(204 No Content\r\n(?!Content-Length|Transfer)[\\s\\S]*){${turn}}`));
    }
    equal(upstream.connections(), 2);
  }
});

for (
  const [name, response] of [
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    [
      "Content-Length beside chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a folded field", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n"],
    ["a bare CR", "HTTP/1.1 200 OK\r\nX: 1\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"],
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["a 101 nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
    ["a head that never ends", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(40_000)}`],
    ["interim responses without end", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20)],
  ] as const
) {
  Deno.test(`ProxyCore answers 502 when an upstream sends ${name}`, async () => {
    await using upstream = await startUpstream(() => response);
    await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
    using caller = await call(proxy.http);
    caller.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    await caller.until(/HTTP\/1\.1 502 Bad Gateway[\s\S]*\n502 Bad Gateway\n$/);
    truthy(!caller.text().includes("127.0.0.1"));
  });
}

Deno.test("ProxyCore hangs up in the middle of a response that breaks off", async () => {
  for (
    const response of [
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    ]
  ) {
    await using upstream = await startRawUpstream((socket) => socket.once("data", () => socket.end(response)));
    await using proxy = await startCore([site("a", [upstream.address])], { limits: LIMITS });
    const text = await say(proxy.http, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    truthy(!text.endsWith("0\r\n\r\n"), text);
  }
});

Deno.test("ProxyCore stops a request that goes round in circles", async () => {
  await using proxy = await startCore([], { limits: LIMITS });
  // The listener appears with the first site, which leads back to it
  await using first = await startUpstream(() => ok(""));
  await proxy.change({ putSites: [site("a", [first.address])] });
  await proxy.change({ putSites: [site("a", [{ host: "127.0.0.1", port: proxy.http }])] });
  match(
    await say(proxy.http, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1\.1 508 Loop Detected/,
  );
});

/** Random bytes that come out the same at every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

Deno.test("ProxyCore lets no damaged request become two, as another parser sees it", async () => {
  // The judge is Deno's own HTTP server: whatever it takes for a request must carry what the proxy adds to each
  const seen: string[] = [];
  const forged: string[] = [];
  await using judge = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    seen.push(request.url);
    if (request.headers.get("via") !== "1.1 helyos") forged.push(request.url);
    await request.text().catch(() => {});
    return new Response("hello");
  });
  await using proxy = await startCore([site("a", [{ host: "127.0.0.1", port: judge.addr.port }])], { limits: LIMITS });
  const inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const seeds = [
    `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
    `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
      inner.length.toString(16)
    }\r\n${inner}\r\n0\r\n\r\n`,
    `GET /x HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX: y\r\n\r\n`,
  ];
  const bits = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    "0",
    "chunked",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "\x0b",
    ",",
    ";",
  ];
  const next = random(20261120);
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 20 }, async () => {
      let text = seeds[next(seeds.length)]!;
      for (let damage = 1 + next(3); damage > 0; damage--) {
        const at = next(text.length);
        const bit = bits[next(bits.length)]!;
        text = text.slice(0, at) + (next(3) === 0 ? "" : bit) + text.slice(at + next(3));
      }
      using caller = await call(proxy.http);
      caller.send(text);
      caller.socket.end();
      await caller.ended();
    }));
  }
  truthy(seen.length > 100, `only ${seen.length} of 800 got through`);
  equal(forged.join(" "), "");
  match(await say(proxy.http, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200 /);
});
