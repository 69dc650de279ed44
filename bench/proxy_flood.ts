/**
 * Whether visitors slow the API: `whoami` over TLS while wrk floods a route of the embedded proxy, which is a thread of the daemon, beside
 * the same while the same flood goes through an nginx that has nothing to do with the daemon. What is left is what they share a machine for.
 */
import { join } from "node:path";
import { freePort } from "../tests/support/free_port.ts";
import { helyos, startDaemon, temporaryFolder } from "../tests/support/process.ts";
import { tool } from "../tests/support/tools.ts";

const ROUNDS = 5;
const SECONDS = 2;
const VISITORS = 64;
const LEAST_OF_APART = 0.6;

await using home = await temporaryFolder();
const [httpPort, httpsPort, nginxPort, upstreamPort] = [
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
];
const flags = [
  ...["--tls", "on", "--proxy-backend", "embedded"],
  ...["--http-listen", `127.0.0.1:${httpPort}`, "--https-listen", `127.0.0.1:${httpsPort}`],
];
await using _nginx = await startNginx(home.path);
await using daemon = await startDaemon({ home: home.path, flags });
const route = ["route", "add", "localhost.test", "-p", "bench", "--deployment", "bench"];
const added = await helyos([...route, "--upstream", `127.0.0.1:${upstreamPort}`], { home: home.path });
if (added.code !== 0) throw new Error(added.stderr);

interface Load {
  readonly rate: number;
  readonly p99Ms: number;
}

async function load(url: string, connections: number, ...fields: string[]): Promise<Load> {
  const { stdout } = await new Deno.Command(tool("wrk"), {
    args: [
      ...["-t1", `-c${connections}`, `-d${SECONDS}s`, "--latency"],
      ...fields.flatMap((field) => ["-H", field]),
      url,
    ],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (/Non-2xx/.test(text)) throw new Error(text);
  const [, value = "NaN", unit = ""] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit] ?? NaN;
  return { rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), p99Ms: Number(value) * factor };
}

const api = () => load(`${daemon.url}/api/v1/whoami`, 4, `Authorization: Bearer ${daemon.token ?? ""}`);
const flood = (port: number) => load(`http://127.0.0.1:${port}/`, VISITORS, "Host: localhost.test");

const rounds: { quiet: Load; inside: Load; apart: Load; visitors: Load }[] = [];
for (let round = -1; round < ROUNDS; round++) {
  const quiet = await api();
  const [inside, visitors] = await Promise.all([api(), flood(httpPort)]);
  const [apart] = await Promise.all([api(), flood(nginxPort)]);
  if (round >= 0) rounds.push({ quiet, inside, apart, visitors });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
const of = (what: (round: typeof rounds[number]) => number) => median(rounds.map(what));
const ratio = of(({ inside, apart }) => inside.rate / apart.rate);
const isGood = ratio >= LEAST_OF_APART;
const tell = (load: "quiet" | "inside" | "apart") =>
  `${Math.round(of((round) => round[load].rate))}/s, 99 % within ${of((round) => round[load].p99Ms).toFixed(1)} ms`;
// deno-lint-ignore no-console
console.log(
  `${isGood ? "ok  " : "LOW "}the API while ${VISITORS} visitors flood the embedded proxy: ${
    ratio.toFixed(2)
  } of what it is while ` +
    `they flood an nginx apart (at least ${LEAST_OF_APART}); ${tell("inside")}, against ${tell("apart")}; ${
      tell("quiet")
    } ` +
    `when quiet; visitors had ${Math.round(of(({ visitors }) => visitors.rate))}/s`,
);
if (!isGood) Deno.exit(1);

async function startNginx(folder: string): Promise<AsyncDisposable> {
  const config = join(folder, "nginx.conf");
  await Deno.writeTextFile(
    config,
    `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream u { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${upstreamPort}; location / { return 200 "hello, this is a short answer"; } }
  server { listen 127.0.0.1:${nginxPort}; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
  );
  const child = new Deno.Command(tool("nginx"), { args: ["-c", config], stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM"); // its workers outlive a master that was killed
      await child.status;
    },
  };
}
