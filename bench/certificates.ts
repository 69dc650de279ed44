/**
 * How long 100 certificates from pebble take, stored on disk with sealed keys and seen at the embedded proxy, beside a bare client that
 * orders one after the other and keeps nothing; and how long it is from `route add` to the first answer over HTTPS.
 *
 * With HELYOS_BENCH_LONG=1 also beside Caddy, which by its own limit starts ten orders in ten seconds.
 */
import { createServer } from "node:http";
import { request } from "node:https";
import { AcmeClient, httpSolver, obtainCertificate } from "@helyos/acme";
import { generateKeyPair } from "@helyos/pki";
import { createEmbeddedProxy } from "../daemon/proxy/embedded/embedded.ts";
import { createRoute } from "../daemon/routes/routes.ts";
import { openSqliteStore } from "../daemon/store/sqlite.ts";
import { BY, startBench, until } from "../tests/daemon/edge/support.ts";
import { freePort } from "../tests/support/free_port.ts";
import { startPebble } from "../tests/support/pebble.ts";
import { temporaryFolder } from "../tests/support/process.ts";
import { findTool } from "../tests/support/tools.ts";

const CERTIFICATES = 100;
const ROUNDS = 5;
/** RFC 8555 as its peers see it: pebble's own waits and refused nonces off, so that clients are measured. */
const pebble = await startPebble({ env: { PEBBLE_WFE_NONCEREJECT: "0" } });

const seconds = (since: number) => (performance.now() - since) / 1000;

async function bareClient(): Promise<number> {
  const solver = httpSolver();
  const server = createServer((incoming, response) => response.end(solver.answer(incoming.url ?? "")));
  await new Promise<void>((resolve) => server.listen(pebble.httpPort, "127.0.0.1", resolve));
  await using client = new AcmeClient({
    directoryUrl: pebble.directoryUrl,
    accountKey: await generateKeyPair(),
    ca: pebble.ca,
  });
  await client.register();
  const start = performance.now();
  for (let index = 0; index < CERTIFICATES; index++) {
    const names = [`bare-${index}.example.com`];
    await obtainCertificate({ client, names, key: await generateKeyPair(), solvers: [solver], profile: "default" });
  }
  const took = seconds(start);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return took;
}

async function daemon(): Promise<{ all: number; first: number }> {
  await using folder = await temporaryFolder();
  await using store = await openSqliteStore(`${folder.path}/state.db`);
  const httpsPort = await freePort();
  const upstream = createServer((_, response) => void response.end("ok"));
  const upstreamPort = await freePort();
  await new Promise<void>((resolve) => upstream.listen(upstreamPort, "127.0.0.1", resolve));
  await using bench = await startBench({
    pebble,
    store,
    openBackend: () => Promise.resolve(createEmbeddedProxy()),
    config: { httpsListen: { host: "127.0.0.1", port: httpsPort } },
  });
  const add = (domain: string) =>
    createRoute(bench.deps, {
      domain,
      project: "p",
      deployment: "d",
      tls_mode: "auto",
      upstreams: [`127.0.0.1:${upstreamPort}`],
    }, BY);
  const answers = (servername: string) =>
    new Promise<boolean>((resolve) => {
      const sent = request(
        { host: "127.0.0.1", port: httpsPort, servername, headers: { host: servername }, agent: false, ca: [root] },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode === 200));
        },
      );
      sent.on("error", () => resolve(false));
      sent.end();
    });
  const root = await pebble.root();
  await add("warm.example.com"); // makes the account
  await until(() => answers("warm.example.com"), "the first certificate");

  const start = performance.now();
  const domains = Array.from({ length: CERTIFICATES }, (_, index) => `daemon-${index}.example.com`);
  await Promise.all(domains.map(add));
  await until(() => {
    const { proxy } = bench.edge;
    const served = [...proxy.certificates()].filter((certificate) => proxy.seen(certificate).state === "served");
    return served.length > CERTIFICATES; // and the first one
  }, "all to be served");
  const all = seconds(start);

  const firsts: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const since = performance.now();
    await add(`first-${round}.example.com`);
    await until(() => answers(`first-${round}.example.com`), "an answer over HTTPS");
    firsts.push(seconds(since));
  }
  upstream.closeAllConnections();
  upstream.close();
  return { all, first: firsts.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]! };
}

async function caddy(program: string): Promise<number> {
  await using folder = await temporaryFolder();
  const httpsPort = await freePort();
  const names = Array.from({ length: CERTIFICATES }, (_, index) => `caddy-${index}.example.com`);
  await Deno.writeTextFile(`${folder.path}/ca.pem`, pebble.ca);
  await Deno.writeTextFile(
    `${folder.path}/Caddyfile`,
    `{
  admin off
  http_port ${pebble.httpPort}
  https_port ${httpsPort}
  acme_ca ${pebble.directoryUrl}
  acme_ca_root ${folder.path}/ca.pem
  email ops@example.com
}
${names.join(", ")} {
  tls {
    issuer acme {
      profile default
      disable_tlsalpn_challenge
    }
  }
  respond ok
}
`,
  );
  const child = new Deno.Command(program, {
    args: ["run", "--config", `${folder.path}/Caddyfile`, "--adapter", "caddyfile"],
    env: { HOME: folder.path, XDG_DATA_HOME: folder.path },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const start = performance.now();
  let obtained = 0;
  let rest = "";
  try {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      rest += chunk;
      obtained += rest.split("certificate obtained successfully").length - 1;
      rest = rest.slice(rest.lastIndexOf("\n") + 1);
      if (obtained >= CERTIFICATES) break;
      if (seconds(start) > 300) throw new Error(`Caddy got ${obtained} certificates in 300 seconds`);
    }
    return seconds(start);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

let failed = false;
function verdict(isGood: boolean, text: string): void {
  failed ||= !isGood;
  console.log(`${isGood ? "ok  " : "SLOW"} ${text}`);
}
const bare = await bareClient();
const ours = await daemon();
console.log(`${CERTIFICATES} certificates, a bare client one after the other: ${bare.toFixed(2)} s`);
console.log(`${CERTIFICATES} certificates, stored, sealed and seen at the proxy: ${ours.all.toFixed(2)} s`);
verdict(ours.all < bare, `ratio to the bare client: ${(bare / ours.all).toFixed(2)} times as fast (wanted: above 1)`);
verdict(ours.first < 2, `from route add to the first answer over HTTPS: ${ours.first.toFixed(2)} s (wanted: below 2)`);
const program = findTool("caddy");
if (program !== undefined && Deno.env.get("HELYOS_BENCH_LONG") === "1") {
  const theirs = await caddy(program);
  console.log(`${CERTIFICATES} certificates, Caddy: ${theirs.toFixed(2)} s`);
  verdict(ours.all < theirs, `ratio to Caddy: ${(theirs / ours.all).toFixed(1)} times as fast (wanted: above 1)`);
}
await pebble[Symbol.asyncDispose]();
Deno.exit(failed ? 1 : 0);
