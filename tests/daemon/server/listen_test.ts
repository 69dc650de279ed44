import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { Agent, request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { Failure } from "../../../daemon/server/failure.ts";
import type { Handler } from "../../../daemon/server/handler.ts";
import { hostPort, listen, type Listener, type ListenOptions, probePort } from "../../../daemon/server/listen.ts";

const host = "127.0.0.1";
const onBroken = () => new Failure("internal", "broken");

async function certificates(count: number) {
  const caKey = await generateKeyPair();
  const root = await createRootCa({ commonName: "test CA", key: caKey });
  const pairs = [];
  for (let index = 0; index < count; index++) {
    const key = await generateKeyPair();
    const { pem } = await issueCertificate({
      issuer: { certificate: root.pem, key: caKey },
      profile: "server",
      publicKey: key.publicKey,
      commonName: `leaf-${index}.test`,
      names: { dns: [`leaf-${index}.test`], ip: [host] },
    });
    pairs.push({ cert: pem, key: await exportPrivateKey(key) });
  }
  return { ca: root.pem, pairs };
}

async function open(options: Partial<ListenOptions> & { handler: Handler }): Promise<Listener & AsyncDisposable> {
  const listener = await listen({ host, port: 0, onBroken, ...options });
  return { ...listener, [Symbol.asyncDispose]: () => listener.shutdown() };
}

interface Answer {
  readonly body: string;
  readonly subject: string;
}

function get(port: number, options: { ca: string; agent: Agent }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host, port, ...options }, (response) => {
      const subject = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
      let body = "";
      response.on("data", (chunk) => body += chunk);
      response.on("end", () => resolve({ body, subject }));
    });
    request.on("error", reject);
    request.end();
  });
}

Deno.test("listen() refuses a port in use, in a sentence that says what to do", async () => {
  await using first = await open({ handler: () => new Response("ok") });
  await rejects(() => open({ port: first.port, handler: () => new Response("ok") }), {
    name: "ListenError",
    message: `cannot listen on ${host}:${first.port}: the port is in use, perhaps by another helyosd; ` +
      "stop that program or choose another --port",
  });
});

Deno.test("listen() refuses a TLS port that another daemon shares with itself", async () => {
  const { pairs: [certificate] } = await certificates(1);
  await using first = await open({ certificate: certificate!, handler: () => new Response("ok") });
  await rejects(() => open({ port: first.port, certificate: certificate!, handler: () => new Response("ok") }), {
    name: "ListenError",
  });
});

Deno.test("listen() refuses an address that is not this machine's", async () => {
  await rejects(() => open({ host: "192.0.2.1", handler: () => new Response("ok") }), /no such address/);
});

Deno.test("listen() takes an IPv6 address with its zone", async () => {
  await using listener = await open({ host: "::1%1", handler: () => new Response("ok") });
  equal(await (await fetch(`http://[::1]:${listener.port}/`)).text(), "ok");
});

Deno.test("probePort() leaves the port free", async () => {
  const port = probePort(host, 0);
  equal(probePort(host, port), port);
  await using listener = await open({ port, handler: () => new Response("ok") });
  equal(listener.port, port);
});

Deno.test("swap() serves another certificate while no request on a live connection fails", async () => {
  const { ca, pairs } = await certificates(4);
  await using listener = await open({ certificate: pairs[0]!, handler: () => new Response("ok"), retireMs: 300 });
  using agents = new DisposableStack();
  const agentOf = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.defer(() => agent.destroy());
    return agent;
  };
  const live = Array.from({ length: 8 }, agentOf);
  let swapping = true;
  let answered = 0;
  const failures: string[] = [];
  const load = live.map(async (agent) => {
    while (swapping) {
      await get(listener.port, { ca, agent }).then(() => answered++, (error) => void failures.push(String(error)));
    }
  });
  for (const pair of pairs.slice(1)) {
    const before = answered;
    while (answered < before + 50) await new Promise((resolve) => setTimeout(resolve, 2));
    await listener.swap(pair);
  }
  swapping = false;
  await Promise.all(load);
  deepEqual(failures, []);
  equal((await get(listener.port, { ca, agent: agentOf() })).subject, "leaf-3.test");
});

Deno.test("swap() says that a certificate cannot be served, goes on with the one before, and takes the next", async () => {
  const { ca, pairs } = await certificates(2);
  await using listener = await open({ certificate: pairs[0]!, handler: () => new Response("ok"), retireMs: 0 });
  const subject = async () => (await get(listener.port, { ca, agent: new Agent() })).subject;
  await rejects(listener.swap({ cert: "none", key: "none" }));
  equal(await subject(), "leaf-0.test");
  await listener.swap(pairs[1]!);
  // A connection that the system gave to the server that leaves is reset
  for (let tries = 0; tries < 20; tries++) {
    const served = await subject().catch(() => "nothing");
    if (served !== "nothing") return equal(served, "leaf-1.test");
  }
  throw new Error("nothing was served");
});

Deno.test("shutdown() does not wait for a swap that lets connections leave", async () => {
  const { ca, pairs } = await certificates(2);
  const listener = await open({ certificate: pairs[0]!, handler: () => new Response("ok"), retireMs: 60_000 });
  const swapped = listener.swap(pairs[1]!);
  using agents = new DisposableStack();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.defer(() => agent.destroy());
  while ((await get(listener.port, { ca, agent })).subject !== "leaf-1.test");
  const started = performance.now();
  await listener.shutdown();
  await swapped;
  equal(performance.now() - started < 5_000, true);
});

Deno.test("shutdown() waits for a request that was begun, and not for silent connections", async () => {
  const { ca, pairs: [certificate] } = await certificates(1);
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: gate, resolve: finish } = Promise.withResolvers<void>();
  const listener = await listen({
    host,
    port: 0,
    onBroken,
    certificate: certificate!,
    async handler() {
      begin();
      await gate;
      return new Response("late");
    },
  });
  const silent = await Promise.all(Array.from({ length: 20 }, () => Deno.connect({ port: listener.port })));
  const agent = new Agent();
  const answer = get(listener.port, { ca, agent });
  await begun;
  const started = performance.now();
  let stopped = false;
  const stopping = listener.shutdown().then(() => stopped = true);
  await new Promise((resolve) => setTimeout(resolve, 50));
  equal(stopped, false, "a request is under way");
  finish();
  equal((await answer).body, "late");
  await stopping;
  equal(performance.now() - started < 2000, true);
  agent.destroy();
  silent.forEach((connection) => connection.close());
});

Deno.test("shutdown() gives up on a request that does not end", async () => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const listener = await listen({
    host,
    port: 0,
    onBroken,
    drainMs: 50,
    handler() {
      begin();
      return new Promise(() => {});
    },
  });
  const connection = await Deno.connect({ port: listener.port });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  await begun;
  await listener.shutdown();
  connection.close();
});

Deno.test("listen() answers on while thousands of connections say nothing", async () => {
  const { ca, pairs: [certificate] } = await certificates(1);
  await using listener = await open({ certificate: certificate!, handler: () => new Response("ok") });
  const silent: Deno.Conn[] = [];
  for (let batch = 0; batch < 20; batch++) {
    silent.push(...await Promise.all(Array.from({ length: 100 }, () => Deno.connect({ port: listener.port }))));
  }
  const agent = new Agent();
  try {
    equal((await get(listener.port, { ca, agent })).body, "ok");
  } finally {
    agent.destroy();
    silent.forEach((connection) => connection.close());
  }
});

Deno.test("listen() refuses two lengths, a length beside chunks, and a flood of headers", async () => {
  let served = 0;
  await using listener = await open({
    handler: () => {
      served++;
      return new Response("ok");
    },
  });
  const ask = async (head: string): Promise<string> => {
    using connection = await Deno.connect({ port: listener.port });
    const writing = connection.write(new TextEncoder().encode(head)).catch(() => {/* it hung up: as it should */});
    const buffer = new Uint8Array(4096);
    const length = await connection.read(buffer).catch(() => null);
    await writing;
    return new TextDecoder().decode(buffer.subarray(0, length ?? 0));
  };
  match(
    await ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    /^(HTTP\/1.1 400|$)/,
  );
  match(
    await ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    /^(HTTP\/1.1 400|$)/,
  );
  const many = Array.from({ length: 5000 }, (_, index) => `X-${index}: ${"a".repeat(50)}\r\n`).join("");
  match(await ask(`GET / HTTP/1.1\r\nHost: x\r\n${many}\r\n`), /^(HTTP\/1.1 4|$)/);
  match(await ask(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(2_000_000)}\r\n\r\n`), /^(HTTP\/1.1 4|$)/);
  equal(served, 0);
  match(await ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), /^HTTP\/1.1 200/);
});

Deno.test("hostPort() puts an IPv6 address into brackets", () => {
  deepEqual([hostPort("::1", 1), hostPort("0.0.0.0", 2), hostPort("localhost", 3)], [
    "[::1]:1",
    "0.0.0.0:2",
    "localhost:3",
  ]);
});

Deno.test("listen() serves nowhere but where it was told, whatever the environment says", async () => {
  const script = `
    import { listen } from ${JSON.stringify(import.meta.resolve("../../../daemon/server/listen.ts"))};
    await listen({ host: "127.0.0.1", port: 0, handler: () => new Response("ok"), onBroken: () => Deno.exit(2) });
    console.log("served");
    Deno.exit();`;
  const start = (env: Record<string, string>) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--frozen", "--no-prompt", "--allow-net", "--ext=ts", "-"],
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  for (
    const [env, expected] of [[{}, /^served$/m], [
      { DENO_SERVE_ADDRESS: "tcp:127.0.0.9:0" },
      /127\.0\.0\.9.*unset/,
    ]] as const
  ) {
    const child = start(env);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(script));
    await writer.close();
    const { stdout, stderr } = await child.output();
    match(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr), expected);
  }
});
