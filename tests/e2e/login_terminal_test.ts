/**
 * Story: a person at a terminal logs in: sees the fingerprint, says yes or no, pastes a token that nobody sees, changes his mind.
 */
import { doesNotMatch, equal, match } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { helyos, ROOT, type RunningDaemon, startDaemon, temporaryFolder } from "../support/process.ts";
import { openTerminal, type PseudoTerminal, quoted } from "../support/pseudo_terminal.ts";

const FINGERPRINT = /SHA-256: ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})/;
const QUESTION = /Trust and pin this CA\? \[y\/N\] /;
const PASTE = /Paste a HELYOS API token for https:\/\/localhost:\d+: /;

/** Runs the CLI on a terminal; afterwards shows its exit code and how the terminal was left. */
function person(args: readonly string[], home: string): PseudoTerminal {
  const words = [join(ROOT, "scripts/launch.sh"), "cli", ...args].map(quoted).join(" ");
  return openTerminal(`sh -c 'echo "pid=$$"; exec sh "$@"' - ${words}; echo "exit=$?"; stty -a`, { home });
}

const addressOf = (daemon: RunningDaemon) => daemon.url.replace("127.0.0.1", "localhost");
const config = (home: string) => readFile(join(home, ".helyos/config.toml"), "utf8").catch(() => "none");

async function endsSanely(terminal: PseudoTerminal, exitCode: number): Promise<void> {
  await terminal.waitFor(new RegExp(`exit=${exitCode}\\n`));
  await terminal.end();
  match(terminal.shown(), /[ ;]icanon\b/, "the terminal reads lines again");
  match(terminal.shown(), /[ ;\n]echo\b/, "the terminal shows what is typed again");
  match(terminal.shown(), /[ ;\n]isig\b/, "Ctrl-C works again");
}

Deno.test("helyos login on a terminal shows the CA, asks, and reads a token that nobody sees", async () => {
  await using host = await temporaryFolder();
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  {
    await using terminal = person(["login", addressOf(daemon), "--name", "prod"], home.path);
    const [, fingerprint] = await terminal.waitFor(FINGERPRINT);
    const served = JSON.parse(
      new TextDecoder().decode(
        (await new Deno.Command("curl", { args: ["-sk", `${daemon.url}/api/v1/ca`] }).output()).stdout,
      ),
    );
    equal(fingerprint, served.sha256);
    await terminal.waitFor(QUESTION);
    await terminal.press("y");
    await terminal.waitFor(PASTE);
    await terminal.press(`\x1b[200~${daemon.token}\x1b[201~\r`);
    await terminal.waitFor(/✓ Logged in to https:\/\/localhost:\d+ as '.+'\. Context 'prod' is now active\./);
    await endsSanely(terminal, 0);
    doesNotMatch(terminal.shown(), /nxa-api_/);
    match(await config(home.path), new RegExp(`^ca-sha256 = "${fingerprint}"$`, "m"));
  }

  // The pin is kept by a logout, so that coming back is one paste.
  equal((await helyos(["logout"], { home: home.path })).code, 0);
  await using again = person(["login", addressOf(daemon)], home.path);
  await again.waitFor(PASTE);
  await again.press(`${daemon.token}\n`);
  await again.waitFor(/Context 'prod' is now active\./);
  await endsSanely(again, 0);
  doesNotMatch(again.shown(), QUESTION);
});

Deno.test("helyos login on a terminal pins nothing when the answer is no", async () => {
  await using host = await temporaryFolder();
  await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  for (const keys of ["n", "\r", "\x04"]) {
    await using home = await temporaryFolder();
    await using terminal = person(["login", addressOf(daemon)], home.path);
    await terminal.waitFor(QUESTION);
    await terminal.press(keys);
    await terminal.waitFor(/✗ aborted: CA not trusted/);
    await endsSanely(terminal, 1);
    equal(await config(home.path), "none");
  }
});

Deno.test("helyos login gives the terminal back after Ctrl-C and when it is killed", async () => {
  await using host = await temporaryFolder();
  await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  const fingerprint = JSON.parse(
    new TextDecoder().decode(
      (await new Deno.Command("curl", { args: ["-sk", `${daemon.url}/api/v1/ca`] }).output()).stdout,
    ),
  ).sha256;
  for (const question of [QUESTION, PASTE]) {
    await using home = await temporaryFolder();
    const pinned = question === PASTE ? ["--ca-fingerprint", fingerprint] : [];
    for (const end of ["Ctrl-C", "SIGTERM", "SIGHUP"] as const) {
      await using terminal = person(["login", addressOf(daemon), ...pinned], home.path);
      const [, pid] = await terminal.waitFor(/pid=(\d+)/);
      await terminal.waitFor(question);
      if (end === "Ctrl-C") await terminal.press("\x03");
      else Deno.kill(Number(pid), end);
      await endsSanely(terminal, 130);
      equal(await config(home.path), "none");
    }
  }
});

Deno.test("helyos login warns loudly when the CA is not the one pinned before", async () => {
  await using host = await temporaryFolder();
  await using other = await temporaryFolder();
  await using home = await temporaryFolder();
  const ca = join(host.path, ".helyos/data/http-ca.pem");
  let port = "";
  {
    await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
    port = new URL(daemon.url).port;
    const login = await helyos(["login", addressOf(daemon), "--ca-file", ca, "--token-stdin", "--name", "prod"], {
      home: home.path,
      stdin: daemon.token!,
    });
    equal(login.code, 0, login.stderr);
    await daemon.stop();
  }
  await using imposter = await startDaemon({ home: other.path, flags: ["--tls", "on", "--port", port] });
  await using terminal = person(["login", addressOf(imposter), "--name", "prod"], home.path);
  await terminal.waitFor(/this is NOT the CA pinned for this server before/);
  await terminal.waitFor(QUESTION);
  await terminal.press("n");
  await endsSanely(terminal, 1);
});
