/**
 * Fails when documentation does not keep up with the code:
 *
 * - every export of every library is documented, and every exported function has an example (the tests run it);
 * - pages made from the code are current (`--write` makes them anew);
 * - every relative link in a Markdown file leads to a file.
 */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { restApiPage } from "./rest_api_page.ts";
import { cliPage } from "./cli_page.ts";
import { flagsPage } from "./flags_page.ts";

/** Pages made from the code, by path. */
const GENERATED: Readonly<Record<string, () => string | Promise<string>>> = {
  "docs/rest-api.md": restApiPage,
  "docs/cli.md": cliPage,
  "docs/flags.md": flagsPage,
};

const problems: string[] = [];

async function run(...args: string[]): Promise<{ ok: boolean; out: string; err: string }> {
  const { success, stdout, stderr } = await new Deno.Command("deno", { args, env: { NO_COLOR: "1" } })
    .output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { ok: success, out: decode(stdout), err: decode(stderr) };
}

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly declarationKind: string;
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
  }[];
}

/** All libraries at once: what one shows of another is documented there. */
async function lintLibraries(names: readonly string[]): Promise<void> {
  const lint = await run("doc", "--lint", ...names.map((name) => `lib/${name}/mod.ts`));
  // Before the findings come warnings about the types of packages, which are not ours to mend.
  if (!lint.ok) problems.push(lint.err.slice(Math.max(0, lint.err.indexOf("error["))).trim());
}

async function checkExamples(name: string): Promise<void> {
  const entry = `lib/${name}/mod.ts`;
  const json = await run("doc", "--json", entry);
  const { nodes } = JSON.parse(json.out) as { nodes: Record<string, { symbols: readonly DocSymbol[] }> };
  for (const symbol of Object.values(nodes).flatMap((module) => module.symbols)) {
    for (const { kind, declarationKind, jsDoc } of symbol.declarations) {
      if (kind !== "function" || declarationKind !== "export") continue;
      if (!jsDoc?.tags?.some((tag) => tag.kind === "example")) {
        problems.push(`${entry}: function ${symbol.name} has no @example`);
      }
    }
  }
}

/** As the formatter wants it, so that it leaves the page alone. */
async function formatted(markdown: string): Promise<string> {
  const child = new Deno.Command("deno", {
    args: ["fmt", "--quiet", "--ext", "md", "-"],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await output;
  if (!success) throw new Error("deno fmt does not take the page");
  return new TextDecoder().decode(stdout);
}

async function checkPage(path: string, make: () => string | Promise<string>): Promise<void> {
  const expected = await formatted(await make());
  if (Deno.args.includes("--write")) return await writeFile(path, expected);
  const actual = await readFile(path, "utf8").catch(() => "");
  if (actual !== expected) problems.push(`${path} is not what the code says: run "deno task docs"`);
}

async function checkLinks(path: string): Promise<void> {
  const text = (await readFile(path, "utf8")).replaceAll(/```[\s\S]*?```/g, "");
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:|^#/.test(target!)) continue;
    const file = join(dirname(path), target!.split("#")[0]!);
    await Deno.stat(file).catch(() => problems.push(`${path}: the link to ${target} leads nowhere`));
  }
}

async function* markdown(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory && !entry.name.startsWith(".") && !["build", "node_modules"].includes(entry.name)) {
      yield* markdown(path);
    } else if (entry.isFile && entry.name.endsWith(".md")) yield path;
  }
}

await Promise.all(Object.entries(GENERATED).map(([path, make]) => checkPage(path, make)));
const libraries = [...Deno.readDirSync("lib")].map((entry) => entry.name);
await Promise.all([lintLibraries(libraries), ...libraries.map(checkExamples)]);
for await (const path of markdown(".")) await checkLinks(path);

for (const problem of problems) console.error(problem);
if (problems.length > 0) Deno.exit(1);
