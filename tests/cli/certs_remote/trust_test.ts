import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { chmod, cp, mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { openCa } from "../../../cli/certs/ca.ts";
import { pkiHomeAt } from "../../../cli/certs/home.ts";
import { initCa } from "../../../cli/certs/init.ts";
import { localShell, sshShell } from "../../../cli/certs/remote/shell.ts";
import { changeTrust } from "../../../cli/certs/remote/trust.ts";
import { run, temporaryFolder } from "../../support/process.ts";
import { lackingSshd, startSshd } from "../../support/sshd.ts";
import { findTool, lacking } from "../../support/tools.ts";

async function makeCa(folder: string) {
  const home = pkiHomeAt(join(folder, "pki"));
  await initCa(home, { intermediate: false, passphrase: () => Promise.resolve(undefined), now: new Date() });
  return await openCa(home);
}

/** Folders of this machine that a scratch root has its own copy of. */
const COPIED = ["/etc/ssl", "/etc/ca-certificates", "/usr/local/share"];

/** A script that runs its arguments where the trust store is a copy, and `hidden` programs are not there. */
async function scratchRoot(folder: string, hidden: readonly string[] = []): Promise<string> {
  const root = join(folder, "root");
  const mounts: string[] = [];
  for (const path of COPIED) {
    await mkdir(join(root, path), { recursive: true });
    await cp(path, join(root, path), { recursive: true, verbatimSymlinks: true });
    mounts.push(`mount --bind '${root}${path}' '${path}'`);
  }
  for (const path of hidden) mounts.push(`mount --bind /dev/null '${path}'`);
  const script = join(folder, "enter");
  await writeFile(
    script,
    `#!/bin/sh\nexec unshare -m sh -ec '${mounts.join("\n").replaceAll("'", "'\\''")}\nexec "$@"' enter "$@"\n`,
  );
  await chmod(script, 0o755);
  return script;
}

/** Every file and link of a folder, with what is in it. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) found[path] = `-> ${await readlink(path)}`;
    // Java's store notes when it was written; what of ours it may hold is the name of the file.
    else if (entry.name === "cacerts") found[path] = String((await readFile(path, "latin1")).includes("helyos"));
    else if (entry.isFile()) found[path] = await readFile(path, "latin1");
  }
  return found;
}

/** The paths that differ; texts of hundreds of certificates tell nobody anything. */
function differences(a: Record<string, string>, b: Record<string, string>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((path) => a[path] !== b[path]);
}

async function canUnshare(): Promise<boolean> {
  if (userInfo().uid !== 0 || findTool("unshare") === undefined) return false;
  return (await run("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { home: "/" })).code === 0;
}
const lacksScratch = lacking("update-ca-certificates", "unshare") || !await canUnshare();

Deno.test({
  name: "changeTrust() makes Debian trust the CA over ssh, once, and leaves the store as it was",
  ignore: lacksScratch || lackingSshd() || findTool("openssl") === undefined,
  async fn() {
    await using folder = await temporaryFolder();
    const ca = await makeCa(folder.path);
    const enter = await scratchRoot(folder.path);
    const forced = join(folder.path, "forced");
    await writeFile(
      forced,
      `#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
  *sftp*) exec /usr/lib/openssh/sftp-server ;;
  *) exec ${enter} sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac\n`,
    );
    await chmod(forced, 0o755);
    await using sshd = await startSshd({ forceCommand: forced });
    const target = { machine: "mini1", host: "127.0.0.1", user: sshd.user, port: sshd.port };
    const shell = sshShell(target, { config: sshd.clientConfig });
    // Debian's program first, so that what changes is our doing.
    equal((await run(enter, ["update-ca-certificates", "--fresh"], { home: "/" })).code, 0);
    const before = await snapshot(join(folder.path, "root"));
    const verify = () => run(enter, ["openssl", "verify", "-CApath", "/etc/ssl/certs", ca.home.caCert], { home: "/" });
    equal((await verify()).code !== 0, true);

    deepEqual(await changeTrust(shell, "remove", ca), { system: "debian", state: "absent" });
    deepEqual(await changeTrust(shell, "install", ca), { system: "debian", state: "installed" });
    equal((await verify()).code, 0);
    const trusted = await snapshot(join(folder.path, "root"));
    deepEqual(await changeTrust(shell, "install", ca), { system: "debian", state: "present" });
    deepEqual(differences(await snapshot(join(folder.path, "root")), trusted), []);
    deepEqual(await changeTrust(shell, "remove", ca), { system: "debian", state: "removed" });
    deepEqual(differences(await snapshot(join(folder.path, "root")), before), []);
    equal((await verify()).code !== 0, true);

    // Somebody else's file, spelled differently: what counts is the certificate.
    const pem = (await readFile(ca.home.caCert, "utf8")).replaceAll("\n", "\r\n");
    const foreign = join(folder.path, "root/usr/local/share/ca-certificates/corp.crt");
    await writeFile(foreign, `# ours\r\n${pem}`);
    equal((await run(enter, ["update-ca-certificates"], { home: "/" })).code, 0);
    deepEqual(await changeTrust(shell, "install", ca), { system: "debian", state: "present" });
    deepEqual(await changeTrust(shell, "remove", ca), { system: "debian", state: "elsewhere" });
    match(await readFile(foreign, "utf8"), /^# ours/);

    // What could not be told may trust it still, and that is said.
    await rm(foreign);
    equal((await run(enter, ["update-ca-certificates", "--fresh"], { home: "/" })).code, 0);
    deepEqual(await changeTrust(shell, "install", ca), { system: "debian", state: "installed" });
    const hook = join(folder.path, "root/etc/ca-certificates/update.d/zz-deaf");
    await writeFile(hook, "#!/bin/sh\n! grep -q '^-.*helyos'\n");
    await chmod(hook, 0o755);
    await rejects(() => changeTrust(shell, "remove", ca), { message: /zz-deaf failed: .*may trust the CA still/ });
    equal((await verify()).code !== 0, true);
  },
});

Deno.test({
  name: "changeTrust() takes its file away again when the system's program fails",
  ignore: lacksScratch,
  async fn() {
    await using folder = await temporaryFolder();
    const ca = await makeCa(folder.path);
    const enter = await scratchRoot(folder.path);
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "update-ca-certificates"), "#!/bin/sh\necho 'no space' >&2; exit 1\n", { mode: 0o755 });
    const shell = localShell(
      "mini1",
      (program, args) => run(enter, ["env", `PATH=${bin}:${Deno.env.get("PATH")}`, program, ...args], { home: "/" }),
    );
    const before = await snapshot(join(folder.path, "root"));
    await rejects(() => changeTrust(shell, "install", ca), {
      code: "trust_failed",
      message: /cannot install the CA on mini1: update-ca-certificates failed: no space/,
    });
    deepEqual(differences(await snapshot(join(folder.path, "root")), before), []);
  },
});

/** A machine of another system: its programs come from `bin`. */
function disguised(bin: string, enter?: string) {
  return localShell(
    "mini1",
    (program, args) =>
      run(enter ?? "env", [...(enter ? ["env"] : []), `PATH=${bin}:${Deno.env.get("PATH")}`, program, ...args], {
        home: "/",
      }),
  );
}

Deno.test({
  name: "changeTrust() makes Red Hat's likes trust the CA, and leaves the store as it was",
  ignore: lacksScratch,
  async fn() {
    await using folder = await temporaryFolder();
    const ca = await makeCa(folder.path);
    const hidden = ["/usr/sbin/update-ca-certificates"];
    const enter = await scratchRoot(folder.path, hidden);
    const pki = join(folder.path, "etc-pki");
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    // What it does on such a system, for our purposes: all anchors, in one bundle, readable.
    await writeFile(
      join(bin, "update-ca-trust"),
      `#!/bin/sh
[ "$1" = extract ] && mkdir -p /etc/pki/ca-trust/extracted/pem &&
cat /etc/pki/ca-trust/source/anchors/* >/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem 2>/dev/null || :\n`,
      { mode: 0o755 },
    );
    await mkdir(join(pki, "ca-trust/source/anchors"), { recursive: true });
    await mkdir(join(pki, "ca-trust/extracted/pem"), { recursive: true });
    await writeFile(join(pki, "ca-trust/extracted/pem/tls-ca-bundle.pem"), "");
    const withPki = join(folder.path, "with-pki");
    await writeFile(
      withPki,
      `#!/bin/sh\nexec ${enter} sh -ec 'mount -t tmpfs tmpfs /media; cp -a /etc/. /media; mkdir -p /media/pki; mount --bind /media /etc; mount --bind ${pki} /etc/pki; exec "$@"' x "$@"\n`,
      { mode: 0o755 },
    );
    const shell = disguised(bin, withPki);
    const before = await snapshot(pki);
    deepEqual(await changeTrust(shell, "install", ca), { system: "rhel", state: "installed" });
    deepEqual(await readdir(join(pki, "ca-trust/source/anchors")), [
      `helyos-${
        (await run("openssl", ["x509", "-in", ca.home.caCert, "-noout", "-fingerprint", "-sha256"], { home: "/" }))
          .stdout.split("=")[1]!.replaceAll(":", "").slice(0, 16).toLowerCase()
      }.crt`,
    ]);
    deepEqual(await changeTrust(shell, "install", ca), { system: "rhel", state: "present" });
    deepEqual(await changeTrust(shell, "remove", ca), { system: "rhel", state: "removed" });
    deepEqual(await snapshot(pki), before);
  },
});

Deno.test({
  name: "changeTrust() speaks to macOS as its security program wants it",
  ignore: userInfo().uid !== 0,
  async fn() {
    await using folder = await temporaryFolder();
    const ca = await makeCa(folder.path);
    const bin = join(folder.path, "bin");
    const [log, keychain] = [join(folder.path, "log"), join(folder.path, "keychain")];
    await mkdir(bin);
    await writeFile(join(bin, "uname"), "#!/bin/sh\necho Darwin\n", { mode: 0o755 });
    await writeFile(
      join(bin, "security"),
      `#!/bin/sh
echo "$*" >>${log}
for last; do :; done
case $1 in
  find-certificate) [ -f ${keychain} ] && sed 's/^/SHA-256 hash: /' ${keychain} ;;
  verify-cert) [ -f ${keychain} ] ;;
  add-trusted-cert) openssl x509 -in "$last" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' >${keychain} ;;
  remove-trusted-cert) : ;;
  delete-certificate) rm ${keychain} ;;
esac\n`,
      { mode: 0o755 },
    );
    const shell = disguised(bin);
    deepEqual(await changeTrust(shell, "install", ca), { system: "macos", state: "installed" });
    deepEqual(await changeTrust(shell, "install", ca), { system: "macos", state: "present" });
    deepEqual(await changeTrust(shell, "remove", ca), { system: "macos", state: "removed" });
    deepEqual(await changeTrust(shell, "remove", ca), { system: "macos", state: "absent" });
    match(
      await readFile(log, "utf8"),
      /^add-trusted-cert -d -r trustRoot -k \/Library\/Keychains\/System\.keychain \/tmp\/helyos-\w+\/ca-cert\.pem$/m,
    );
  },
});
