import {
  type Command,
  type CommandTable,
  GLOBAL_OPTIONS,
  type Leaf,
  type Option,
  type Options,
} from "../cli/command.ts";
import { ALL_COMMANDS } from "../cli/certs/commands.ts";
import { positionalSpelling, usageLine } from "../cli/usage.ts";

/** `docs/cli.md`, made from the commands' own data. */
export async function cliPage(): Promise<string> {
  const sections: string[] = [];
  for (const { words, leaf } of leaves(ALL_COMMANDS)) sections.push(section(words, leaf, (await leaf.load()).default));
  return `${PREFACE}\n\n${sections.join("\n\n")}\n`;
}

function* leaves(table: CommandTable, words: readonly string[] = []): Generator<{ words: string[]; leaf: Leaf }> {
  for (const [word, node] of Object.entries(table)) {
    if ("load" in node) yield { words: [...words, word], leaf: node };
    else yield* leaves(node.commands, [...words, word]);
  }
}

function section(words: readonly string[], leaf: Leaf, command: Command): string {
  const aliases = leaf.aliases?.map((alias) => `\`${["helyos", ...words.slice(0, -1), alias].join(" ")}\``) ?? [];
  const positionals = Object.entries(command.positionals ?? {}).map(([name, positional]) => [
    positionalSpelling(name, positional),
    positional.summary + possible(positional.choices),
  ]);
  const options = optionRows(command.options ?? {});
  return [
    `## helyos ${words.join(" ")}`,
    `${command.summary}.${aliases.length > 0 ? ` Also ${aliases.join(", ")}.` : ""}`,
    fenced(usageLine(words, command), "sh"),
    positionals.length + options.length > 0 ? table([...positionals, ...options]) : "",
    details(command),
  ].filter(Boolean).join("\n\n");
}

function optionRows(options: Options): string[][] {
  return Object.entries(options).map(([name, option]) => [spelling(name, option), option.summary + extras(option)]);
}

function spelling(name: string, { short, value }: Option): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` <${value}>` : ""}`;
}

function extras({ env, choices, required }: Option): string {
  return `${required ? "; required" : ""}${env ? `; also \`${env}\`` : ""}${possible(choices)}`;
}

function possible(choices: readonly string[] | undefined): string {
  return choices ? `; one of ${choices.map((choice) => `\`${choice}\``).join(", ")}` : "";
}

function table(rows: readonly (readonly string[])[]): string {
  const lines = rows.map(([left, right]) => `| \`${left}\` | ${right?.replaceAll("|", "\\|")} |`);
  return ["| argument | meaning |", "| --- | --- |", ...lines].join("\n");
}

/** Text with a layout of its own keeps it; what is plain paragraphs flows. */
function details({ details }: Command): string {
  const text = details?.trim() ?? "";
  return /^ /m.test(text) ? fenced(text, "text") : text.replaceAll("<", "\\<");
}

function fenced(text: string, language: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

const PREFACE = `# The command line

Every command of \`helyos\`. This page is made from the commands themselves; \`deno task docs\` writes it, and
\`helyos help COMMAND\` says the same in the terminal.

**Which daemon.** \`--server\`, else \`HELYOS_SERVER\`, else the active context, else \`http://localhost:6443\`. **Which token.**
\`--token\`, else \`HELYOS_API_TOKEN\`, else the context's, which goes to the context's own server alone. **Which context.**
\`--context\`, else the current one, else the only one.

**Which project.** \`pods\`, \`deployments\` and \`routes\` show the project given with \`-p\`, else the context's default project,
and then a line on standard error says that a filter is active; \`--all-projects\` lifts it.

**Output.** Standard output carries the answer, standard error the commentary. \`--json\` prints the answer as JSON with its
keys in alphabetical order (lists of pods, deployments, nodes, projects and audit records in the order of their fields), and a failure as
\`{ "code", "error", "hint" }\` on standard error. Panels are as wide as the terminal and cut what does not fit with \`…\`; in a
pipe nothing is cut. There is no colour in a pipe or when \`NO_COLOR\` is set; \`HELYOS_ICONS=nerd\` takes icons from a Nerd Font.
Characters that a terminal would obey are spelled out, whoever sent them.

**Exit codes.** 0 done, also when a question was answered with no; 1 failed; 2 the command line makes no sense; 130 interrupted at a question.
A question that cannot be asked, because there is no terminal, is refused with the option that answers it.

**Durations** (\`--ttl\`, \`--overlap\`, \`--wait\`) are whole seconds, or a whole number with \`s\`, \`m\`, \`h\` or \`d\` behind it.

## Options of every command

They may stand anywhere on the line, as \`--server URL\` or \`--server=URL\`; a short option takes its value with or without a
space (\`-p web\`, \`-pweb\`), and \`--\` ends the options.

${table(optionRows(GLOBAL_OPTIONS))}`;
