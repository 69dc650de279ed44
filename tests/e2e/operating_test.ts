/**
 * Story: an operator's day. Waits for the daemon to come up, makes and removes projects, hands out a token that may only
 * look, and sees who did what.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { helyos, ROOT, startDaemon, temporaryFolder } from "../support/process.ts";
import { openTerminal, quoted } from "../support/pseudo_terminal.ts";

Deno.test("helyos status --wait is there before the daemon is, and ends well once it serves", async () => {
  await using home = await temporaryFolder();
  const port = await freePort();
  const token = `nxa-api_${"5e".repeat(32)}`;
  const env = { HELYOS_SERVER: `http://127.0.0.1:${port}`, HELYOS_API_TOKEN: token };
  const waiting = helyos(["status", "--wait", "60", "--json"], { home: home.path, env });
  await using _daemon = await startDaemon({
    home: home.path,
    flags: [`--port=${port}`],
    env: { HELYOS_API_TOKEN: token },
  });
  const { code, stdout, stderr } = await waiting;
  equal(code, 0, stderr);
  const status = JSON.parse(stdout);
  deepEqual([status.cluster, status.tls, status.certificate], ["single-node", "http", null]);
});

Deno.test("an operator makes and removes projects, and a read token changes nothing", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path, flags: ["--tls", "on"] });
  const cli = (...args: string[]) => helyos(args, { home: home.path });

  const status = JSON.parse((await cli("status", "--json")).stdout);
  deepEqual([status.tls, status.identity.scope, status.projects], ["pinned", "admin", 0]);
  equal(status.certificate.days_left, 89, "the certificate lives 90 days");

  equal((await cli("project", "create", "shop")).stdout, "✓ Project 'shop' created\n");
  const twice = await cli("project", "create", "shop");
  deepEqual([twice.code, twice.stdout], [1, ""]);
  match(twice.stderr, /project 'shop' already exists/);
  equal((await cli("project", "suspend", "shop")).code, 0);
  const listed = JSON.parse((await cli("project", "list", "--json")).stdout);
  deepEqual(listed.map(({ name, status }: { name: string; status: string }) => [name, status]), [[
    "shop",
    "suspended",
  ]]);
  const curled = await new Deno.Command("curl", {
    args: ["-s", "--cacert", join(home.path, ".helyos/data/http-ca.pem"), `${daemon.url}/api/v1/projects`, "-H"]
      .concat(`Authorization: Bearer ${daemon.token}`),
  }).output();
  deepEqual(JSON.parse(new TextDecoder().decode(curled.stdout)), listed, "curl sees the same");

  const reader = JSON.parse((await cli("auth", "token", "create", "watch", "--scope", "read", "--json")).stdout);
  const asReader = (...args: string[]) => helyos(args, { home: home.path, env: { HELYOS_API_TOKEN: reader.token } });
  equal((await asReader("project", "list")).code, 0);
  for (const forbidden of [["project", "delete", "shop", "-y"], ["auth", "token", "ls"], ["audit"]]) {
    const { code, stdout, stderr } = await asReader(...forbidden, "--json");
    deepEqual([code, stdout, JSON.parse(stderr).code], [1, "", "forbidden"]);
  }

  const line = [join(ROOT, "scripts/launch.sh"), "cli", "project", "delete", "shop"].map(quoted).join(" ");
  for (const [key, answer, left] of [["\r", "no", 1], ["y", "yes", 0]] as const) {
    await using terminal = openTerminal(`sh ${line}; echo "exit=$?"`, { home: home.path });
    await terminal.waitFor(/delete project 'shop' and all its resources\? \[y\/N\] /);
    await terminal.press(key);
    await terminal.waitFor(new RegExp(`${answer}\\n`));
    await terminal.waitFor(/exit=0\n/);
    await terminal.end();
    equal(JSON.parse((await cli("project", "list", "--json")).stdout).length, left);
  }

  const audit = JSON.parse((await cli("audit", "--json", "--limit", "4")).stdout) as Record<string, string>[];
  deepEqual(audit.map(({ action, target }) => `${action} ${target}`), [
    "project.delete shop",
    "token.create watch",
    "project.suspend shop",
    "project.create shop",
  ]);
});

Deno.test("listings say that the context's project narrows them, and --all-projects widens them", async () => {
  await using home = await temporaryFolder();
  await using _daemon = await startDaemon({ home: home.path });
  const cli = (...args: string[]) => helyos(args, { home: home.path });
  const narrowed = await cli("pods", "--json");
  deepEqual([narrowed.code, narrowed.stdout], [0, "[]\n"]);
  match(narrowed.stderr, /only project 'default', the default of context 'local'.*helyos pods --all-projects\n$/);
  deepEqual(await cli("pods", "--json", "--all-projects"), { code: 0, stdout: "[]\n", stderr: "" });
});
