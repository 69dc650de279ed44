import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { command, type CommandTable } from "../../cli/command.ts";
import { ALL_COMMANDS } from "../../cli/certs/commands.ts";
import { CliError } from "../../cli/failure.ts";
import type { Io } from "../../cli/io.ts";
import { run } from "../../cli/run.ts";
import { helyos } from "./terminal.ts";

const TOKEN = "nxa-api_" + "5e".repeat(32);

function leavesOf(table: CommandTable, words: string[] = []): string[][] {
  return Object.entries(table).flatMap(([word, node]) =>
    "load" in node ? [[...words, word]] : leavesOf(node.commands, [...words, word])
  );
}

Deno.test("helyos without a command prints its help on stderr and exits 2", async () => {
  for (const words of [[], ["context"], ["auth", "token"], ["--json"]]) {
    const outcome = await helyos(words);
    deepEqual([outcome.code, outcome.stdout], [2, ""]);
    match(outcome.stderr, /\nUsage: helyos .*<COMMAND>\n\nCommands:\n/);
  }
});

Deno.test("helyos never repeats a token that was typed in the wrong place", async () => {
  const lines = [
    ["login", "h", TOKEN],
    ["whoami", TOKEN],
    [TOKEN],
    ["whoami", "--server", TOKEN],
    ["whoami", `--${TOKEN}`],
    ["whoami", "--context", TOKEN],
    ["context", "use", TOKEN, "--json"],
    ["whoami", "--token", `${TOKEN} `],
  ];
  for (const line of lines) {
    const outcome = await helyos(line);
    equal(outcome.code === 1 || outcome.code === 2, true);
    doesNotMatch(outcome.stdout + outcome.stderr, /(5e){4}/, line.join(" "));
  }
});

Deno.test("helyos prints its version, and that of a command", async () => {
  equal((await helyos(["--version"])).stdout, "helyos 0.4.0\n");
  equal((await helyos(["-V"])).stdout, "helyos 0.4.0\n");
  equal((await helyos(["status", "-V"])).stdout, "helyos-status 0.4.0\n");
  equal((await helyos(["auth", "token", "ls", "--version"])).stdout, "helyos-auth-token-ls 0.4.0\n");
});

Deno.test("helyos has a help page for every command, three ways to it, no line too long for a terminal", async () => {
  for (const words of leavesOf(ALL_COMMANDS)) {
    const page = await helyos([...words, "--help"]);
    deepEqual([page.code, page.stderr], [0, ""], words.join(" "));
    match(page.stdout, new RegExp(`^[^\n]+\n\nUsage: helyos ${words.join(" ")} \\[OPTIONS\\]`));
    match(page.stdout, /\n {6}--server <URL> .*\[env: HELYOS_SERVER\]\n/);
    equal((await helyos([...words, "-h"])).stdout, page.stdout);
    equal((await helyos(["help", ...words])).stdout, page.stdout);
    for (const line of page.stdout.split("\n")) equal(line.length <= 132, true, line);
  }
});

Deno.test("run() reports what nobody foresaw, as JSON too, and keeps quiet when nobody reads", async () => {
  const failing = (failure: Error): CommandTable => ({
    fail: {
      summary: "Fail",
      load: () => Promise.resolve({ default: command({ summary: "Fail", run: () => Promise.reject(failure) }) }),
    },
  });
  async function outcome(failure: Error, ...flags: string[]) {
    let stderr = "";
    const sink = { isTerminal: false, columns: 80, write: (text: string) => void (stderr += text) };
    const io = { stdout: sink, stderr: sink, env: () => undefined } as unknown as Io;
    return { code: await run(["fail", ...flags], { io, commands: failing(failure) }), stderr };
  }
  deepEqual(await outcome(new Error("boom")), { code: 1, stderr: "✗ unexpected failure: boom\n" });
  deepEqual(JSON.parse((await outcome(new Error("boom"), "--json")).stderr), {
    code: "internal",
    error: "unexpected failure: boom",
  });
  deepEqual(await outcome(new CliError("no", { hint: "do", exitCode: 7 })), { code: 7, stderr: "✗ no\n  hint: do\n" });
  deepEqual(await outcome(new Deno.errors.BrokenPipe("gone")), { code: 1, stderr: "" });
});
