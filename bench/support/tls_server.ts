/**
 * The servers that bench/tls.ts compares: `ours` or `plain`, and the folder of certificates. Prints its port; a line on
 * standard input makes ours reload its files.
 */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { buildServerTlsOptions, serveTls, TlsConfig } from "@helyos/tls";

const [kind, folder] = Deno.args as [string, string];
const config = new TlsConfig({
  certificatePath: join(folder, "server.pem"),
  privateKeyPath: join(folder, "server.key"),
  caCertificatesPath: join(folder, "ca.pem"),
});

if (kind === "ours") {
  const server = await serveTls((request) => {
    if (request.method !== "GET" || !request.url.endsWith("/hello")) return new Response(null, { status: 404 });
    return new Response("hello world");
  }, { config, port: 0, hostname: "127.0.0.1" });
  // deno-lint-ignore no-console
  console.log(server.addr.port);
  createInterface({ input: process.stdin }).on("line", () => void server.reload());
} else {
  const server = createServer(await buildServerTlsOptions(config), (message, response) => {
    if (message.method !== "GET" || !message.url?.endsWith("/hello")) {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader("content-type", "text/plain;charset=UTF-8");
    response.end("hello world");
  });
  server.listen(0, "127.0.0.1", () => {
    // deno-lint-ignore no-console
    console.log((server.address() as AddressInfo).port);
  });
}
