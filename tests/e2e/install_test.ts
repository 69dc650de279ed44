/**
 * Story: an operator puts the programs on PATH, takes them away again, and builds binaries.
 */
import { equal, match } from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, run, temporaryFolder } from "../support/process.ts";

const install = (home: string, ...args: string[]) => run("sh", [join(ROOT, "scripts/install.sh"), ...args], { home });

Deno.test("install.sh puts both programs into a prefix with awkward characters, and takes them away again", async () => {
  await using home = await temporaryFolder();
  const prefix = join(home.path, "it's mine");
  const done = await install(home.path, "--prefix", prefix);
  equal(done.code, 0, done.stderr);
  match(done.stdout, /on your PATH/);
  for (const [program, says] of [["helyos", /^helyos \d/], ["helyosd", /^helyosd \d/]] as const) {
    const file = join(prefix, "bin", program);
    equal((await stat(file)).mode & 0o777, 0o755);
    match((await run(file, ["--version"], { home: home.path })).stdout, says);
  }
  equal((await install(home.path, `--prefix=${prefix}`)).code, 0, "installing again is fine");
  equal((await install(home.path, "--uninstall", "--prefix", prefix)).code, 0);
  equal((await readdir(join(prefix, "bin"))).length, 0);
});

Deno.test("install.sh neither replaces nor removes a program that is not ours", async () => {
  await using home = await temporaryFolder();
  const bin = join(home.path, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "helyos"), "#!/bin/sh\necho somebody else's\n");
  for (const args of [[], ["--uninstall"]]) {
    const refused = await install(home.path, "--prefix", home.path, ...args);
    equal(refused.code, 1);
    match(refused.stderr, /not ours/);
  }
  match(await readFile(join(bin, "helyos"), "utf8"), /somebody else's/);
  equal((await readdir(bin)).length, 1);
});

Deno.test("compile.sh builds both programs with a local runtime, and offline without one says so in a sentence", async () => {
  await using home = await temporaryFolder();
  const compile = (env: Record<string, string>) =>
    run("sh", [join(ROOT, "scripts/compile.sh")], { home: home.path, env });
  const built = await compile({ DENORT_BIN: Deno.execPath(), HELYOS_BUILD: join(home.path, "build") });
  equal(built.code, 0, built.stderr);
  for (const program of ["helyosd", "helyos"]) {
    equal(((await stat(join(home.path, "build", program))).mode & 0o111) !== 0, true);
  }
  const offline = await compile({
    HELYOS_BUILD: join(home.path, "nowhere"),
    DENO_DIR: join(home.path, "cache"),
    HTTPS_PROXY: "http://127.0.0.1:9",
    HTTP_PROXY: "http://127.0.0.1:9",
  });
  equal(offline.code, 1);
  match(offline.stderr, /^Cannot fetch .*DENORT_BIN[^\n]*\n$/);
});
