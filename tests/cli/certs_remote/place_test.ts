import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { place, type PlacedFile } from "../../../cli/certs/remote/place.ts";
import { localShell, type Shell, sshShell } from "../../../cli/certs/remote/shell.ts";
import { run, temporaryFolder } from "../../support/process.ts";
import { lackingSshd, startSshd } from "../../support/sshd.ts";

const isRoot = userInfo().uid === 0;

/** Writes files here and says where they go. */
async function files(from: string, to: string, contents: Record<string, string>): Promise<PlacedFile[]> {
  await mkdir(from, { recursive: true });
  return await Promise.all(
    Object.entries(contents).map(async ([name, text]) => {
      const mode = name.includes("key") ? 0o600 : 0o644;
      await writeFile(join(from, name), text);
      await chmod(join(from, name), mode);
      const sha256 = createHash("sha256").update(text).digest("hex");
      return { from: join(from, name), to: join(to, name), sha256, mode: mode.toString(8).padStart(4, "0") };
    }),
  );
}

const texts = (folder: string, names: readonly string[]) =>
  Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));

/** The same test here and over ssh. */
function onBoth(name: string, fn: (shell: Shell, folder: string) => Promise<void>): void {
  Deno.test(`place() ${name}, here`, async () => {
    await using folder = await temporaryFolder();
    await fn(localShell(), folder.path);
  });
  Deno.test({
    name: `place() ${name}, over ssh`,
    ignore: lackingSshd(),
    async fn() {
      await using folder = await temporaryFolder();
      await using sshd = await startSshd();
      const target = { machine: "mini1", host: "127.0.0.1", user: sshd.user, port: sshd.port };
      await fn(sshShell(target, { config: sshd.clientConfig }), folder.path);
    },
  });
}

onBoth("makes the folder, and gives files their modes", async (shell, folder) => {
  const to = join(folder, "srv/it's a service/certs");
  const sent = await files(join(folder, "from"), to, { "api-cert.pem": "cert", "api-key.pem": "key" });
  await place(shell, sent, { what: "a test" });
  deepEqual((await readdir(to)).sort(), ["api-cert.pem", "api-key.pem"]);
  deepEqual(await texts(to, ["api-cert.pem", "api-key.pem"]), ["cert", "key"]);
  equal((await stat(join(to, "api-key.pem"))).mode & 0o777, 0o600);
  equal((await stat(join(to, "api-cert.pem"))).mode & 0o777, 0o644);
});

onBoth("replaces nothing when something arrives as something else than was sent", async (shell, folder) => {
  const to = join(folder, "certs");
  await place(shell, await files(join(folder, "old"), to, { "a-cert.pem": "old", "a-key.pem": "old" }), { what: "x" });
  const sent = await files(join(folder, "new"), to, { "a-cert.pem": "new", "a-key.pem": "new" });
  await writeFile(join(folder, "new/a-key.pem"), "changed meanwhile");
  await rejects(() => place(shell, sent, { what: "the pair" }), {
    code: "deploy_failed",
    message: /cannot place the pair on .*certs\/a-key\.pem: arrived as something else/,
    hint: "Was it issued anew meanwhile? Deploy again",
  });
  deepEqual(await texts(to, ["a-cert.pem", "a-key.pem"]), ["old", "old"]);
  deepEqual((await readdir(to)).sort(), ["a-cert.pem", "a-key.pem"]);
});

/** This machine, where `mv` does something else when it moves new files into place: the script gets that folder as `$last`. */
async function withMv(folder: string, script: string): Promise<Shell> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  const text = `#!/bin/sh\nfor last; do :; done\ncase $last in */) ${script} ;; esac\nexec /bin/mv "$@"\n`;
  await writeFile(join(bin, "mv"), text, { mode: 0o755 });
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
  return localShell("here", (program, args) => run(program, args, { home: folder, env }));
}

Deno.test("place() puts back what was moved when a later folder cannot be changed", async () => {
  await using folder = await temporaryFolder();
  const [cert, key] = ["cert", "key"].map((name) => join(folder.path, name)) as [string, string];
  const shell = await withMv(folder.path, `case $last in ${key}/) echo "mv: I/O error" >&2; exit 1 ;; esac`);
  const pair = async (text: string) => [
    ...await files(join(folder.path, text), cert, { "a-cert.pem": text, "ca-cert.pem": text }),
    ...await files(join(folder.path, text), key, { "a-key.pem": text }),
  ];
  await place(localShell(), await pair("old"), { what: "x" });
  const [one, ca, two] = await pair("new");
  for (const sent of [[one, ca, two], [two, one, ca]]) {
    await rejects(() => place(shell, sent.map((file) => file!), { what: "x" }), { message: /nothing was replaced/ });
    deepEqual((await readdir(cert)).sort(), ["a-cert.pem", "ca-cert.pem"]);
    deepEqual(await readdir(key), ["a-key.pem"]);
    deepEqual([...await texts(cert, ["a-cert.pem", "ca-cert.pem"]), ...await texts(key, ["a-key.pem"])], [
      "old",
      "old",
      "old",
    ]);
  }
});

Deno.test("place() says that what landed is not what was sent", async () => {
  await using folder = await temporaryFolder();
  const to = join(folder.path, "certs");
  const shell = await withMv(folder.path, `/bin/mv "$@"; echo mine >"$last/a-cert.pem"; exit 0`);
  const sent = await files(join(folder.path, "new"), to, { "a-cert.pem": "new", "a-key.pem": "new" });
  await rejects(() => place(shell, sent, { what: "x" }), { message: /a-cert\.pem: somebody else wrote it/ });
  equal(await readFile(join(to, "a-cert.pem"), "utf8"), "mine\n");
});

onBoth("puts everything back when the new files are refused", async (shell, folder) => {
  const to = join(folder, "certs");
  await place(shell, await files(join(folder, "old"), to, { "a.pem": "old" }), { what: "x" });
  const sent = await files(join(folder, "new"), to, { "a.pem": "new", "b.pem": "new" });
  const check = [
    "sh",
    "-c",
    'grep -q old "$1" || { echo "not the $2" >&2; exit 3; }',
    "check",
    join(to, "a.pem"),
    "it's old one",
  ];
  await rejects(() => place(shell, sent, { what: "x", check }), /not the it's old one.*the old ones put back/);
  deepEqual(await readdir(to), ["a.pem"]);
  deepEqual(await texts(to, ["a.pem"]), ["old"]);
  await writeFile(join(folder, "yes"), "old");
  await place(shell, sent, { what: "x", check: check.with(4, join(folder, "yes")) });
  deepEqual(await texts(to, ["a.pem", "b.pem"]), ["new", "new"]);
});

onBoth("replaces nothing when one of the places is a folder", async (shell, folder) => {
  const to = join(folder, "certs");
  await mkdir(join(to, "b.pem"), { recursive: true });
  await writeFile(join(to, "a.pem"), "old");
  const sent = await files(join(folder, "new"), to, { "a.pem": "new", "b.pem": "new" });
  await rejects(() => place(shell, sent, { what: "x" }), { message: /b\.pem: is a folder/ });
  deepEqual(await texts(to, ["a.pem"]), ["old"]);
  deepEqual((await readdir(to)).sort(), ["a.pem", "b.pem"]);
});

onBoth("names machine and folder when the folder cannot be made", async (shell, folder) => {
  await writeFile(join(folder, "file"), "");
  const sent = await files(join(folder, "new"), join(folder, "file/certs"), { "a.pem": "new" });
  await rejects(() => place(shell, sent, { what: "x" }), (error: Error) => {
    equal(error.message.includes(shell.name), true);
    match(error.message, /file\/certs: .*Not a directory/);
    return true;
  });
});

onBoth("reads service.yml first, and follows what it is told", async (shell, folder) => {
  const to = join(folder, "srv/certs");
  await mkdir(join(folder, "srv"));
  const text = "name: api\ncerts:\n  key_mode: '0640'\n";
  await writeFile(join(folder, "srv/service.yml"), text);
  const sent = await files(join(folder, "new"), to, { "a-key.pem": "new" });
  let seen: string | undefined;
  const owner = String(userInfo().uid);
  await place(shell, sent, {
    what: "x",
    serviceYml: join(folder, "srv/service.yml"),
    dress(text) {
      seen = text;
      return { owner, files: sent.map((file) => ({ ...file, mode: "0640" })) };
    },
  });
  equal(seen, text);
  equal((await stat(join(to, "a-key.pem"))).mode & 0o777, 0o640);
  await place(shell, sent, {
    what: "x",
    serviceYml: join(folder, "srv/none.yml"),
    dress(text) {
      seen = text;
      return { files: sent };
    },
  });
  equal(seen, undefined);
});

onBoth("leaves nothing behind when what the target says makes no sense", async (shell, folder) => {
  const to = join(folder, "a b/certs");
  const sent = await files(join(folder, "new"), to, { "a-key.pem": "new" });
  const dress = () => {
    throw new RangeError("no sense");
  };
  await rejects(() => place(shell, sent, { what: "x", dress }), RangeError);
  deepEqual(await readdir(to), []);
});

onBoth("replaces nothing when the owner is nobody the target knows", async (shell, folder) => {
  const to = join(folder, "certs");
  const sent = await files(join(folder, "new"), to, { "a-key.pem": "new" });
  const dress = () => ({ owner: "no-such-account", files: sent });
  await rejects(() => place(shell, sent, { what: "x", dress }), { message: /cannot be given to no-such-account/ });
  deepEqual(await readdir(to), []);
});

onBoth("sweeps up what a killed deployment left an hour ago, not what one is doing now", async (shell, folder) => {
  const to = join(folder, "certs");
  for (const name of [".helyos-old123", ".helyos-new123"]) {
    await mkdir(join(to, name), { recursive: true });
    await writeFile(join(to, name, "a-key.pem"), "secret");
  }
  const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(to, ".helyos-old123"), hoursAgo, hoursAgo);
  await place(shell, await files(join(folder, "new"), to, { "a.pem": "new" }), { what: "x" });
  deepEqual((await readdir(to)).sort(), [".helyos-new123", "a.pem"]);
});

onBoth("of two at once never leaves halves of both", async (shell, folder) => {
  const to = join(folder, "certs");
  const both = await Promise.all(
    ["one", "two"].map((text) => files(join(folder, text), to, { "a-cert.pem": text, "a-key.pem": text })),
  );
  for (let round = 0; round < 3; round++) {
    await Promise.all(both.map((sent) => place(shell, sent, { what: "x" })));
    const [cert, key] = await texts(to, ["a-cert.pem", "a-key.pem"]);
    equal(cert, key);
  }
  deepEqual((await readdir(to)).sort(), ["a-cert.pem", "a-key.pem"]);
});

onBoth("places files of several folders, all or none", async (shell, folder) => {
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const sent = [
    ...await files(join(folder, "from1"), one, { "a-cert.pem": "a", "a-key.pem": "a" }),
    ...await files(join(folder, "from2"), two, { "ca-cert.pem": "ca" }),
  ];
  await place(shell, sent, { what: "x" });
  deepEqual(await texts(one, ["a-cert.pem", "a-key.pem"]), ["a", "a"]);
  deepEqual(await texts(two, ["ca-cert.pem"]), ["ca"]);
  const next = [
    ...await files(join(folder, "from1"), one, { "a-cert.pem": "b", "a-key.pem": "b" }),
    ...await files(join(folder, "from2"), two, { "ca-cert.pem": "cb" }),
  ];
  await rejects(() => place(shell, next, { what: "x", check: ["false"] }), /old ones put back/);
  deepEqual(await texts(one, ["a-cert.pem", "a-key.pem"]), ["a", "a"]);
  deepEqual(await texts(two, ["ca-cert.pem"]), ["ca"]);
  deepEqual([await readdir(one), await readdir(two)].map((names) => names.length), [2, 1]);
});

Deno.test({
  name: "place() gives files to whom they belong, here and over ssh",
  ignore: !isRoot || lackingSshd(),
  async fn() {
    await using folder = await temporaryFolder();
    await using sshd = await startSshd();
    const target = { machine: "mini1", host: "127.0.0.1", user: sshd.user, port: sshd.port };
    for (const shell of [localShell(), sshShell(target, { config: sshd.clientConfig })]) {
      for (const [owner, uid, gid] of [["nobody:1", 65534, 1], [":2", 0, 2], ["nobody", 65534, 0]] as const) {
        const to = join(folder.path, `certs ${shell.isLocal} ${owner}`);
        const sent = await files(join(folder.path, "from"), to, { "a-key.pem": "key" });
        await place(shell, sent, { what: "x", dress: () => ({ owner, files: sent }) });
        const { uid: isUid, gid: isGid, mode } = await stat(join(to, "a-key.pem"));
        deepEqual([isUid, isGid, mode & 0o777], [uid, gid, 0o600], owner);
      }
    }
  },
});

Deno.test("place() takes a link for what it replaces, not for where it leads", async () => {
  await using folder = await temporaryFolder();
  const to = join(folder.path, "certs");
  await mkdir(to);
  await writeFile(join(folder.path, "precious"), "precious");
  await symlink(join(folder.path, "precious"), join(to, "a.pem"));
  await place(localShell(), await files(join(folder.path, "new"), to, { "a.pem": "new" }), { what: "x" });
  equal(await readFile(join(folder.path, "precious"), "utf8"), "precious");
  equal(await readFile(join(to, "a.pem"), "utf8"), "new");
});

Deno.test("place() refuses paths that lead elsewhere", async () => {
  const from = "/tmp/a";
  for (const to of ["certs/a.pem", "/srv/../etc/a.pem", "/srv/a\n.pem", "/srv/", "../a"]) {
    const file = { from, to, sha256: "", mode: "0600" };
    await rejects(() => place(localShell(), [file], { what: "x" }), { code: "bad_registry" }, to);
  }
});

Deno.test({
  name: "place() replaces nothing on a disk that is full, and says so",
  ignore: !isRoot || lackingSshd(),
  async fn(test) {
    await using folder = await temporaryFolder();
    const to = join(folder.path, "small");
    await mkdir(to);
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", to], { home: folder.path });
    if (mounted.code !== 0) return void await test.step({ name: "file systems can be mounted", ignore: true, fn() {} });
    try {
      await place(localShell(), await files(join(folder.path, "old"), to, { "a.pem": "old", "b.pem": "old" }), {
        what: "x",
      });
      await using sshd = await startSshd();
      const target = { machine: "mini1", host: "127.0.0.1", user: sshd.user, port: sshd.port };
      const sent = await files(join(folder.path, "new"), to, { "a.pem": "new", "b.pem": "x".repeat(100_000) });
      for (const shell of [localShell("mini1"), sshShell(target, { config: sshd.clientConfig })]) {
        await rejects(() => place(shell, sent, { what: "x" }), (error: Error & { code: string }) => {
          equal(error.code, "deploy_failed", error.message);
          match(error.message, /mini1.*small: .*(No space left|write|Failure)/);
          return true;
        });
        deepEqual(await texts(to, ["a.pem", "b.pem"]), ["old", "old"]);
        deepEqual((await readdir(to)).sort(), ["a.pem", "b.pem"]);
      }
    } finally {
      await run("umount", [to], { home: folder.path });
    }
  },
});

Deno.test({
  name: "place() replaces nothing where we may not write",
  ignore: !isRoot,
  async fn() {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    const to = join(folder.path, "certs");
    const sent = await files(join(folder.path, "new"), to, { "a.pem": "new" });
    await mkdir(to);
    await writeFile(join(to, "a.pem"), "old");
    const asNobody = localShell("here", async (program, args) => {
      const outcome = await run("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", program, ...args], {
        home: "/",
      });
      return outcome;
    });
    await rejects(() => place(asNobody, sent, { what: "x" }), { message: /here: .*certs: .*Permission denied/ });
    deepEqual(await texts(to, ["a.pem"]), ["old"]);
  },
});
