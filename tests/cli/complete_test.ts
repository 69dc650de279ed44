import { deepEqual, equal, match } from "node:assert/strict";
import { ALL_COMMANDS } from "../../cli/certs/commands.ts";
import { complete } from "../../cli/complete.ts";
import { SCRIPTS } from "../../cli/completion_scripts.ts";
import type { Io } from "../../cli/io.ts";
import { temporaryFolder } from "../support/process.ts";
import { startFakeDaemon } from "./terminal.ts";

async function offers(partial: string, words: string, config = ""): Promise<string[]> {
  await using home = await temporaryFolder();
  await Deno.writeTextFile(`${home.path}/config.toml`, config, { mode: 0o600 });
  const env: Record<string, string> = { HELYOS_CONFIG: `${home.path}/config.toml` };
  const io = { env: (name: string) => env[name], stderr: { write() {} } } as unknown as Io;
  const request = [`=${partial}`, ...words.split(" ").filter((word) => word !== "")];
  const lines = (await complete(request, { io, commands: ALL_COMMANDS })).split("\n").slice(0, -1);
  return lines.map((line) => line.split("\t")[0]!);
}

Deno.test("complete() offers commands, then what hangs under them", async () => {
  deepEqual(await offers("log", ""), ["login", "logout"]);
  deepEqual(await offers("", "context"), ["ls", "use", "current", "rename", "set", "rm", "help"]);
  deepEqual(await offers("", "help auth"), ["token", "help"]);
  deepEqual(await offers("c", "--json --server https://h auth token"), ["create"]);
  deepEqual(await offers("", "nonsense"), []);
});

Deno.test("complete() offers options, their values, files and contexts", async () => {
  deepEqual(await offers("--ca", "login h"), ["--ca-file", "--ca-fingerprint"]);
  deepEqual(await offers("--ser", ""), ["--server"]);
  deepEqual(await offers("", "login --ca-file"), [":files"]);
  deepEqual(await offers("--ca-file=c", "login"), [":files"]);
  deepEqual(await offers("", "completions"), ["bash", "elvish", "fish", "powershell", "zsh"]);
  deepEqual(await offers("p", "completions"), ["powershell"]);
  const config = '[context.prod]\nserver = "https://h"\n[context.lab]\n';
  deepEqual(await offers("", "context use", config), ["lab", "prod"]);
  deepEqual(await offers("p", "--context", config), ["prod"]);
  deepEqual(await offers("--context=p", "status", config), ["--context=prod"]);
  deepEqual(await offers("--", "context use --"), []);
});

Deno.test("complete() offers what the daemon has, and nothing when it is not there or refuses", async () => {
  await using daemon = startFakeDaemon({
    "GET /api/v1/projects": [{ name: "shop" }, { name: "lab" }],
    "GET /api/v1/tokens": [{ name: "ci", revoked_at: null }, { name: "ci" }, { name: "old", revoked_at: "2026-06-01" }],
    "GET /api/v1/routes": () => Response.json({ error: "no" }, { status: 401 }),
    "GET /api/v1/certs": [{ domain: "a.example" }],
  });
  const to = `--server ${daemon.server}`;
  deepEqual(await offers("", `project delete ${to}`), ["shop", "lab"]);
  deepEqual(await offers("l", `--server=${daemon.server} pods -p`), ["lab"]);
  deepEqual(await offers("--project=s", `${to} pods`), ["--project=shop"]);
  deepEqual(await offers("", `${to} auth token revoke`), ["ci"]);
  deepEqual(await offers("", `${to} cert rm`), ["a.example"]);
  deepEqual(await offers("", `${to} route rm`), []);
  deepEqual(await offers("", `${to} project create`), [], "a new name is nobody's");
  deepEqual(await offers("", "project delete --server http://localhost:1"), []);
  const config = `[context.lab]\nserver = "${daemon.server}"\ntoken = "lab-token"\n[context.prod]\n`;
  deepEqual(await offers("", "--context lab project resume", config), ["shop", "lab"]);
  equal(daemon.seen.at(-1)?.authorization, "Bearer lab-token");
});

/** Undefined when the shell is not installed. */
async function run(command: Deno.Command): Promise<Deno.CommandOutput | undefined> {
  try {
    return await command.output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What the script's function offers, asked of the shell itself. */
async function ask(shell: string, args: readonly string[]): Promise<string[] | undefined> {
  await using bin = await temporaryFolder();
  // Stands in for the program, and shows how it was called.
  await Deno.writeTextFile(
    `${bin.path}/helyos`,
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${bin.path}/asked\nprintf '%s\\tsummary\\n' prod 'pro:d' '--scope=admin'\n`,
    { mode: 0o755 },
  );
  const command = new Deno.Command(shell, {
    args: [...args],
    env: { PATH: `${bin.path}:${Deno.env.get("PATH")}`, HOME: bin.path },
    stdout: "piped",
    stderr: "piped",
  });
  const output = await run(command);
  if (!output) return undefined;
  equal(output.code, 0, new TextDecoder().decode(output.stderr));
  const asked = (await Deno.readTextFile(`${bin.path}/asked`)).trim().split("\n");
  return [asked.join(" "), ...new TextDecoder().decode(output.stdout).trim().split("\n")];
}

Deno.test("the bash script hands over the words and cuts off what bash has split", async () => {
  const line = (text: string, words: string) =>
    `${SCRIPTS.bash}\nCOMP_LINE=${JSON.stringify(text)} COMP_POINT=${text.length}\nCOMP_WORDS=(${words})\n` +
    `COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))\n_helyos\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  deepEqual(await ask("bash", ["-c", line("helyos context use p", "helyos context use p")]), [
    "__complete =p context use",
    "prod",
    "pro:d",
    "--scope=admin",
  ]);
  const split = await ask("bash", ["-c", line("helyos x --scope=ad", "helyos x --scope = ad")]);
  equal(split?.[0], "__complete =--scope=ad x");
  equal(split?.at(-1), "admin");
  const empty = await ask("bash", ["-c", line("helyos context ", 'helyos context ""')]);
  equal(empty?.[0], "__complete = context");
});

Deno.test("the fish script offers what the program says", async (test) => {
  const asked = await ask("fish", ["-c", `${SCRIPTS.fish}\ncomplete -C 'helyos context use p'`]);
  await test.step({ name: "fish is installed", ignore: asked === undefined, fn: () => match(asked![1]!, /^pro:?d/) });
});

Deno.test("the bash and fish scripts offer files, also behind an equals sign", async (test) => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/helyos`, "#!/bin/sh\necho :files\n", { mode: 0o755 });
  await Deno.writeTextFile(`${folder.path}/ca2.pem`, "");
  const shell = async (name: string, script: string) => {
    const output = await run(
      new Deno.Command(name, {
        args: ["-c", script],
        cwd: folder.path,
        env: { PATH: `${folder.path}:${Deno.env.get("PATH")}`, HOME: folder.path },
      }),
    );
    return output && new TextDecoder().decode(output.stdout).split(/[\t\n]/)[0];
  };
  const bash = (text: string, words: string) =>
    `${SCRIPTS.bash}\nCOMP_LINE='${text}' COMP_POINT=${text.length} COMP_WORDS=(${words})\n` +
    `COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))\n_helyos\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  equal(await shell("bash", bash("helyos login --ca-file ca", "helyos login --ca-file ca")), "ca2.pem");
  equal(await shell("bash", bash("helyos login --ca-file=ca", "helyos login --ca-file = ca")), "ca2.pem");
  const fish = (line: string) => shell("fish", `${SCRIPTS.fish}\ncomplete -C '${line}'`);
  const plain = await fish("helyos login --ca-file ca2");
  const attached = await fish("helyos login --ca-file=ca2");
  await test.step({
    name: "fish is installed",
    ignore: plain === undefined,
    fn: () => deepEqual([plain, attached], ["ca2.pem", "--ca-file=ca2.pem"]),
  });
});

Deno.test("the zsh script is one that zsh can read", async (test) => {
  const script = `compdef() { :; }\n${SCRIPTS.zsh}\nhelyos __complete =`;
  const asked = await ask("zsh", ["-f", "-c", script]);
  await test.step({
    name: "zsh is installed",
    ignore: asked === undefined,
    fn: () => equal(asked![0], "__complete ="),
  });
});
