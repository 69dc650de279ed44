import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { holdDataDir, refuseIfHeld } from "../../../daemon/store/hold.ts";

Deno.test("holdDataDir() refuses a second holder and names the first", async () => {
  const folder = await Deno.makeTempDir();
  const me = { pid: Deno.pid, host: "box-1" };
  {
    await using hold = await holdDataDir(folder, me);
    const starting = new RegExp(`process id ${Deno.pid} on box-1 is using it; `);
    await rejects(() => holdDataDir(folder, { pid: 1, host: "other" }), { name: "HeldError", message: starting });
    await hold.listening("https://0.0.0.0:6443");
    await rejects(() => holdDataDir(folder, { pid: 1, host: "other" }), {
      code: "held",
      message: /box-1 is using it, serving https:\/\/0\.0\.0\.0:6443; stop it first/,
    });
    await rejects(() => refuseIfHeld(folder), { code: "held", message: /serving https:\/\/0\.0\.0\.0:6443/ });
    equal((await Deno.stat(`${folder}/helyosd.lock`)).mode! & 0o777, 0o600);
  }
  await refuseIfHeld(folder);
  await refuseIfHeld(`${folder}/missing`);
  await using _again = await holdDataDir(folder, me);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("holdDataDir() is free again after a SIGKILL of its holder", async () => {
  const folder = await Deno.makeTempDir();
  const holder = new URL("./hold_holder.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--allow-read=${folder}`, `--allow-write=${folder}`, holder, folder],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  match((await reader.read()).value ?? "", /held/);
  await rejects(() => holdDataDir(folder, { pid: 1, host: "other" }), {
    message: new RegExp(`process id ${child.pid} on child`),
  });
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await using _hold = await holdDataDir(folder, { pid: Deno.pid, host: "parent" });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("holdDataDir() says so when the lock file does not tell who holds it", async () => {
  const folder = await Deno.makeTempDir();
  await using _hold = await holdDataDir(folder, { pid: 1, host: "x" });
  await Deno.writeTextFile(`${folder}/helyosd.lock`, "{");
  await rejects(() => holdDataDir(folder, { pid: 2, host: "y" }), { message: /another helyosd is using it/ });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("holdDataDir() deletes what a killed daemon had not finished writing, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  const others = [".http-x.tmp", "notes.tmp", `.mine.${crypto.randomUUID()}`, "http-server-key.pem"];
  for (const name of [`.http-server-key.pem.${crypto.randomUUID()}.tmp`, ...others]) {
    await Deno.writeTextFile(`${folder}/${name}`, "");
  }
  await using _hold = await holdDataDir(folder, { pid: 1, host: "x" });
  deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [...others, "helyosd.lock"].sort());
  await Deno.remove(folder, { recursive: true });
});
