import { equal, rejects } from "node:assert/strict";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { buildServerTlsOptions, selfCheck, serveTls } from "@helyos/tls";
import { stage } from "./support.ts";

async function listen(server: net.Server | tls.Server) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return Object.assign(server, {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  });
}

Deno.test("selfCheck() finds out servers that only look like mutual TLS", async () => {
  await using it = await stage();
  const options = await buildServerTlsOptions(it.serverConfig);
  const answer = (_: unknown, response: { end(text: string): void }) => response.end("in");

  // Certificate and key but not the CA, as the guide's first example has it.
  const { cert, key } = options;
  await using forgotten = await listen(https.createServer({ cert, key }, answer));
  await rejects(selfCheck(forgotten), { code: "client_auth_not_enforced", message: /without a certificate/ });

  await using lax = await listen(https.createServer({ ...options, rejectUnauthorized: false }, answer));
  await rejects(selfCheck(lax), { code: "client_auth_not_enforced" });

  // Deno.serve takes the same options and cannot ask.
  const deno = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {}, ...options }, () => new Response("in"));
  await rejects(selfCheck(deno), { code: "client_auth_not_enforced" });
  await deno.shutdown();

  await using plain = await serveTls(() => new Response("in"), {
    config: it.serverConfig.with({ caCertificatesPath: undefined }),
    port: 0,
  });
  await rejects(selfCheck(plain), { code: "client_auth_not_enforced" });
});

Deno.test("selfCheck() finds out a server that takes any certificate", async () => {
  await using it = await stage();
  const options = await buildServerTlsOptions(it.serverConfig);
  await using server = await listen(
    tls.createServer({ ...options, rejectUnauthorized: false }, (socket) => {
      // Asks for a certificate, and is content with whatever it gets.
      if (socket.getPeerCertificate().raw === undefined) socket.destroy();
      else socket.resume().end("in");
    }),
  );
  await rejects(selfCheck(server), { code: "client_auth_not_enforced", message: /nobody signed/ });
});

Deno.test("selfCheck() is content with a server that refuses, in TLS 1.3 and 1.2", async () => {
  await using it = await stage();
  await selfCheck(it.server);
  await selfCheck({ hostname: "127.0.0.1", port: it.server.addr.port });
  await using wide = await serveTls(() => new Response(), {
    config: it.serverConfig.with({ minVersion: "TLSv1.2" }),
    port: 0,
    hostname: "0.0.0.0",
  });
  await selfCheck(wide);
  const options = await buildServerTlsOptions(it.serverConfig.with({ minVersion: "TLSv1.2" }));
  await using old = await listen(https.createServer({ ...options, maxVersion: "TLSv1.2" }, () => {}));
  old.on("tlsClientError", () => {});
  await selfCheck(old);
  equal(it.calls(), 0);
});

Deno.test("selfCheck() says when it cannot tell", async () => {
  await rejects(selfCheck({ hostname: "127.0.0.1", port: 1 }), { code: "unreachable" });
  await using http = await listen(
    net.createServer((socket) => socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  );
  await rejects(selfCheck(http), { code: "not_tls" });
  await using closing = await listen(net.createServer((socket) => void socket.destroy()));
  await rejects(selfCheck(closing), { code: "not_tls" });
  await using mute = await listen(net.createServer((socket) => void socket.on("error", () => {}).resume()));
  await rejects(selfCheck(mute, { timeoutMs: 200 }), { code: "timeout" });
  await rejects(selfCheck(net.createServer()), TypeError);
});
