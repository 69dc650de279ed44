import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunProgram } from "../../../cli/certs/remote/process.ts";
import { parseRegistry } from "../../../cli/certs/registry.ts";
import { machinesOf } from "../../../cli/certs/remote/machines.ts";
import { localShell, sshShell } from "../../../cli/certs/remote/shell.ts";
import { temporaryFolder } from "../../support/process.ts";
import { freePort } from "../../support/free_port.ts";
import { lackingSshd, startSshd } from "../../support/sshd.ts";

/** Records what would be run. */
function recorder(code = 0, stderr = "") {
  const calls: { program: string; args: readonly string[] }[] = [];
  const run: RunProgram = (program, args) => {
    calls.push({ program, args });
    return Promise.resolve({ code, stdout: "", stderr });
  };
  return { calls, run };
}

Deno.test("sshShell() refuses addresses, users and ports that ssh would take for something else", () => {
  for (const host of ["-oProxyCommand=id", "a b", "a;b", "", "a/b", "user@host", "$(id)"]) {
    throws(() => sshShell({ machine: "m", host }), { code: "bad_registry" }, host);
  }
  for (const user of ["-l", "a b", "a@b", "", "a'b"]) {
    throws(() => sshShell({ machine: "m", host: "h", user }), { code: "bad_registry" }, user);
  }
  for (const port of [0, 65536, 1.5, NaN, -1]) {
    throws(() => sshShell({ machine: "m", host: "h", port }), { code: "bad_registry" });
  }
});

Deno.test("a shell refuses to send the CA's key, whoever asks", async () => {
  await using folder = await temporaryFolder();
  const { calls, run } = recorder();
  const paths = ["/home/a/.helyos/pki/ca/ca-key.pem", "/x/root-key.pem", "/p/ca/key.pem", "/p/ca/intermediate-key.pem"];
  for (const shell of [sshShell({ machine: "m", host: "h" }, {}, run), localShell("here", run)]) {
    for (const path of paths) await rejects(() => shell.upload(["/tmp/a", path], "/srv"), { code: "ca_key" });
    const combined = join(folder.path, "ca-cert.pem");
    await writeFile(combined, "-----BEGIN CERTIFICATE-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    await rejects(() => shell.upload([combined], "/srv"), { code: "ca_key" });
  }
  deepEqual(calls, []);
});

Deno.test("sshShell() gives ssh and scp port, BatchMode, a time limit and quoted words, each as an argument of its own", async () => {
  const { calls, run } = recorder();
  const shell = sshShell({ machine: "m", host: "10.0.0.1", user: "deploy", port: 2222 }, { config: "/c" }, run);
  await shell.run('echo "$1"', ["a 'b"]);
  await shell.upload(["/tmp/x y.pem"], "/srv/a");
  const [ssh, scp] = calls;
  deepEqual([ssh?.program, scp?.program], ["ssh", "scp"]);
  for (const { args } of calls) {
    equal(args[args.indexOf("BatchMode=yes") - 1], "-o");
    equal(args.includes("ConnectTimeout=10"), true);
    equal(args[args.indexOf("-F") + 1], "/c");
    equal(args.some((word) => word.startsWith("StrictHostKeyChecking")), false);
  }
  equal(ssh?.args[ssh.args.indexOf("-p") + 1], "2222");
  equal(scp?.args[scp.args.indexOf("-P") + 1], "2222");
  deepEqual(ssh?.args.slice(-2), ["deploy@10.0.0.1", `'sh' '-c' 'echo "$1"' 'helyos' 'a '\\''b'`]);
  deepEqual(scp?.args.slice(-3), ["--", "/tmp/x y.pem", "deploy@10.0.0.1:/srv/a/"]);
});

Deno.test("sshShell() writes an IPv6 address as each program wants it", async () => {
  const { calls, run } = recorder();
  const shell = sshShell({ machine: "m", host: "fd00::1" }, { acceptNewHosts: true }, run);
  await shell.run(":");
  await shell.upload(["/a"], "/srv");
  equal(calls[0]?.args.at(-2), "fd00::1");
  equal(calls[1]?.args.at(-1), "[fd00::1]:/srv/");
  equal(calls[0]?.args.includes("StrictHostKeyChecking=accept-new"), true);
});

Deno.test("machinesOf() waits once for a machine that is away, however much was to be done there", async () => {
  const { calls, run } = recorder(255, "ssh: connect to host 10.0.0.1 port 22: Connection timed out");
  const registry = parseRegistry("hosts: {a: {ip: 10.0.0.1}}", "registry.yml");
  const options = { "accept-new-hosts": false, "ssh-config": undefined };
  const machines = machinesOf(registry, { options, io: { env: () => undefined }, hostname: "here", run });
  for (let at = 0; at < 3; at++) await rejects(() => machines("a").run(":"), { code: "unreachable" });
  equal(calls.length, 1);
});

Deno.test("sshShell() names machine and address when nobody answers", async () => {
  const shell = sshShell({ machine: "mini1", host: "127.0.0.1", port: await freePort() });
  await rejects(() => shell.run(":"), {
    code: "unreachable",
    message: /^cannot reach mini1 \(127\.0\.0\.1\): .*refused/,
  });
});

Deno.test({
  name: "sshShell() trusts no host key it does not know, unless told to, and never a changed one",
  ignore: lackingSshd(),
  async fn() {
    await using sshd = await startSshd();
    const target = { machine: "m", host: "127.0.0.1", user: sshd.user, port: sshd.port };
    const options = { config: sshd.clientConfig };
    const known = await Deno.readTextFile(sshd.knownHosts);
    await writeFile(sshd.knownHosts, "");
    await rejects(() => sshShell(target, options).run(":"), { code: "host_key_unknown" });
    equal((await sshShell(target, { ...options, acceptNewHosts: true }).run(":")).code, 0);
    equal((await sshShell(target, options).run(":")).code, 0);
    const other = "AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjWlc1Bjvqp7TXF0S1z2";
    await writeFile(sshd.knownHosts, known.replace(/AAAA\S+/, other));
    for (const acceptNewHosts of [false, true]) {
      await rejects(() => sshShell(target, { ...options, acceptNewHosts }).run(":"), { code: "host_key_changed" });
    }
  },
});

Deno.test({
  name: "sshShell() says who was not let in",
  ignore: lackingSshd(),
  async fn() {
    await using sshd = await startSshd();
    const target = { machine: "m", host: "127.0.0.1", user: "nobody", port: sshd.port };
    await rejects(() => sshShell(target, { config: sshd.clientConfig }).run(":"), {
      code: "unreachable",
      message: /^cannot log in to m \(127\.0\.0\.1\): .*Permission denied/,
    });
  },
});

Deno.test({
  name: "a shell runs scripts with their arguments and puts files, here and there alike",
  ignore: lackingSshd(),
  async fn() {
    await using sshd = await startSshd();
    await using folder = await temporaryFolder();
    const target = { machine: "m", host: "127.0.0.1", user: sshd.user, port: sshd.port };
    const file = join(folder.path, "a key.pem");
    await writeFile(file, "secret\n", { mode: 0o600 });
    for (const [index, shell] of [localShell(), sshShell(target, { config: sshd.clientConfig })].entries()) {
      const words = ["it's", "a b", "$HOME", "", "x\ny"];
      const said = await shell.run(`printf '%s\\037' "$@"; cat; exit 7`, words);
      deepEqual([said.code, said.stdout], [7, words.map((word) => `${word}\x1f`).join("")]);
      const to = join(folder.path, `to${index}`);
      await Deno.mkdir(to);
      await shell.upload([file], to);
      equal(await Deno.readTextFile(join(to, "a key.pem")), "secret\n");
      equal((await Deno.stat(join(to, "a key.pem"))).mode! & 0o777, 0o600);
      await rejects(() => shell.upload([file], join(folder.path, "no-such")), { code: "upload_failed" });
    }
    match(sshd.log(), /Accepted publickey/);
  },
});
