/**
 * What the embedded proxy serves over TLS with one thread, beside Caddy, Traefik and nginx in front of the same upstream, in turns; and
 * what ten thousand routes cost.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { freePort } from "../tests/support/free_port.ts";
import { findTool, tool } from "../tests/support/tools.ts";

const ROUNDS = 5;
const TURN_SECONDS = 2;
const CONNECTIONS = 32;
const LEAST_OF_CADDY = 0.6;
/** Most of a handshake is Deno's. */
const LEAST_HANDSHAKES_OF_CADDY = 0.4;
const MOST_MEMORY_BYTES = 256 * 1024 * 1024;
const MOST_ADD_MS = 200;
const SERVER = fileURLToPath(new URL("support/proxy_server.ts", import.meta.url));

let failed = false;
function report(text: string, isGood: boolean): void {
  // deno-lint-ignore no-console
  console.log(`${isGood ? "ok  " : "LOW "}${text}`);
  failed ||= !isGood;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** A program that runs until the end of the benchmark. */
function start(program: string, args: readonly string[]): AsyncDisposable {
  const child = new Deno.Command(program, {
    args: [...args],
    env: { HOME: folder },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGTERM"); // nginx's workers outlive a master that was killed
      } catch {
        // It ended by itself.
      }
      await child.status;
    },
  };
}

function ours(...args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-net", "--allow-read", "--allow-sys", SERVER, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
}

async function startOurs(): Promise<{ port: number } & AsyncDisposable> {
  const child = ours("serve", folder, String(upstreamPort)).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number((await reader.read()).value);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

function nginxConfig(server: string): string {
  return `worker_processes 1; daemon off; pid ${join(folder, "nginx-")}${server.length}.pid; error_log /dev/null;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder}; ${server} }`;
}

async function until(url: string, from: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { success } = await new Deno.Command("curl", {
      args: ["--silent", "--fail", "--cacert", from, "--output", "/dev/null", url],
      stdin: "null",
    }).output();
    if (success) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} never answered`);
}

/** Requests a second. */
async function load(url: string, fields: readonly string[]): Promise<number> {
  const { stdout } = await new Deno.Command(tool("wrk"), {
    args: [
      ...["--threads", "1", "--connections", String(CONNECTIONS), "--duration", `${TURN_SECONDS}s`],
      ...fields.flatMap((field) => ["--header", field]),
      url,
    ],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (/Socket errors|Non-2xx/.test(text)) throw new Error(`${url}: ${text}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

const folder = await mkdtemp(join(tmpdir(), "helyos-bench-"));
const path = (name: string) => join(folder, name);
const caKey = await generateKeyPair();
const ca = await createRootCa({ commonName: "bench", key: caKey });
const key = await generateKeyPair();
const leaf = await issueCertificate({
  issuer: { certificate: ca.pem, key: caKey },
  profile: "server",
  publicKey: key.publicKey,
  commonName: "localhost",
  names: { dns: ["localhost"] },
});
await writeFile(path("ca.pem"), ca.pem);
await writeFile(path("leaf.pem"), leaf.pem);
await writeFile(path("leaf.key"), await exportPrivateKey(key), { mode: 0o600 });

const upstreamPort = await freePort();
const ports = { caddy: await freePort(), traefik: await freePort(), nginx: await freePort() };
const LARGE = "x".repeat(65_536);
await writeFile(path("large"), LARGE);
await writeFile(
  path("upstream.conf"),
  nginxConfig(`server { listen 127.0.0.1:${upstreamPort}; root ${folder}; sendfile on;
    location = / { return 200 "hello, this is a short answer"; } location = /large {} }`),
);
await writeFile(
  path("nginx.conf"),
  nginxConfig(`upstream u { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${ports.nginx} ssl; server_name localhost;
    ssl_certificate ${path("leaf.pem")}; ssl_certificate_key ${path("leaf.key")};
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https; } }`),
);
await writeFile(
  path("Caddyfile"),
  `{
	admin off
	auto_https off
	persist_config off
	servers {
		protocols h1
	}
}
https://localhost:${ports.caddy} {
	bind 127.0.0.1
	tls ${path("leaf.pem")} ${path("leaf.key")}
	reverse_proxy 127.0.0.1:${upstreamPort}
}
`,
);
await writeFile(
  path("traefik.yaml"),
  JSON.stringify({
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    log: { level: "ERROR" },
    entryPoints: { web: { address: `127.0.0.1:${ports.traefik}` } },
    providers: { file: { filename: path("routes.yaml") } },
  }),
);
await writeFile(
  path("routes.yaml"),
  JSON.stringify({
    http: {
      routers: { a: { rule: "Host(`localhost`)", service: "a", tls: {}, entryPoints: ["web"] } },
      services: { a: { loadBalancer: { servers: [{ url: `http://127.0.0.1:${upstreamPort}` }] } } },
    },
    tls: { certificates: [{ certFile: path("leaf.pem"), keyFile: path("leaf.key") }] },
  }),
);

try {
  await using _upstream = start(tool("nginx"), ["-c", path("upstream.conf")]);
  await using embedded = await startOurs();
  const urls: Record<string, string> = { embedded: `https://localhost:${embedded.port}` };
  await using peers = new AsyncDisposableStack();
  const programs = {
    caddy: ["run", "--config", path("Caddyfile")],
    traefik: [`--configFile=${path("traefik.yaml")}`],
    nginx: ["-c", path("nginx.conf")],
  } as const;
  for (const name of ["caddy", "traefik", "nginx"] as const) {
    if (findTool(name) === undefined) continue;
    peers.use(start(tool(name), programs[name]));
    urls[name] = `https://localhost:${ports[name]}`;
  }
  for (const url of Object.values(urls)) await until(`${url}/large`, path("ca.pem"));

  for (
    const { target, what, least: leastOfCaddy, fields } of [
      { target: "/", what: "short answers", least: LEAST_OF_CADDY, fields: [] },
      { target: "/large", what: "answers of 64 KiB", least: LEAST_OF_CADDY, fields: [] },
      { target: "/", what: "a handshake each", least: LEAST_HANDSHAKES_OF_CADDY, fields: ["Connection: close"] },
    ]
  ) {
    const names = Object.keys(urls);
    const rates = Object.fromEntries(names.map((name) => [name, [] as number[]]));
    for (let round = -1; round < ROUNDS; round++) {
      // The order changes, so that none always follows the same one
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const rate = await load(urls[name]! + target, fields);
        if (round >= 0) rates[name]!.push(rate);
      }
    }
    for (const name of names.slice(1)) {
      const ratio = median(rates.embedded!.map((rate, round) => rate / rates[name]![round]!));
      const least = name === "caddy" ? leastOfCaddy : 0;
      report(
        `${what}: ${ratio.toFixed(2)} of ${name}${least > 0 ? ` (at least ${least})` : ""}; ` +
          `${Math.round(median(rates.embedded!))} against ${Math.round(median(rates[name]!))} requests/s`,
        ratio >= least,
      );
    }
  }

  const { stdout } = await ours("memory", folder, String(upstreamPort)).output();
  const [bytes = NaN, addMs = NaN] = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
  report(
    `10,000 routes, each with a certificate: ${Math.round(bytes / 2 ** 20)} MiB (at most ${
      MOST_MEMORY_BYTES / 2 ** 20
    })`,
    bytes <= MOST_MEMORY_BYTES,
  );
  report(`one route more: ${Math.round(addMs)} ms (at most ${MOST_ADD_MS})`, addMs <= MOST_ADD_MS);
} finally {
  await rm(folder, { recursive: true });
}
if (failed) Deno.exit(1);
