/**
 * Whether a program's permissions are exact: it works with all of them, and fails with any one fewer.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { join } from "node:path";
import { environment, ROOT, run, temporaryFolder } from "./process.ts";

/** What the launcher grants. */
export interface Granted {
  readonly flags: readonly string[];
  readonly rest: readonly string[];
}

/** What the launcher would give Deno. */
export async function granted(
  program: "cli" | "daemon",
  args: readonly string[],
  home: string,
  env = {},
): Promise<Granted> {
  const printed = await run("sh", [join(ROOT, "scripts/launch.sh"), "--print", program, ...args], { home, env });
  const lines = printed.stdout.trimEnd().split("\n");
  const script = lines.findIndex((line) => line.endsWith("/main.ts"));
  return { flags: lines.slice(1, script), rest: lines.slice(script) };
}

/** One name of one kind, and the flags without it. */
interface Missing {
  readonly name: string;
  readonly flags: readonly string[];
}

/** Every way to take one name away; homes are temporary, so names of files are told by what follows the home. */
function withOneFewer(flags: readonly string[], home: string): Missing[] {
  return flags.flatMap((flag, index) => {
    if (!flag.startsWith("--allow-")) return [];
    const [kind, list] = flag.split("=", 2) as [string, string | undefined];
    const names = list?.split(/(?<!,),(?!,)/) ?? [""];
    return names.map((name) => {
      const left = names.filter((other) => other !== name);
      const instead = left.length > 0 ? [`${kind}=${left.join(",")}`] : [];
      return { name: `${kind} ${name.replace(home, "~")}`.trim(), flags: flags.toSpliced(index, 1, ...instead) };
    });
  });
}

/** Something a program does with its permissions. */
export interface Scenario {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  readonly prepare?: (home: string) => Promise<void>;
}

/** Runs a scenario to its end, or until the daemon serves. */
async function succeeds(
  program: "cli" | "daemon",
  scenario: Scenario,
  take?: (all: Granted, home: string) => readonly string[],
) {
  await using home = await temporaryFolder();
  await scenario.prepare?.(home.path);
  const inHome = (text: string) => text.replaceAll("~", home.path);
  const env = Object.fromEntries(Object.entries(scenario.env ?? {}).map(([name, value]) => [name, inHome(value)]));
  const all = await granted(program, scenario.args.map(inHome), home.path, env);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...(take ? take(all, home.path) : all.flags), ...all.rest],
    cwd: home.path,
    env: environment(home.path, env),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    log += chunk;
    // The context is written before the daemon says that it serves.
    if (/API listening on/.test(log)) child.kill("SIGKILL");
  }
  const { code, signal } = await child.status;
  const complained =
    /NotCapable|not capable|not started with the right|Requires (\w+) access|cannot write the local|could not|right to run/i
      .test(
        log,
      );
  return { ok: (signal === "SIGKILL" || code === 0) && !complained, log };
}

/** Every scenario succeeds; and whatever is taken away, some scenario fails for it. */
export async function assertExact(program: "cli" | "daemon", scenarios: readonly Scenario[]): Promise<void> {
  const needed = new Map<string, boolean>();
  for (const scenario of scenarios) {
    const whole = await succeeds(program, scenario);
    equal(whole.ok, true, `${scenario.args.join(" ")}: ${whole.log}`);
    await using home = await temporaryFolder();
    await scenario.prepare?.(home.path);
    const inHome = (text: string) => text.replaceAll("~", home.path);
    const env = Object.fromEntries(Object.entries(scenario.env ?? {}).map(([name, value]) => [name, inHome(value)]));
    const { flags } = await granted(program, scenario.args.map(inHome), home.path, env);
    for (const { name } of withOneFewer(flags, home.path)) {
      if (needed.get(name)) continue;
      const part = await succeeds(
        program,
        scenario,
        (all, own) => withOneFewer(all.flags, own).find((one) => one.name === name)!.flags,
      );
      needed.set(name, !part.ok);
    }
  }
  const superfluous = [...needed].filter(([, isNeeded]) => !isNeeded).map(([name]) => name);
  equal(superfluous.length, 0, `granted, and nothing fails without: ${superfluous.join("; ")}`);
}
