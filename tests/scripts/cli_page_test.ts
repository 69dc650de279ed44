import { deepEqual, equal } from "node:assert/strict";
import { cliPage } from "../../scripts/cli_page.ts";
import type { CommandTable } from "../../cli/command.ts";
import { COMMANDS } from "../../cli/commands.ts";

Deno.test("docs/cli.md is what the commands say", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/cli.md", import.meta.url));
  equal(page, await cliPage(), 'run "deno task docs"');
});

Deno.test("COMMANDS lists each command with the summary it gives itself", async () => {
  const differing: string[] = [];
  const visit = async (table: CommandTable, words: readonly string[]): Promise<void> => {
    for (const [word, node] of Object.entries(table)) {
      if (!("load" in node)) await visit(node.commands, [...words, word]);
      else if ((await node.load()).default.summary !== node.summary) differing.push([...words, word].join(" "));
    }
  };
  await visit(COMMANDS, []);
  deepEqual(differing, []);
});
