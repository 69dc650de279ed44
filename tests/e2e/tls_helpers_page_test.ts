import { equal, ok } from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, temporaryFolder } from "../support/process.ts";
import { lacking, tool } from "../support/tools.ts";

const PAGE = "docs/tls-helpers.md";

interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

async function blocksOf(path: string): Promise<Block[]> {
  const text = await readFile(join(ROOT, path), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(({ 1: language, 2: code, index }) => ({
    language: language!,
    code: code!,
    line: text.slice(0, index).split("\n").length,
  }));
}

/** Programs outside the checkout find the libraries as a program that installed them does. */
async function importMap(folder: string): Promise<string> {
  const { imports } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8")) as {
    imports: Record<string, string>;
  };
  for (const name of ["tls", "pki"]) imports[`@helyos/${name}`] = pathToFileURL(join(ROOT, "lib", name, "mod.ts")).href;
  const path = join(folder, "import_map.json");
  await writeFile(path, JSON.stringify({ imports }));
  return path;
}

Deno.test({
  name: `every block of ${PAGE} runs, in order, in one folder, with the permissions it needs and no more`,
  ignore: lacking("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    const map = await importMap(folder.path);
    const blocks = await blocksOf(PAGE);
    ok(blocks.length >= 10, `${blocks.length} blocks`);
    const programs = blocks.map((block, index) => ({ ...block, file: join(folder.path, `step_${index}.ts`) }));
    for (const { language, code, file } of programs) if (language === "ts") await writeFile(file, code);
    const flags = ["--no-config", "--no-lock", "--quiet", "--import-map", map];
    const files = programs.filter(({ language }) => language === "ts").map(({ file }) => file);
    const deno = async (args: string[], where: string) => {
      const options = { args, cwd: folder.path, env: { NO_COLOR: "1" } };
      const { success, stderr } = await new Deno.Command(Deno.execPath(), options).output();
      ok(success, `${where}:\n${new TextDecoder().decode(stderr)}`);
    };
    await deno(["check", ...flags, ...files], PAGE);
    // What `ws` asks the environment for are switches of its own: the programs without WebSockets do without.
    const allowed = (code: string) => [
      ...["--allow-read", "--allow-write=.", "--allow-net=localhost,127.0.0.1,127.0.0.2"],
      ...(/WebSocket\(/.test(code) ? ["--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE"] : []),
    ];
    for (const { language, code, line, file } of programs) {
      const where = `${PAGE}:${line}`;
      if (language === "ts") await deno(["run", "--no-check", "--no-prompt", ...flags, ...allowed(code), file], where);
      else {
        for (const command of code.trim().split("\n")) {
          const [program, ...args] = command.split(" ");
          const options = { args, cwd: folder.path, stdout: "null" } as const;
          equal((await new Deno.Command(tool(program!), options).output()).code, 0, `${where}: ${command}`);
        }
      }
    }
  },
});
