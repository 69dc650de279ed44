import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createServer } from "node:https";
import { buildServerTlsOptions, fetchTls, TlsConnectionError } from "@helyos/tls";
import { stage, until } from "./support.ts";

Deno.test("fetchTls() refuses anything but https, also as the target of a redirect", async () => {
  await using it = await stage(() => Response.redirect("http://localhost/"));
  await using fetch = await fetchTls(it.clientConfig);
  await rejects(fetch("http://localhost/"), TypeError);
  await rejects(fetch("data:text/plain,x"), TypeError);
  await rejects(fetch(it.url), TypeError);
});

Deno.test("fetchTls() says what went wrong", async () => {
  await using it = await stage(() => new Promise<Response>(() => {}), { limits: { shutdownTimeoutMs: 50 } });
  await using fetch = await fetchTls(it.clientConfig, { timeoutMs: 200 });
  await rejects(fetch("https://localhost:1/"), { name: "TlsConnectionError", code: "unreachable" });
  await rejects(fetch("https://no-such-host.invalid/"), { code: "unreachable" });
  await rejects(fetch(it.url), { code: "timeout" });
  const plain = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response());
  await rejects(fetch(`https://localhost:${plain.addr.port}/`), { code: "not_tls" });
  await plain.shutdown();
});

Deno.test("fetchTls() gives up with the signal's reason", async () => {
  await using it = await stage(() => new Promise<Response>(() => {}), { limits: { shutdownTimeoutMs: 50 } });
  await using fetch = await fetchTls(it.clientConfig);
  const reason = new Error("enough");
  await rejects(fetch(it.url, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const pending = fetch(it.url, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  await rejects(pending, reason);
});

Deno.test("fetchTls() follows redirects as fetch does", async () => {
  await using it = await stage(async (request) => {
    const url = new URL(request.url);
    const [, what, status] = url.pathname.split("/");
    if (what === "to") return new Response(null, { status: Number(status), headers: { location: "/end" } });
    if (what === "loop") return new Response(null, { status: 302, headers: { location: "/loop" } });
    return Response.json([request.method, await request.text(), request.headers.get("content-type")]);
  });
  await using fetch = await fetchTls(it.clientConfig);
  const post = (status: number) =>
    fetch(`${it.url}to/${status}`, { method: "POST", body: "text", headers: { "content-type": "text/x" } });
  for (const status of [301, 302, 303]) {
    const response = await post(status);
    deepEqual(await response.json(), ["GET", "", null]);
    deepEqual([response.redirected, response.url], [true, `${it.url}end`]);
  }
  for (const status of [307, 308]) deepEqual(await (await post(status)).json(), ["POST", "text", "text/x"]);
  const form = new FormData();
  form.set("a", "b");
  const [, text, type] = await (await fetch(`${it.url}to/307`, { method: "POST", body: form })).json();
  ok(text.includes(type.split("boundary=")[1]), type);
  const streamed = () => fetch(new Request(`${it.url}to/307`, { method: "POST", body: "text" }));
  await rejects(streamed(), { code: "redirect", message: /streamed/ });
  await rejects(fetch(`${it.url}loop`), { code: "redirect" });
  await rejects(fetch(`${it.url}to/302`, { redirect: "error" }), { code: "redirect" });
  const manual = await fetch(`${it.url}to/302`, { redirect: "manual" });
  deepEqual([manual.status, manual.headers.get("location")], [302, "/end"]);
});

Deno.test("fetchTls() does not carry credentials to another origin", async () => {
  await using other = await stage((request) => new Response(request.headers.get("authorization")));
  await using it = await stage((request) =>
    new URL(request.url).pathname === "/own" ? new Response(request.headers.get("authorization")) : new Response(null, {
      status: 302,
      headers: { location: request.url.endsWith("away") ? other.url : "/own" },
    })
  );
  const both = `${it.ca.path}:${other.ca.path}`;
  await using fetch = await fetchTls(it.clientConfig.with({ caCertificatesPath: both }));
  const headers = { authorization: "Bearer secret" };
  equal(await (await fetch(it.url, { headers })).text(), "Bearer secret");
  // The other server does not know our CA: the certificate is shown, and refused.
  await rejects(fetch(`${it.url}away`, { headers }), TlsConnectionError);
});

Deno.test("fetchTls() keeps connections, and closes them when disposed", async () => {
  const ports = new Set<number>();
  await using it = await stage((_, info) => {
    ports.add(info.remoteAddr.port);
    return new Response("x".repeat(1000));
  });
  {
    await using fetch = await fetchTls(it.clientConfig);
    for (let i = 0; i < 5; i++) await (await fetch(it.url)).text();
    equal(ports.size, 1);
    fetch.close();
    await rejects(fetch(it.url), TypeError);
  }
  ok(
    await (async () => {
      await it.server.shutdown();
      return true;
    })(),
  );
});

Deno.test("fetchTls() takes a Request, and bodies of every kind", async () => {
  await using it = await stage(async (request) =>
    Response.json([request.method, request.headers.get("content-type"), (await request.bytes()).length])
  );
  await using fetch = await fetchTls(it.clientConfig);
  const send = async (init: RequestInit) => await (await fetch(new Request(it.url, init))).json();
  deepEqual(await send({ method: "PUT", body: "text" }), ["PUT", "text/plain;charset=UTF-8", 4]);
  deepEqual(await send({ method: "POST", body: new Uint8Array(500_000) }), ["POST", null, 500_000]);
  deepEqual(await send({ method: "POST", body: new URLSearchParams({ a: "b" }) }), [
    "POST",
    "application/x-www-form-urlencoded;charset=UTF-8",
    3,
  ]);
  deepEqual(await send({ method: "DELETE" }), ["DELETE", null, 0]);
});

Deno.test("fetchTls() frames bodies itself: whole ones by their length, whatever headers say", async () => {
  await using it = await stage(async (request) => {
    const { headers } = request;
    return Response.json([headers.get("content-length"), headers.get("transfer-encoding"), await request.text()]);
  });
  await using fetch = await fetchTls(it.clientConfig);
  const headers = { "content-length": "1", "transfer-encoding": "gzip", connection: "close", host: "evil" };
  deepEqual(await (await fetch(it.url, { method: "POST", body: "text", headers })).json(), ["4", null, "text"]);
  deepEqual(await (await fetch(new Request(it.url, { method: "POST", body: "text" }))).json(), ["4", null, "text"]);
  deepEqual(await (await fetch(it.url, { method: "POST", headers })).json(), ["0", null, ""]);
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(new TextEncoder().encode("la"));
      await new Promise((resolve) => setTimeout(resolve, 5));
      controller.enqueue(new TextEncoder().encode("te"));
      controller.close();
    },
  });
  deepEqual(await (await fetch(it.url, { method: "POST", body })).json(), [null, "chunked", "late"]);
});

Deno.test("fetchTls() repeats a request whose kept connection broke, unless that could do something twice", async () => {
  await using it = await stage();
  const seen: string[] = [];
  const perSocket = new WeakMap<object, number>();
  const server = createServer({ ...await buildServerTlsOptions(it.serverConfig) }, (message, response) => {
    const count = (perSocket.get(message.socket) ?? 0) + 1;
    perSocket.set(message.socket, count);
    seen.push(`${message.method} ${count}`);
    if (count > 1) message.socket.destroy();
    else response.end("fresh");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const url = `https://localhost:${(server.address() as { port: number }).port}/`;
  {
    await using fetch = await fetchTls(it.clientConfig);
    equal(await (await fetch(url)).text(), "fresh");
    equal(await (await fetch(url)).text(), "fresh");
    deepEqual(seen, ["GET 1", "GET 2", "GET 1"]);
    await rejects(fetch(url, { method: "POST", body: "once" }), { name: "TlsConnectionError", code: "closed" });
    deepEqual(seen.slice(3), ["POST 2"]);
  }
  await new Promise<void>((resolve) => void server.close(() => resolve()));
});

Deno.test("fetchTls() holds up a server whose body nobody reads, and reads on when somebody does", async () => {
  let produced = 0;
  const total = 100_000_000;
  const chunk = new Uint8Array(50_000);
  await using it = await stage(() =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(chunk);
          produced += chunk.byteLength;
          if (produced === total) controller.close();
        },
      }, { highWaterMark: 0 }),
    )
  );
  await using fetch = await fetchTls(it.clientConfig);
  const response = await fetch(it.url);
  const reader = response.body!.getReader();
  let received = (await reader.read()).value!.byteLength;
  let before = -1;
  await until("nothing more is produced", async () => {
    const isStill = before === produced;
    before = produced;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return isStill && before === produced;
  });
  ok(produced < 30e6, `produced ${produced} bytes for nobody`);
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    received += result.value.byteLength;
  }
  equal(received, total);
});
