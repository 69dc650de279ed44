/**
 * The embedded proxy for a benchmark: `serve FOLDER UPSTREAM_PORT` prints its port; `memory FOLDER UPSTREAM_PORT` prints what ten
 * thousand routes, each with a certificate of its own, add to the process in bytes, and how many milliseconds one route more takes.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DesiredProxy } from "../../daemon/proxy/backend.ts";
import { createEmbeddedProxy } from "../../daemon/proxy/embedded/embedded.ts";

const ROUTES = 10_000;

const [kind, folder, port] = Deno.args;
const upstream = { host: "127.0.0.1", port: Number(port) };
const certPem = await readFile(join(folder!, "leaf.pem"), "utf8");
const keyPem = await readFile(join(folder!, "leaf.key"), "utf8");

function desired(domains: readonly string[]): DesiredProxy {
  return {
    sites: domains.map((domain) => ({
      domain,
      upstreams: [upstream],
      tls: { certificateId: domain },
      redirectToHttps: true,
    })),
    certificates: domains.map((domain) => ({ id: domain, names: [domain], certPem, keyPem })),
    httpListen: { host: "127.0.0.1", port: 0 },
    httpsListen: { host: "127.0.0.1", port: 0 },
    challenges: { answer: () => undefined, address: upstream },
  };
}

function print(value: unknown): void {
  // deno-lint-ignore no-console
  console.log(String(value));
}

const proxy = createEmbeddedProxy({ threads: 1 });
await proxy.apply(desired(["localhost"]));
if (kind === "serve") {
  print(proxy.status().https!.port);
} else {
  const before = Deno.memoryUsage().rss;
  const domains = Array.from({ length: ROUTES }, (_, index) => `site-${index}.example.com`);
  await proxy.apply(desired(domains));
  const added = Deno.memoryUsage().rss - before;
  const times: number[] = [];
  for (let turn = 0; turn < 9; turn++) {
    domains.push(`more-${turn}.example.com`);
    const more = desired(domains);
    const start = performance.now();
    await proxy.apply(more);
    times.push(performance.now() - start);
  }
  print(added);
  print(times.toSorted((a, b) => a - b)[4]);
  await proxy[Symbol.asyncDispose]();
}
