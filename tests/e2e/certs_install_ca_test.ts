/**
 * Story: every machine comes to trust the CA, one that cannot be reached stops no other, and all of it can be undone.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { chmod, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type Cluster, startCluster, succeeded } from "../support/cluster.ts";
import { freePort } from "../support/free_port.ts";
import { environment, helyos, ROOT, run, temporaryFolder } from "../support/process.ts";
import { lackingSshd } from "../support/sshd.ts";
import { findTool, lacking } from "../support/tools.ts";

async function canMount(): Promise<boolean> {
  if (userInfo().uid !== 0 || findTool("unshare") === undefined) return false;
  return (await run("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { home: "/" })).code === 0;
}
const lacks = lackingSshd() || lacking("update-ca-certificates", "curl") || !await canMount();

/** Makes what runs through sshd see a copy of this machine's trust store. */
async function scratchStore(folder: string): Promise<{ forced: string; enter: string; anchors: string }> {
  const [etc, share] = [join(folder, "etc-ssl"), join(folder, "share")];
  await cp("/etc/ssl", etc, { recursive: true, verbatimSymlinks: true });
  await mkdir(join(share, "ca-certificates"), { recursive: true });
  const enter = join(folder, "enter");
  await writeFile(
    enter,
    `#!/bin/sh\nexec unshare -m sh -ec 'mount --bind ${etc} /etc/ssl; mount --bind ${share} /usr/local/share; exec "$@"' enter "$@"\n`,
  );
  const forced = join(folder, "forced");
  await writeFile(
    forced,
    `#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
  *sftp*) exec /usr/lib/openssh/sftp-server ;;
  *) exec ${enter} sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac\n`,
  );
  for (const path of [enter, forced]) await chmod(path, 0o755);
  return { forced, enter, anchors: join(share, "ca-certificates") };
}

const states = (stdout: string) =>
  JSON.parse(stdout).map(({ machine, state }: { machine: string; state: string }) => `${machine} ${state}`);

Deno.test({
  name: "helyos certs install-ca makes every host of the registry trust the CA, goes on after a bad one, and is undone",
  ignore: lacks,
  async fn() {
    await using folder = await temporaryFolder();
    const { forced, enter, anchors } = await scratchStore(folder.path);
    await using cluster: Cluster = await startCluster({ forceCommand: forced });
    await cluster.register({ api: { hostname: "api.internal", current_host: "mini1", docker_compose: "/api/c.yml" } }, {
      away: { ip: "127.0.0.1", ssh_port: await freePort() },
      nameless: {},
    });
    equal((await cluster.certs("install-ca")).code, 1); // There is no CA yet.
    for (const word of ["init-ca", "generate-all-servers"]) succeeded(await cluster.certs(word));

    const all = await cluster.certs("install-ca", "--json");
    equal(all.code, 1);
    deepEqual(states(all.stdout), ["mini1 installed", "away failed", "nameless failed"]);
    const one = succeeded(await cluster.certs("install-ca", "mini1"));
    match(one.stdout, /mini1: trusted the CA already \(debian\)/);
    const pki = join(cluster.home, ".helyos/pki");
    const trusts = async () =>
      (await run(enter, ["openssl", "verify", "-CApath", "/etc/ssl/certs", join(pki, "certs/api/server-cert.pem")], {
        home: "/",
      })).code === 0;
    equal(await trusts(), true);
    equal((await readdir(anchors)).length, 1);

    const people = await cluster.certs("install-ca", "mini1", "away");
    match(
      people.stderr,
      /away: cannot reach away \(127\.0\.0\.1\): .*\n {2}hint: is it up.*\n.*could not change 1 of 2: away/,
    );
    const undone = succeeded(await cluster.certs("uninstall-ca", "mini1", "--json"));
    deepEqual(states(undone.stdout), ["mini1 removed"]);
    equal(await trusts(), false);
    deepEqual(await readdir(anchors), []);
    deepEqual(states(succeeded(await cluster.certs("uninstall-ca", "mini1", "--json")).stdout), ["mini1 absent"]);
    match((await cluster.certs("install-ca", "mini1", "--local")).stderr, /cannot be named with '--local'/);
    match((await cluster.certs("install-ca", "nobody")).stderr, /there is no host 'nobody'/);
  },
});

Deno.test({
  name: "helyos certs install-ca --local makes this machine trust the CA, without a registry",
  ignore: lacks,
  async fn() {
    await using folder = await temporaryFolder();
    const { enter, anchors } = await scratchStore(folder.path);
    const home = folder.path;
    succeeded(await helyos(["certs", "init-ca"], { home }));
    const inScratch = (...args: string[]) =>
      run(enter, ["sh", join(ROOT, "scripts/launch.sh"), "cli", "certs", ...args], { home, env: environment(home) });
    deepEqual(states(succeeded(await inScratch("install-ca", "--local", "--json")).stdout), ["local installed"]);
    deepEqual(states(succeeded(await inScratch("install-ca", "--local", "--json")).stdout), ["local present"]);
    equal((await readdir(anchors)).length, 1);
    deepEqual(states(succeeded(await inScratch("uninstall-ca", "--local", "--json")).stdout), ["local removed"]);
    deepEqual(await readdir(anchors), []);
  },
});

Deno.test("launch.sh grants programs to the commands that reach machines, and to no other", async () => {
  await using home = await temporaryFolder();
  const flags = async (...args: string[]) => {
    const { stdout } = await run("sh", [join(ROOT, "scripts/launch.sh"), "--print", "cli", "certs", ...args], {
      home: home.path,
    });
    return stdout.split("\n");
  };
  for (const words of [["generate", "deploy"], ["list"], ["renew", "--all"], ["init-ca"], ["update-registry"]]) {
    equal((await flags(...words)).some((flag) => flag.startsWith("--allow-run")), false, words.join(" "));
  }
  for (
    const word of [
      "deploy",
      "deploy-servers",
      "deploy-all",
      "doctor",
      "caddy-sync",
      "install-ca",
      "uninstall-ca",
      "agent",
    ]
  ) {
    const granted = await flags(word);
    equal(granted.includes("--allow-run=ssh,scp,sh"), true, word);
    equal(
      granted.some((flag) => /^(-A|--allow-(all|ffi|import))|^--allow-(read|write|env|run)$/.test(flag)),
      false,
      word,
    );
    const writes = granted.filter((flag) => flag.startsWith("--allow-write"));
    deepEqual(writes, word.endsWith("install-ca") ? [] : [`--allow-write=${home.path}/.helyos/pki`], word);
  }
});
