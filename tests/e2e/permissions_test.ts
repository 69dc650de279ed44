/**
 * Story: each program works with exactly what scripts/permissions grants, and fails with one thing fewer.
 */
import { equal, match, notEqual } from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { environment, helyos, ROOT, run, startDaemon, temporaryFolder } from "../support/process.ts";

interface Granted {
  readonly flags: readonly string[];
  readonly rest: readonly string[];
}

/** What the launcher would give Deno. */
async function granted(program: "cli" | "daemon", args: readonly string[], home: string, env = {}): Promise<Granted> {
  const printed = await run("sh", [join(ROOT, "scripts/launch.sh"), "--print", program, ...args], { home, env });
  const lines = printed.stdout.trimEnd().split("\n");
  const script = lines.findIndex((line) => line.endsWith("/main.ts"));
  return { flags: lines.slice(1, script), rest: lines.slice(script) };
}

/** Every way to take one name away from the flags. */
function withOneFewer(flags: readonly string[]): { missing: string; flags: string[] }[] {
  return flags.flatMap((flag, index) => {
    if (!flag.startsWith("--allow-")) return [];
    const [kind, list] = flag.split("=", 2) as [string, string | undefined];
    const names = list?.split(/(?<!,),(?!,)/) ?? [""];
    return names.map((name) => {
      const left = names.filter((other) => other !== name);
      const instead = left.length > 0 ? [`${kind}=${left.join(",")}`] : [];
      return { missing: `${kind} ${name}`.trim(), flags: flags.toSpliced(index, 1, ...instead) };
    });
  });
}

Deno.test("launch.sh grants the CLI its folder and the files named, and nothing wide", async () => {
  await using home = await temporaryFolder();
  const { flags } = await granted("cli", ["login", "h", "--ca-file", "a,b.pem", "--token-file=t"], home.path);
  equal(flags.includes("--no-prompt"), true);
  for (const flag of flags) notEqual(flag, "-A");
  const reads = flags.find((flag) => flag.startsWith("--allow-read"))!;
  match(reads, /a,,b\.pem/);
  match(reads, /(^|[,=])t($|,)/);
  equal(flags.find((flag) => flag.startsWith("--allow-write")), `--allow-write=${home.path}/.helyos`);
  equal(flags.some((flag) => /^--allow-(run|ffi|import|all)/.test(flag)), false);
});

Deno.test("launch.sh grants a file named by HELYOS_CONFIG and its companions, not its folder", async () => {
  await using home = await temporaryFolder();
  const config = join(home.path, "elsewhere.toml");
  const { flags } = await granted("cli", ["whoami"], home.path, { HELYOS_CONFIG: config });
  const writes = flags.find((flag) => flag.startsWith("--allow-write="))!.slice("--allow-write=".length).split(",");
  equal(writes.includes(config), true);
  equal(writes.includes(home.path), false);
});

Deno.test("launch.sh lets --data-dir beat HELYOS_DATA_DIR", async () => {
  await using home = await temporaryFolder();
  for (const args of [["--data-dir", "/a"], ["--data-dir=/a"], ["--tls", "on", "--data-dir", "/a"]]) {
    const { flags } = await granted("daemon", args, home.path, { HELYOS_DATA_DIR: "/b" });
    const writes = flags.find((flag) => flag.startsWith("--allow-write"))!;
    match(writes, /\/a/);
    equal(writes.includes("/b"), false);
  }
});

/** Runs a program with these flags to its end, or until it serves. */
async function tryWith(
  flags: readonly string[],
  rest: readonly string[],
  home: string,
  env: Record<string, string>,
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...rest],
    cwd: home,
    env: environment(home, env),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let log = "";
  const stdout = child.stdout.pipeTo(new WritableStream());
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    log += chunk;
    if (/API listening on/.test(log)) child.kill("SIGKILL");
  }
  await stdout;
  const { code, signal } = await child.status;
  return signal === "SIGKILL" ? "served" : code === 0 ? "succeeded" : `failed: ${log}`;
}

Deno.test("helyosd works with exactly its permissions and fails with one fewer", async () => {
  await using first = await temporaryFolder();
  await using daemon = await startDaemon({ home: first.path, flags: ["--tls", "on"] }); // makes a pair to supply
  await daemon.stop();
  const data = join(first.path, ".helyos/data");
  const args = [
    "--port",
    "0",
    "--tls",
    "on",
    "--tls-cert",
    join(data, "http-server.pem"),
    "--tls-key",
    join(data, "http-server-key.pem"),
  ];
  const attempt = async (change: (flags: readonly string[]) => readonly string[]) => {
    await using home = await temporaryFolder();
    await mkdir(join(home.path, ".helyos"), { mode: 0o700 });
    const { flags, rest } = await granted("daemon", args, home.path);
    return await tryWith(
      change(flags.map((flag) => flag.replaceAll(home.path, "HOME"))).map((flag) =>
        flag.replaceAll("HOME/", `${home.path}/`)
      ),
      rest,
      home.path,
      {},
    );
  };
  equal(await attempt((flags) => flags), "served");
  const { flags } = await granted("daemon", args, "HOME");
  for (const one of withOneFewer(flags)) {
    const result = await attempt(() => one.flags);
    match(result, /^failed: /, `it served without ${one.missing}`);
  }
});

Deno.test("helyos works with exactly its permissions and fails with one fewer", async () => {
  await using host = await temporaryFolder();
  await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  const ca = join(host.path, ".helyos/data/http-ca.pem");
  const server = daemon.url.replace("127.0.0.1", "localhost");
  const attempt = async (change: (flags: readonly string[]) => readonly string[]) => {
    await using home = await temporaryFolder();
    await writeFile(join(home.path, "token"), daemon.token!, { mode: 0o600 });
    const args = ["login", server, "--ca-file", ca, "--token-file", join(home.path, "token")];
    const { flags, rest } = await granted("cli", args, home.path);
    return await tryWith(change(flags), rest, home.path, {});
  };
  equal(await attempt((flags) => flags), "succeeded");
  await using home = await temporaryFolder();
  equal((await helyos(["--version"], { home: home.path })).code, 0);
  const { flags } = await granted("cli", ["login", server, "--ca-file", ca], home.path);
  for (const one of withOneFewer(flags)) {
    const result = await attempt((all) => {
      const taken = one.missing.split(" ")[1] ?? "";
      const kind = one.missing.split(" ")[0]!;
      return all.flatMap((flag) => {
        if (!flag.startsWith(kind)) return [flag];
        const left = (flag.split("=")[1] ?? "").split(",").filter((name) =>
          name !== taken && !name.endsWith(taken.slice(home.path.length) || "\0")
        );
        return taken === "" || left.length === 0 ? [] : [`${kind}=${left.join(",")}`];
      });
    });
    match(result, /^failed: /, `it succeeded without ${one.missing}`);
  }
});
