/** `@helyos/tls` against other people's TLS: each as a client of ours and as a server for ours, accepted and refused. */
import { equal, match, ok, rejects } from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import {
  certAuthenticator,
  fetchTls,
  generateTestCertificates,
  serveTls,
  type TlsConfig,
  TlsConnectionError,
  type TlsServer,
  withCertAuth,
} from "@helyos/tls";
import { temporaryFolder } from "../support/process.ts";
import { lacking, tool } from "../support/tools.ts";

/** A folder with certificates of ours, and of a stranger whose CA has the same name. */
async function certificates() {
  const temporary = await temporaryFolder();
  const own = await generateTestCertificates(join(temporary.path, "own"));
  const stranger = await generateTestCertificates(join(temporary.path, "stranger"));
  return { folder: temporary.path, own, stranger, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

type Certificates = Awaited<ReturnType<typeof certificates>>;

interface Paths {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

function pathsOf(config: TlsConfig): Paths {
  return {
    cert: config.certificatePath!,
    key: config.privateKeyPath!,
    ca: config.caCertificatesPath as string,
  };
}

async function run(program: string, args: string[], stdin = ""): Promise<{ code: number; text: string }> {
  const child = new Deno.Command(tool(program), { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  // openssl s_client ends when its input does, and must get the answer first.
  const timer = setTimeout(() => writer.close().catch(() => {}), stdin === "" ? 0 : 700);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  await writer.close().catch(() => {});
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout) + decode(stderr) };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as net.AddressInfo;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}

/** Starts a server of somebody else's and waits until it accepts connections. */
async function start(program: string, args: string[], o: { port: number; cwd?: string }): Promise<AsyncDisposable> {
  const child = new Deno.Command(tool(program), {
    args,
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    env: { XDG_DATA_HOME: o.cwd ?? "/tmp", XDG_CONFIG_HOME: o.cwd ?? "/tmp" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let isOver = false;
  const over = child.status.then(() => isOver = true);
  const accepts = () =>
    new Promise<boolean>((resolve) => {
      const socket = net.connect(o.port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).on("error", () => resolve(false));
    });
  const deadline = Date.now() + 15_000;
  while (!(await accepts())) {
    if (isOver || Date.now() > deadline) throw new Error(`${program} did not start`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return {
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill("SIGTERM");
      await over;
    },
  };
}

const TEXT = "served to Haystack Test Client";

/** What a client of somebody else's got, or that it was refused. */
type Ask = (port: number, paths: Paths | { readonly ca: string }, version?: "1.2") => Promise<string | undefined>;

const HTTP = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const PYTHON_CLIENT = `
import http.client, ssl, sys
port, ca, cert, key, version = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if cert: context.load_cert_chain(cert, key)
if version: context.maximum_version = ssl.TLSVersion.TLSv1_2
connection = http.client.HTTPSConnection("localhost", int(port), context=context)
connection.request("GET", "/")
print(connection.getresponse().read().decode())
`;

const NODE_CLIENT = `
const https = require("node:https"), { readFileSync } = require("node:fs");
const [port, ca, cert, key, version] = process.argv.slice(1);
https.get({ host: "localhost", port, path: "/", ca: readFileSync(ca),
  ...(cert ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
  ...(version ? { maxVersion: "TLSv1.2" } : {}) },
  (response) => response.pipe(process.stdout)).on("error", (error) => { console.error(error.code); process.exit(1); });
`;

const answered = ({ code, text }: { code: number; text: string }) =>
  code === 0 && text.includes(TEXT) ? TEXT : undefined;
const pair = (paths: Paths | { readonly ca: string }) => "cert" in paths ? [paths.cert, paths.key] : ["", ""];

const CLIENTS: Record<string, Ask> = {
  curl: async (port, paths, version) =>
    answered(
      await run("curl", [
        ...["-sS", "--fail", "--max-time", "10", "--cacert", paths.ca],
        ...("cert" in paths ? ["--cert", paths.cert, "--key", paths.key] : []),
        ...(version ? ["--tls-max", version] : []),
        `https://localhost:${port}/`,
      ]),
    ),
  openssl: async (port, paths, version) => {
    const { text } = await run("openssl", [
      ...["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile", paths.ca],
      ...["-connect", `127.0.0.1:${port}`, "-servername", "localhost", version ? "-tls1_2" : "-tls1_3"],
      ...("cert" in paths ? ["-cert", paths.cert, "-key", paths.key] : []),
    ], HTTP);
    return text.includes(TEXT) ? TEXT : undefined;
  },
  python3: async (port, paths, version) =>
    answered(await run("python3", ["-c", PYTHON_CLIENT, String(port), paths.ca, ...pair(paths), version ?? ""])),
  node: async (port, paths, version) =>
    answered(await run("node", ["-e", NODE_CLIENT, "--", String(port), paths.ca, ...pair(paths), version ?? ""])),
  nginx: async (port, paths, version) => {
    await using proxy = await nginxProxy(port, paths, version);
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`);
    const text = await response.text();
    return response.status === 200 ? text : undefined;
  },
  caddy: async (port, paths, version) => {
    await using proxy = await caddyProxy(port, paths, version);
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`);
    const text = await response.text();
    return response.status === 200 ? text : undefined;
  },
};

async function nginxFolder(server: string): Promise<{ folder: string; args: string[] } & AsyncDisposable> {
  const temporary = await temporaryFolder();
  const folder = temporary.path;
  await mkdir(join(folder, "tmp"));
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/tmp;`);
  const text = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {} http { access_log off; ${temps.join(" ")} ${server} }`;
  await writeFile(join(folder, "nginx.conf"), text);
  return {
    folder,
    args: ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")],
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

/** Closes several things in the order given. */
function closing(port: number, ...things: AsyncDisposable[]): { port: number } & AsyncDisposable {
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const thing of things) await thing[Symbol.asyncDispose]();
    },
  };
}

async function nginxProxy(upstream: number, paths: Paths | { readonly ca: string }, version?: string) {
  const port = await freePort();
  const own = "cert" in paths ? `proxy_ssl_certificate ${paths.cert}; proxy_ssl_certificate_key ${paths.key};` : "";
  const files = await nginxFolder(`server { listen 127.0.0.1:${port}; location / {
    proxy_pass https://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_set_header Host localhost;
    proxy_ssl_verify on; proxy_ssl_trusted_certificate ${paths.ca}; proxy_ssl_name localhost; proxy_ssl_server_name on;
    proxy_ssl_protocols ${version ? "TLSv1.2" : "TLSv1.3"}; ${own} } }`);
  return closing(port, await start("nginx", files.args, { port }), files);
}

async function caddy(config: unknown, port: number) {
  const temporary = await temporaryFolder();
  const file = join(temporary.path, "caddy.json");
  await writeFile(file, JSON.stringify({ admin: { disabled: true }, ...(config as object) }));
  const running = await start("caddy", ["run", "--config", file], { port, cwd: temporary.path });
  return closing(port, running, temporary);
}

async function caddyProxy(upstream: number, paths: Paths | { readonly ca: string }, version?: string) {
  // Caddy's transport has no highest version; it is what a server allows that decides there.
  if (version) return await nginxProxy(upstream, paths, version);
  const port = await freePort();
  const tls = {
    server_name: "localhost",
    root_ca_pem_files: [paths.ca],
    ...("cert" in paths ? { client_certificate_file: paths.cert, client_certificate_key_file: paths.key } : {}),
  };
  const handler = {
    handler: "reverse_proxy",
    transport: { protocol: "http", tls },
    headers: { request: { set: { Host: ["localhost"] } } },
    upstreams: [{ dial: `127.0.0.1:${upstream}` }],
  };
  const server = { listen: [`127.0.0.1:${port}`], routes: [{ handle: [handler] }], automatic_https: { disable: true } };
  return await caddy({ apps: { http: { servers: { it: server } } } }, port);
}

/** A server of ours that greets its client, with the number of calls. */
async function ours(config: TlsConfig): Promise<{ server: TlsServer; calls: () => number } & AsyncDisposable> {
  let calls = 0;
  const handler = withCertAuth((_request, info) => {
    calls++;
    return new Response(`served to ${info.principal}`);
  }, certAuthenticator({ allowedCns: ["Haystack Test Client"] }));
  const server = await serveTls(handler, { config, port: 0, hostname: "127.0.0.1" });
  return { server, calls: () => calls, [Symbol.asyncDispose]: () => server.shutdown() };
}

for (const [program, ask] of Object.entries(CLIENTS)) {
  Deno.test({
    name:
      `serveTls() serves ${program} with our certificate, and refuses it without, with a stranger's, and in TLS 1.2`,
    ignore: lacking(program, "nginx"),
    async fn() {
      await using it: Certificates = await certificates();
      await using strict = await ours(it.own.server);
      const { port } = strict.server.addr;
      const own = pathsOf(it.own.client);
      equal(await ask(port, own), TEXT);
      equal(strict.calls(), 1);
      equal(await ask(port, { ca: own.ca }), undefined, "without a certificate");
      equal(await ask(port, { ...pathsOf(it.stranger.client), ca: own.ca }), undefined, "with a stranger's");
      equal(await ask(port, { ...own, ca: it.stranger.caPath }), undefined, "of a server it does not trust");
      equal(await ask(port, own, "1.2"), undefined, "in TLS 1.2");
      equal(strict.calls(), 1);

      await using lenient = await ours(it.own.server.with({ minVersion: "TLSv1.2" }));
      equal(await ask(lenient.server.addr.port, own, "1.2"), TEXT);
      equal(await ask(lenient.server.addr.port, { ca: own.ca }, "1.2"), undefined, "without a certificate in TLS 1.2");
      equal(lenient.calls(), 1);
    },
  });
}

/** A server of somebody else's that demands certificates of a CA. */
type Serve = (own: Paths, version?: "1.2") => Promise<{ port: number } & AsyncDisposable>;

const PYTHON_SERVER = `
import http.server, ssl, sys
port, cert, key, ca, version = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200); self.end_headers(); self.wfile.write(b"theirs")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key); context.load_verify_locations(ca); context.verify_mode = ssl.CERT_REQUIRED
if version: context.maximum_version = ssl.TLSVersion.TLSv1_2
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
`;

const NODE_SERVER = `
const https = require("node:https"), { readFileSync } = require("node:fs");
const [port, cert, key, ca, version] = process.argv.slice(1);
https.createServer({ cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca), requestCert: true,
  rejectUnauthorized: true, ...(version ? { maxVersion: "TLSv1.2" } : {}) },
  (request, response) => response.end("theirs")).listen(Number(port), "127.0.0.1");
`;

const SERVERS: Record<string, Serve> = {
  openssl: async (own, version) => {
    const port = await freePort();
    const args = ["s_server", "-accept", `127.0.0.1:${port}`, "-cert", own.cert, "-key", own.key, "-CAfile", own.ca];
    args.push("-Verify", "2", "-verify_return_error", "-www", "-quiet", version ? "-tls1_2" : "-tls1_3");
    return closing(port, await start("openssl", args, { port }));
  },
  python3: async (own, version) => {
    const port = await freePort();
    const args = ["-c", PYTHON_SERVER, String(port), own.cert, own.key, own.ca, version ?? ""];
    return closing(port, await start("python3", args, { port }));
  },
  node: async (own, version) => {
    const port = await freePort();
    const args = ["-e", NODE_SERVER, "--", String(port), own.cert, own.key, own.ca, version ?? ""];
    return closing(port, await start("node", args, { port }));
  },
  nginx: async (own, version) => {
    const port = await freePort();
    const files = await nginxFolder(`server { listen 127.0.0.1:${port} ssl; ssl_certificate ${own.cert};
      ssl_certificate_key ${own.key}; ssl_client_certificate ${own.ca}; ssl_verify_client on;
      ssl_protocols ${version ? "TLSv1.2" : "TLSv1.3"}; location / { return 200 "theirs"; } }`);
    return closing(port, await start("nginx", files.args, { port }), files);
  },
  caddy: async (own, version) => {
    const port = await freePort();
    const { tls, policy } = await caddyTls(own, version);
    const server = {
      listen: [`127.0.0.1:${port}`],
      routes: [{ handle: [{ handler: "static_response", body: "theirs" }] }],
      tls_connection_policies: [policy],
      automatic_https: { disable: true },
    };
    return await caddy({ apps: { tls, http: { servers: { it: server } } } }, port);
  },
};

async function caddyTls(own: Paths, version: string | undefined) {
  const der = (await Deno.readTextFile(own.ca)).replace(/-----[A-Z ]+-----|\s/g, "");
  return {
    tls: { certificates: { load_files: [{ certificate: own.cert, key: own.key }] } },
    policy: {
      client_authentication: { mode: "require_and_verify", trusted_ca_certs: [der] },
      protocol_min: version ? "tls1.2" : "tls1.3",
      ...(version ? { protocol_max: "tls1.2" } : {}),
    },
  };
}

for (const [program, serve] of Object.entries(SERVERS)) {
  Deno.test({
    name: `fetchTls() is served by ${program}, refused by it without our certificate, and refuses a stranger's`,
    ignore: lacking(program),
    async fn() {
      await using it: Certificates = await certificates();
      await using server = await serve(pathsOf(it.own.server));
      const url = `https://localhost:${server.port}/`;
      const ask = async (config: TlsConfig, target = url) => {
        await using fetch = await fetchTls(config);
        const response = await fetch(target);
        return { status: response.status, text: await response.text() };
      };
      const { status, text } = await ask(it.own.client);
      equal(status, 200);
      match(text, program === "openssl" ? /s_server/ : /^theirs$/);

      const without = it.own.client.with({ certificatePath: undefined, privateKeyPath: undefined });
      const stranger = it.stranger.client.with({ caCertificatesPath: it.own.caPath });
      for (const config of [without, stranger]) {
        // nginx answers 400 over a connection it should not have; everyone else breaks it off.
        if (program === "nginx") equal((await ask(config)).status, 400);
        else await rejects(ask(config), (error) => isRefusal(error));
      }
      const distrusting = it.own.client.with({ caCertificatesPath: it.stranger.caPath });
      await rejects(ask(distrusting), { code: "untrusted_certificate" });

      await using old = await serve(pathsOf(it.own.server), "1.2");
      const oldUrl = `https://localhost:${old.port}/`;
      await rejects(ask(it.own.client, oldUrl), { code: "protocol_version" });
      equal((await ask(it.own.client.with({ minVersion: "TLSv1.2" }), oldUrl)).status, 200);
    },
  });
}

function isRefusal(error: unknown): boolean {
  ok(error instanceof TlsConnectionError, String(error));
  ok(error.code === "refused_by_peer" || error.code === "closed", `${error.code}: ${error.message}`);
  return true;
}
