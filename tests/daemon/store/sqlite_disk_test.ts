import { deepEqual, match } from "node:assert/strict";

// A disk of its own, in a namespace that ends with the process: no test can fill or lock the machine's
const NAMESPACE = ["--map-root-user", "--mount", "sh", "-c"];

async function inNamespace(script: string): Promise<{ code: number; text: string }> {
  try {
    const { code, stdout } = await new Deno.Command("unshare", {
      args: [...NAMESPACE, script],
      env: { DENO: Deno.execPath() },
      stdout: "piped",
      stderr: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  } catch {
    return { code: 1, text: "" }; // no unshare here
  }
}

const child = new URL("./sqlite_disk.ts", import.meta.url).pathname;
const folder = await Deno.makeTempDir();
const possible = (await inNamespace(`mount -t tmpfs -o size=256k tmpfs ${folder}`)).code === 0;
await Deno.remove(folder);

Deno.test({
  name: "a full disk is told apart, undoes the commit and loses nothing",
  ignore: !possible,
  async fn() {
    const folder = await Deno.makeTempDir();
    const { text } = await inNamespace(
      `mount -t tmpfs -o size=256k tmpfs ${folder} && "$DENO" run --quiet --no-prompt -R -W ${child} fill ${folder}`,
    );
    deepEqual(JSON.parse(text), { error: "full", next: "full", kept: "all", again: "all" });
    await Deno.remove(folder);
  },
});

Deno.test({
  name: "a disk without room for the first file is told in a sentence that says what to do",
  ignore: !possible,
  async fn() {
    const folder = await Deno.makeTempDir();
    const open = `"$DENO" run --quiet --no-prompt -R -W ${child} say ${folder}`;
    for (const size of ["4k", "24k", "40k"]) {
      const { text } = await inNamespace(`mount -t tmpfs -o size=${size} tmpfs ${folder} && ${open}`);
      match(
        text,
        /^The disk (is full: \S+ cannot grow|failed under \S+: see that it is neither full).* try again$/,
        size,
      );
    }
    await Deno.remove(folder);
  },
});

Deno.test({
  name: "a read-only file system is told apart",
  ignore: !possible,
  async fn() {
    const folder = await Deno.makeTempDir();
    const run = (what: string) => `"$DENO" run --quiet --no-prompt -R -W ${child} ${what} ${folder}`;
    const { text } = await inNamespace(
      `mount -t tmpfs tmpfs ${folder} && ${run("create")} && mount -o remount,ro ${folder} && ${run("open")}`,
    );
    deepEqual(JSON.parse(text), { error: "read_only" });
    await Deno.remove(folder);
  },
});
