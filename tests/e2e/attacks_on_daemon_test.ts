/**
 * Story: a stranger on the network throws at the API whatever he can think of. Nothing changes, nobody else waits, nothing leaks.
 */
import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type RunningDaemon, startDaemon, temporaryFolder } from "../support/process.ts";

const FLOODERS = 8;

/** Sends raw bytes and gives back what comes until the server closes, or until `enough`. */
function raw(daemon: RunningDaemon, bytes: string | Uint8Array, enough = /\r\n\r\n[\s\S]*\}$/): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(daemon.url).port), "127.0.0.1", () => socket.write(bytes));
    let answer = "";
    socket.on("data", (chunk: Uint8Array) => {
      answer += new TextDecoder().decode(chunk);
      if (enough.test(answer)) socket.destroy();
    });
    socket.on("error", () => {}); // A server that hangs up is an answer, too.
    socket.on("close", () => resolve(answer));
  });
}

function post(token: string, body: BodyInit, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
  };
}

const names = async (daemon: RunningDaemon) => {
  const answer = await fetch(`${daemon.url}/api/v1/projects`, { headers: { authorization: `Bearer ${daemon.token}` } });
  return (await answer.json() as { name: string }[]).map((one) => one.name);
};

Deno.test("helyosd refuses oversized, deep, broken and non-UTF-8 bodies as JSON errors and changes nothing", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const url = `${daemon.url}/api/v1/projects`;
  const deep = `{"name":${"[".repeat(5000)}${"]".repeat(5000)}}`;
  const cases: [BodyInit, Record<string, string>, number, string][] = [
    [JSON.stringify({ name: "x".repeat(3 * 1024 * 1024) }), {}, 413, "too_large"],
    [deep, {}, 400, "bad_request"],
    ['{"name":', {}, 400, "bad_request"],
    [Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d), {}, 400, "bad_request"],
    ['{"name":"a"}', { "content-type": "text/plain" }, 415, "unsupported_media_type"],
    ['{"name":"  "}', {}, 422, "invalid"],
    [JSON.stringify({ name: "x".repeat(254) }), {}, 422, "invalid"],
    ['{"name":"a\\u0000b"}', {}, 422, "invalid"],
    ["[]", {}, 422, "invalid"],
  ];
  for (const [body, headers, status, code] of cases) {
    const answer = await fetch(url, post(daemon.token!, body, headers));
    const json = await answer.json();
    equal(answer.status, status, JSON.stringify(json));
    equal(json.code, code);
    equal(typeof json.error, "string");
  }
  deepEqual(await names(daemon), []);
});

Deno.test("helyosd answers a wrong method, an unknown path and a preflight by the book", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const wrong = await fetch(`${daemon.url}/api/v1/whoami`, { method: "DELETE" });
  equal(wrong.status, 405);
  match(wrong.headers.get("allow") ?? "", /GET/);
  equal((await wrong.json()).code, "method_not_allowed");
  const unknown = await fetch(`${daemon.url}/api/v1/nothing`);
  equal(unknown.status, 404);
  equal((await unknown.json()).code, "not_found");
  const preflight = await fetch(`${daemon.url}/api/v1/tokens`, {
    method: "OPTIONS",
    headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
  });
  await preflight.body?.cancel();
  equal(preflight.ok, false);
  equal(preflight.headers.get("access-control-allow-origin"), null);
});

Deno.test("helyosd survives header floods, half requests, smuggling and garbage", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const head = "GET /api/v1/whoami HTTP/1.1\r\nhost: x\r\n";
  const attacks = [
    head + Array.from({ length: 20_000 }, (_, index) => `x-${index}: ${"y".repeat(50)}\r\n`).join("") + "\r\n",
    `${head}x: ${"y".repeat(4_000_000)}\r\n\r\n`,
    "POST /api/v1/projects HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "POST /api/v1/projects HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "GET /api/v1/../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /api/v1/tokens/%ff%fe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  ];
  for (const attack of attacks) {
    const answer = await Promise.race([
      raw(daemon, attack),
      new Promise<string>((resolve) => setTimeout(resolve, 3000, "no answer")),
    ]);
    doesNotMatch(answer, /^HTTP\/1\.1 2/, attack.slice(0, 60));
  }
  deepEqual(await names(daemon), []);
});

Deno.test("helyosd gives up on a body that trickles in", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const slow = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"name":')),
  });
  const answer = await fetch(`${daemon.url}/api/v1/projects`, post(daemon.token!, slow));
  equal(answer.status, 408);
  equal((await answer.json()).code, "timeout");
  deepEqual(await names(daemon), []);
});

Deno.test("2,000 silent connections do not stop the API", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const port = Number(new URL(daemon.url).port);
  const silent: Socket[] = [];
  try {
    await Promise.all(Array.from({ length: 2000 }, () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", resolve);
        socket.on("error", reject);
        silent.push(socket);
      })));
    equal(await fetch(`${daemon.url}/health`).then((answer) => answer.text()), "ok");
    deepEqual(await names(daemon), []);
  } finally {
    for (const socket of silent) socket.destroy();
  }
});

Deno.test("a flood of wrong tokens is held up by 429 and slows nobody who has a good one", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const whoami = (token: string) =>
    fetch(`${daemon.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
  equal((await whoami(daemon.token!)).status, 200); // remembered from now on
  const seen = new Map<number, number>();
  let flooding = true;
  const flood = Promise.all(Array.from({ length: FLOODERS }, async (_, flooder) => {
    for (let index = 0; flooding; index++) {
      const wrong = `nxa-api_${String(flooder).padStart(2, "0")}${String(index).padStart(62, "0")}`;
      const answer = await whoami(wrong);
      await answer.body?.cancel();
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) ok(Number(answer.headers.get("retry-after")) > 0);
    }
  }));
  for (let index = 0; index < 200; index++) {
    const answer = await whoami(daemon.token!);
    equal(answer.status, 200);
    await answer.body?.cancel();
  }
  flooding = false;
  await flood;
  ok((seen.get(401) ?? 0) <= 21, `${seen.get(401)} tokens were judged`);
  ok((seen.get(429) ?? 0) > 0);
  doesNotMatch(daemon.log().replace(/HELYOS_API_TOKEN=\S+/, ""), /nxa-api_[0-9a-f]{16}/);
});
