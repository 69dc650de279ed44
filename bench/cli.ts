/**
 * How long the CLI takes to start: `helyos --version` beside an empty program, and `helyos whoami` beside a bare script
 * that makes the same request to the same daemon with the same pinned CA. Started as an operator starts it, through the
 * launcher, with its permissions.
 */
import { join } from "node:path";
import { environment, helyos, ROOT, startDaemon, temporaryFolder } from "../tests/support/process.ts";
import { type Contender, medianTimes } from "./support/interleave.ts";

const ROUNDS = 31;

await using home = await temporaryFolder();
await using daemon = await startDaemon({ home: home.path, flags: ["--tls", "on"] });
const token = daemon.token ?? "";
const ca = await Deno.readTextFile(join(home.path, ".helyos/data/http-ca.pem"));
const caFile = join(home.path, "ca.pem");
await Deno.writeTextFile(caFile, ca);
const login = ["login", daemon.url, "--token-stdin", "--ca-file", caFile, "--name", "bench"];
const loggedIn = await helyos(login, { home: home.path, stdin: `${token}\n` });
if (loggedIn.code !== 0) throw new Error(`could not log in: ${loggedIn.stderr}`);
const facts = join(home.path, "facts.json");
await Deno.writeTextFile(facts, JSON.stringify({ url: daemon.url, ca, token }));

const env = environment(home.path);
const deno = (flags: readonly string[], ...command: readonly string[]): Contender => ({
  program: Deno.execPath(),
  args: ["run", "--quiet", "--no-config", "--no-prompt", ...flags, ...command],
  env,
});
const cli = (...args: string[]): Contender => ({
  program: "sh",
  args: [join(ROOT, "scripts/launch.sh"), "cli", ...args],
  env,
});

const times = await medianTimes({
  empty: deno([], join(ROOT, "bench/support/empty.ts")),
  version: cli("--version"),
  bare: deno(["--allow-net", `--allow-read=${facts}`], join(ROOT, "bench/support/pinned_request.ts"), facts),
  whoami: cli("whoami"),
}, ROUNDS);

function report(what: string, [ours, peer]: readonly [ours: number, peer: number], most: number): void {
  const ratio = ours / peer;
  const verdict = ratio <= most ? "ok" : "over";
  console.log(
    `${what}: ${ours.toFixed(1)} ms to ${peer.toFixed(1)} ms = ${ratio.toFixed(2)} (at most ${most}: ${verdict})`,
  );
}

report("helyos --version to an empty deno run", [times.version, times.empty], 2);
report("helyos whoami to the same pinned request from a bare script", [times.whoami, times.bare], 1.5);
