/**
 * Story: a stranger follows the README. Every command of its tour runs, in order, in one shell.
 */
import { equal, match, ok } from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { ROOT, run, temporaryFolder } from "../support/process.ts";
import { lacking } from "../support/tools.ts";

/** A test that asks programs of the system to judge. */
const judged = lacking("bash", "curl") ? Deno.test.ignore : Deno.test;

/** The fenced blocks of a page whose info string is `info`. */
export function blocks(markdown: string, info: string): string[] {
  return [...markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].filter((one) => one[1] === info).map((one) =>
    one[2]!
  );
}

judged("README.md: the five-minute tour works line by line", async () => {
  await using home = await temporaryFolder();
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const commands = blocks(readme, "sh tour");
  ok(commands.length >= 6);
  // Tests share the machine: the port is theirs to choose. The tour stands in the checkout and calls deno by name.
  const port = String(await freePort());
  const script = commands.join("\n").replaceAll("6443", port);
  const bin = join(home.path, "bin");
  await Deno.mkdir(bin);
  await Deno.symlink(Deno.execPath(), join(bin, "deno"));
  // What "Run it" left behind
  const before = join(home.path, ".helyos/config.toml");
  const contexts = 'current-context = "local"\n\n[context.local]\nserver = "http://localhost:6443"\n';
  await Deno.mkdir(join(home.path, ".helyos"));
  await writeFile(before, contexts);
  const file = join(home.path, "tour.sh");
  await writeFile(file, `set -e\nset -m\ntrap 'kill %1 2>/dev/null || true' EXIT\n${script}`);
  const tour = await run("bash", [file], {
    home: home.path,
    cwd: ROOT,
    env: { PATH: `${bin}:${Deno.env.get("PATH")}` },
  });
  equal(tour.code, 0, `${tour.stdout}\n${tour.stderr}`);
  for (
    const said of [
      /✓ Project 'shop' created/,
      /Logged in to https:\/\/localhost:\d+ as 'alice'/,
      /✓ Revoked API token 'alice'/,
    ]
  ) {
    match(tour.stdout, said);
  }
  match(tour.stderr, /missing or invalid bearer token/);
  equal(await readFile(before, "utf8"), contexts);
});

Deno.test("README.md: its start command serves and its CLI command answers, from a home that has never seen Helyos", async () => {
  await using home = await temporaryFolder();
  const task = (args: string[]) => ({ args: ["task", "--quiet", ...args], cwd: ROOT });
  const env = { ...(await import("../support/process.ts")).environment(home.path), INIT_CWD: home.path };
  const daemon = new Deno.Command(Deno.execPath(), {
    ...task(["start", "--port", "0"]),
    env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  for await (const chunk of daemon.stderr.pipeThrough(new TextDecoderStream())) {
    log += chunk;
    if (/API listening on/.test(log)) break;
  }
  const status = await new Deno.Command(Deno.execPath(), {
    ...task(["helyos", "status", "--json"]),
    env,
    clearEnv: true,
  }).output();
  daemon.kill("SIGTERM");
  await daemon.status;
  equal(status.code, 0, new TextDecoder().decode(status.stderr));
  equal(JSON.parse(new TextDecoder().decode(status.stdout)).cluster, "single-node");
});
