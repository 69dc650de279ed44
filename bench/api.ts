/**
 * How much the API costs beside what the platform gives: authenticated `whoami` over TLS on 32 kept connections beside a
 * bare `Deno.serve` that says `ok`, and beside one that sends the same answer with the same headers, which is the limit;
 * the same while 8 clients flood wrong tokens; what the daemon takes to start and to sit there. wrk makes the load, in a process of its own.
 */
import { join } from "node:path";
import { ROOT, startDaemon, temporaryFolder } from "../tests/support/process.ts";
import { tool } from "../tests/support/tools.ts";

const ROUNDS = 5;
const SECONDS = 2;
/** The thread ends after 30 idle seconds. */
const ARGON2_IDLE_MS = 33_000;
const wrk = tool("wrk");

await using home = await temporaryFolder();
const started = performance.now();
await using daemon = await startDaemon({ home: home.path, flags: ["--tls", "on"] });
const firstStart = performance.now() - started;
const authorization = `Bearer ${daemon.token ?? ""}`;
const data = join(home.path, ".helyos/data");

const fresh = await residentMegabytes(daemon.pid);
await using bare = await startBare();
await using limit = await startBare(await identity());

/** Requests answered with 2xx in a second. */
async function load(url: string, connections: number, more: readonly string[] = []): Promise<number> {
  const args = ["-t1", `-c${connections}`, `-d${SECONDS}s`, ...more, `${url}/api/v1/whoami`];
  const { stdout, stderr } = await new Deno.Command(wrk, { args }).output();
  const text = new TextDecoder().decode(stdout);
  const [, requests, seconds] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
  if (requests === undefined) throw new Error(`wrk failed: ${text}${new TextDecoder().decode(stderr)}`);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  return (Number(requests) - refused) / Number(seconds);
}

const good = ["-H", `Authorization: ${authorization}`];
const flood = ["-s", join(ROOT, "bench/support/wrong_tokens.lua")];
const results = { bare: [] as number[], limit: [] as number[], quiet: [] as number[], flooded: [] as number[] };
for (let round = -1; round < ROUNDS; round++) {
  const bareRate = await load(bare.url, 32);
  const limitRate = await load(limit.url, 32);
  const quiet = await load(daemon.url, 32, good);
  const [flooded] = await Promise.all([load(daemon.url, 32, good), load(daemon.url, 8, flood)]);
  if (round < 0) continue; // The first round compiles the code.
  results.bare.push(bareRate);
  results.limit.push(limitRate);
  results.quiet.push(quiet);
  results.flooded.push(flooded);
}

report("whoami to a bare Deno.serve that says ok", results.quiet, results.bare, 0.6);
report("whoami to a bare Deno.serve with the same answer and headers", results.quiet, results.limit);
report("good tokens while 8 clients flood wrong ones, to quiet", results.flooded, results.quiet, 0.5);
console.log(`first start over TLS, launcher included: ${firstStart.toFixed(0)} ms`);
const loaded = await residentMegabytes(daemon.pid);
await new Promise((resolve) => setTimeout(resolve, ARGON2_IDLE_MS));
const idle = await residentMegabytes(daemon.pid);
console.log(
  `memory: ${fresh} MB started, with the Argon2id thread; ${loaded} MB after the load; ${idle} MB idle again`,
);

/** The ratio of each round, because what else the machine does hits the runs of one round alike. */
function report(what: string, ours: readonly number[], peer: readonly number[], least?: number): void {
  const ratios = ours.map((rate, round) => rate / peer[round]!).sort((a, b) => a - b);
  const ratio = ratios[Math.floor(ratios.length / 2)]!;
  const rates = `${median(ours).toFixed(0)}/s to ${median(peer).toFixed(0)}/s`;
  const verdict = least === undefined ? "" : ` (at least ${least}: ${ratio >= least ? "ok" : "under"})`;
  console.log(`${what}: ${rates}, median ratio ${ratio.toFixed(2)}${verdict}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function startBare(answer?: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-config",
      "--no-prompt",
      "--allow-net",
      `--allow-read=${data}`,
      join(ROOT, "bench/support/bare_server.ts"),
      join(data, "http-server.pem"),
      join(data, "http-server-key.pem"),
      ...(answer === undefined ? [] : [answer]),
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value: port = "" } = await reader.read();
  reader.releaseLock();
  return {
    url: `https://127.0.0.1:${port.trim()}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.stdout.cancel().catch(() => {/* it is gone with the process */});
      await child.status;
    },
  };
}

/** What the daemon answers, so that a bare server sends as many bytes. */
async function identity(): Promise<string> {
  const caCerts = [await Deno.readTextFile(join(data, "http-ca.pem"))];
  using client = Deno.createHttpClient({ caCerts });
  const response = await fetch(`${daemon.url}/api/v1/whoami`, { client, headers: { authorization } });
  return await response.text();
}

/** `/proc` itself is closed to all but programs with every permission. */
async function residentMegabytes(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", String(pid)] }).output();
  return Math.round(Number(new TextDecoder().decode(stdout)) / 1024);
}
