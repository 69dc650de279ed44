import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { createServer } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DesiredProxy, Site } from "../../../../daemon/proxy/backend.ts";
import { createEmbeddedProxy } from "../../../../daemon/proxy/embedded/embedded.ts";
import { freePort } from "../../../support/free_port.ts";
import { lacking, tool } from "../../../support/tools.ts";
import { call, certificate, ok, say, site, startUpstream } from "./support.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

function desired(sites: readonly Site[], more: Partial<DesiredProxy> = {}): DesiredProxy {
  return {
    sites,
    certificates: [],
    httpListen: { host: "127.0.0.1", port: 0 },
    httpsListen: { host: "127.0.0.1", port: 0 },
    challenges: { answer: () => undefined, address: { host: "127.0.0.1", port: 1 } },
    ...more,
  };
}

Deno.test("createEmbeddedProxy() refuses a number of threads that makes no sense", () => {
  for (const threads of [0, -1, 1.5, 65, NaN]) throws(() => createEmbeddedProxy({ threads }), RangeError);
});

Deno.test("createEmbeddedProxy() is idle without sites, serves with some, and lets go afterwards", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using proxy = createEmbeddedProxy();
  deepEqual(await proxy.apply(desired([])), []);
  deepEqual(proxy.status(), { state: "idle", detail: "no routes, nothing bound" });
  deepEqual(await proxy.apply(desired([site("a", [upstream.address]), site("b", [])])), [
    { domain: "a", state: "served" },
    { domain: "b", state: "served" },
  ]);
  const { state, http, https, detail } = proxy.status();
  equal(state, "serving");
  equal(https, undefined, "nothing to say over HTTPS yet");
  equal(detail, `serving on 127.0.0.1:${http!.port}`);
  match(await say(http!.port, GET), /hello$/);
  await proxy.apply(desired([]));
  equal(proxy.status().state, "idle");
  await rejects(call(http!.port));
});

Deno.test("createEmbeddedProxy() tells what one site's certificate lacks, and serves the others", async () => {
  await using proxy = createEmbeddedProxy();
  const a = await certificate("a", ["a.test"]);
  const secure = (domain: string, certificateId: string) => site(domain, [], { tls: { certificateId } });
  const status = await proxy.apply(
    desired([secure("a.test", "a"), secure("b.test", "b")], { certificates: [a, { ...a, id: "b", keyPem: "?" }] }),
  );
  deepEqual(status, [
    { domain: "a.test", state: "served" },
    { domain: "b.test", state: "failed", reason: "its private key cannot be read" },
  ]);
  // What failed is told again although nothing changed
  deepEqual(
    await proxy.apply(
      desired([secure("a.test", "a"), secure("b.test", "b")], { certificates: [a, { ...a, id: "b", keyPem: "?" }] }),
    ),
    status,
  );
});

Deno.test("createEmbeddedProxy() reports a port that is taken, and binds it once it is free", async () => {
  const port = await freePort();
  const taken = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  await using proxy = createEmbeddedProxy({ limits: { bindRetryMs: 20, bindRetryMaxMs: 20 } });
  await proxy.apply(desired([site("a", [])], { httpListen: { host: "127.0.0.1", port } }));
  deepEqual(proxy.status(), {
    state: "failing",
    detail: `cannot listen on 127.0.0.1:${port}: the address is in use`,
  });
  await new Promise((resolve) => taken.close(resolve));
  while (proxy.status().state !== "serving") await new Promise((resolve) => setTimeout(resolve, 5));
  match(await say(port, GET), / 503 /);
});

Deno.test("createEmbeddedProxy() keeps serving while routes, certificates and threads change", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using proxy = createEmbeddedProxy({ threads: 2 });
  const [a, b] = await Promise.all([certificate("a", ["a.test"]), certificate("a", ["a.test"])]);
  const sites = [site("a.test", [upstream.address], { tls: { certificateId: "a" } })];
  await proxy.apply(desired(sites, { certificates: [a] }));
  const { http, https, state } = proxy.status(); // chosen by the system, and kept from now on
  equal(state, "serving");
  const listen = { httpListen: http!, httpsListen: https! };
  let running = true;
  let served = 0;
  const visitors = Array.from({ length: 4 }, async () => {
    while (running) {
      const text = await say(https!.port, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", {
        serverName: "a.test",
      });
      match(text, /hello$/);
      served++;
    }
  });
  for (let turn = 0; turn < 10; turn++) {
    await proxy.apply(desired([...sites, ...turn % 2 === 0 ? [site("b.test", [])] : []], {
      certificates: [turn % 2 === 0 ? b : a],
      ...listen,
    }));
  }
  while (served < 20) await new Promise((resolve) => setTimeout(resolve, 5));
  running = false;
  await Promise.all(visitors);
});

Deno.test({
  name: "createEmbeddedProxy() satisfies curl: TLS 1.2 and 1.3, certificate, redirect, upload; refuses TLS 1.1",
  ignore: lacking("curl"),
  async fn() {
    await using upstream = await startUpstream((head) => head.startsWith("POST") ? "" : ok("hello"));
    const echo = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
      return new Response(String((await request.arrayBuffer()).byteLength));
    });
    await using proxy = createEmbeddedProxy();
    const a = await certificate("a", ["a.test"]);
    await proxy.apply(desired([
      site("a.test", [upstream.address], { tls: { certificateId: "a" }, redirectToHttps: true }),
      site("echo.test", [{ host: "127.0.0.1", port: echo.addr.port }]),
    ], { certificates: [a] }));
    const { http, https } = proxy.status();
    const folder = await mkdtemp(join(tmpdir(), "helyos-"));
    await writeFile(join(folder, "leaf.pem"), a.certPem);
    await writeFile(join(folder, "upload"), new Uint8Array(5_000_000));
    const curl = async (...args: string[]) => {
      const { code, stdout } = await new Deno.Command(tool("curl"), {
        args: [
          ...["--silent", "--max-time", "10", "--cacert", join(folder, "leaf.pem")],
          ...["--connect-to", `a.test:443:127.0.0.1:${https!.port}`],
          ...["--connect-to", `a.test:${https!.port}:127.0.0.1:${https!.port}`],
          ...["--connect-to", `::127.0.0.1:${http!.port}`],
          ...args,
        ],
        stdout: "piped",
        stderr: "null",
      }).output();
      return { code, text: new TextDecoder().decode(stdout) };
    };
    deepEqual(await curl("--tlsv1.3", "https://a.test/"), { code: 0, text: "hello" });
    deepEqual(await curl("--tls-max", "1.2", "https://a.test/"), { code: 0, text: "hello" });
    deepEqual(await curl("--http2", "-w", "%{http_version}", "https://a.test/"), { code: 0, text: "hello1.1" });
    equal((await curl("--tlsv1.0", "--tls-max", "1.1", "https://a.test/")).code, 35);
    deepEqual(await curl("--location", "http://a.test/"), { code: 0, text: "hello" });
    for (const more of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]]) {
      deepEqual(await curl("--data-binary", `@${join(folder, "upload")}`, ...more, "http://echo.test/"), {
        code: 0,
        text: "5000000",
      });
    }
    await rm(folder, { recursive: true });
    await echo.shutdown();
  },
});

Deno.test("createEmbeddedProxy() with several threads does not share a port with another daemon", async () => {
  await using upstream = await startUpstream(() => ok("hello"));
  await using first = createEmbeddedProxy({ threads: 2 });
  await first.apply(desired([site("a", [])]));
  const { http } = first.status();
  await using second = createEmbeddedProxy({ threads: 2, limits: { bindRetryMs: 20, bindRetryMaxMs: 20 } });
  await second.apply(desired([site("a", [upstream.address])], { httpListen: http! }));
  deepEqual(second.status(), {
    state: "failing",
    detail: `cannot listen on 127.0.0.1:${http!.port}: the address is in use`,
  });
  for (let turn = 0; turn < 16; turn++) match(await say(http!.port, GET), / 503 /);
  await first[Symbol.asyncDispose]();
  while (second.status().state !== "serving") await new Promise((resolve) => setTimeout(resolve, 5));
  for (let turn = 0; turn < 16; turn++) match(await say(http!.port, GET), /hello$/);
});

Deno.test("createEmbeddedProxy() starts a thread that crashed again, and serves what is wanted then", async () => {
  const crashes: string[] = [];
  const { promise: crashed, resolve } = Promise.withResolvers<void>();
  await using proxy = createEmbeddedProxy({
    onCrash: (reason) => {
      crashes.push(reason);
      resolve();
    },
  });
  const bad = { answer: () => undefined, address: undefined as unknown as { host: string; port: number } };
  await proxy.apply(desired([site("a", [])], { challenges: bad }));
  await crashed;
  deepEqual(proxy.status(), {
    state: "failing",
    detail: "a thread of the embedded proxy ended unexpectedly; it is started again",
  });
  await proxy.apply(desired([site("a", [])]));
  match(await say(proxy.status().http!.port, GET), / 503 /);
  equal(crashes.length, 1);
  match(crashes[0]!, /TypeError/);
});
