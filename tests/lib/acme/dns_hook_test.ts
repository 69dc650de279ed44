/**
 * Programs that prove names by DNS, as the library and the daemon run them.
 */
import { equal, match, ok, rejects } from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { dnsHookSolver, type HookRunner } from "@helyos/acme";
import { runHook } from "../../../daemon/certificates/dns_hook.ts";
import { temporaryFolder } from "../../support/process.ts";

const ANSWER = {
  name: "a.example",
  token: "t",
  keyAuthorization: "k",
  recordName: "_acme-challenge.a.example",
  recordValue: "v",
};

const RUNNERS: readonly (readonly [string, HookRunner | undefined])[] = [["the library", undefined], [
  "the daemon",
  runHook,
]];

for (const [who, run] of RUNNERS) {
  Deno.test(`dnsHookSolver() lets go of a program that ${who} stopped, whatever that left running`, async () => {
    await using folder = await temporaryFolder();
    const [program, freed] = [join(folder.path, "hook"), join(folder.path, "freed")];
    // Goes on writing until nobody reads any more
    const left = `trap '' PIPE; for n in $(seq 400); do echo on >&2 || { echo yes >${freed}; exit; }; sleep 0.05; done`;
    await writeFile(program, `#!/bin/sh\n(${left}) &\nwait\n`, { mode: 0o700 });
    const solver = dnsHookSolver({ program, timeoutMs: 500, ...(run === undefined ? {} : { run }) });
    await rejects(solver.present(ANSWER, AbortSignal.timeout(30_000)), /did not end within 500 ms/);
    for (const deadline = performance.now() + 10_000; await stat(freed).then(() => false, () => true);) {
      ok(performance.now() < deadline, "its standard error is still open");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  Deno.test(`dnsHookSolver() is held up by no program that ${who} runs, and tells what it said`, async () => {
    await using folder = await temporaryFolder();
    const said = join(folder.path, "said");
    const solver = async (script: string, timeoutMs = 20_000) => {
      const program = join(folder.path, crypto.randomUUID());
      await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
      return dnsHookSolver({ program, timeoutMs, ...(run === undefined ? {} : { run }) });
    };
    const signal = AbortSignal.timeout(30_000);

    const good = await solver(`echo "$@" >>${said}`);
    await good.present(ANSWER, signal);
    await good.cleanUp(ANSWER);
    const lines = (await Deno.readTextFile(said)).split("\n");
    equal(lines[0], "present _acme-challenge.a.example v");
    equal(lines[1], "cleanup _acme-challenge.a.example v");

    const locked = await solver("echo zone is locked >&2\nexit 3");
    await rejects(locked.present(ANSWER, signal), /ended with code 3: zone is locked/);
    const long = await solver("yes | head -c 1000000 >&2\nexit 3");
    const error: Error = await long.present(ANSWER, signal).then(() => new Error(), (e) => e);
    match(error.message, /code 3: y/);
    ok(error.message.length < 100_000, `${error.message.length} characters`);
    const program = join(folder.path, "none");
    const missing = dnsHookSolver({ program, ...(run === undefined ? {} : { run }) });
    await rejects(missing.cleanUp(ANSWER), /could not be run/);

    const started = performance.now();
    await rejects((await solver("sleep 20", 300)).present(ANSWER, signal), /did not end within 300 ms/);
    const pidFile = join(folder.path, "pid");
    const deaf = await solver(`trap '' TERM\necho $$ >${pidFile}\nexec sleep 60`, 300);
    await rejects(deaf.present(ANSWER, signal), /did not end within 300 ms/);
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 300);
    await rejects((await solver("sleep 20")).present(ANSWER, controller.signal), (thrown) => thrown === reason);
    await (await solver("sleep 20 &\nexit 0")).present(ANSWER, signal);
    ok(performance.now() - started < 10_000, "what they leave running holds nobody up");
    const pid = (await Deno.readTextFile(pidFile)).trim();
    const lives = () => {
      try {
        return process.kill(Number(pid), 0);
      } catch {
        return false;
      }
    };
    for (const end = Date.now() + 10_000; lives() && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    equal(lives(), false, "who does not hear is ended");
  });
}
