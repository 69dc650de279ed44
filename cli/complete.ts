/**
 * What could come next on a command line: the shells' completion scripts ask this.
 *
 * @module
 */
import {
  type Command,
  type CommandTable,
  type Completion,
  GLOBAL_OPTIONS,
  type Globals,
  type Option,
  type Options,
  type Positional,
  type Surroundings,
} from "./command.ts";
import { openContexts } from "./contexts.ts";
import type { Io } from "./io.ts";
import { visible } from "./output/text.ts";

/** The line the scripts understand as: offer file names. */
const FILES = ":files";

/** One thing to offer. */
interface Candidate {
  readonly value: string;
  readonly summary?: string;
}

/**
 * Answers a completion script.
 *
 * @param request `=PARTIAL` (the word being typed; the sign keeps an empty one from being lost), then the words before it.
 * @param deps The outside world and the commands there are.
 * @returns Lines of `VALUE`, tab, summary; or the one line `:files`.
 */
export async function complete(
  request: readonly string[],
  deps: { io: Io; commands: CommandTable },
): Promise<string> {
  const [first = "=", ...words] = request;
  const partial = first.slice(1);
  const offered = await offer(partial, words, deps);
  if (offered === "files") return `${FILES}\n`;
  return offered.filter(({ value }) => value.startsWith(partial))
    .map(({ value, summary }) => `${visible(value)}\t${visible(summary ?? "")}\n`).join("");
}

async function offer(
  partial: string,
  words: readonly string[],
  deps: { io: Io; commands: CommandTable },
): Promise<readonly Candidate[] | "files"> {
  const { table, command, positionals, pending, open, given } = await follow(words, deps.commands);
  const options: Options = { ...GLOBAL_OPTIONS, ...command?.options };
  const values = (of: Option | Positional) => valuesOf(of, { io: deps.io, globals: globalsOf(given) });
  if (pending) return await values(pending);
  const attached = open ? /^--([^=]+)=/.exec(partial) : null;
  if (attached) {
    const option = options[attached[1] ?? ""];
    const found = option?.value === undefined ? [] : await values(option);
    if (found === "files") return "files";
    return found.map(({ value, summary }) => ({ value: attached[0] + value, ...(summary ? { summary } : {}) }));
  }
  if (open && partial.startsWith("-") && partial !== "-") return optionCandidates(options);
  if (table) {
    const named = Object.entries(table).map(([value, { summary }]) => ({ value, summary }));
    return partial === "-"
      ? optionCandidates(options)
      : [...named, { value: "help", summary: "Print help for a command" }];
  }
  const declared = Object.values(command?.positionals ?? {});
  const positional = declared[positionals] ?? (declared.at(-1)?.many ? declared.at(-1) : undefined);
  if (partial === "-" && open) return optionCandidates(options);
  return positional ? await values(positional) : [];
}

interface Followed {
  /** The words may go on with one of these. */
  readonly table?: CommandTable;
  /** The command they lead to. */
  readonly command?: Command;
  /** How many positionals are there already. */
  readonly positionals: number;
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
  /** Options may still come. */
  readonly open: boolean;
  /** Values of options that are there already, by long spelling. */
  readonly given: ReadonlyMap<string, string>;
}

/** Walks the words as the parser would, forgiving what it would refuse. */
async function follow(words: readonly string[], commands: CommandTable): Promise<Followed> {
  let table: CommandTable | undefined = commands;
  let command: Command | undefined;
  let positionals = 0;
  let pending: string | undefined;
  let open = true;
  const given = new Map<string, string>();
  const options = (): Options => ({ ...GLOBAL_OPTIONS, ...command?.options });
  for (const word of words) {
    if (pending !== undefined) {
      given.set(pending, word);
      pending = undefined;
    } else if (open && word === "--") open = false;
    else if (open && word.startsWith("-") && word !== "-") {
      const [, name, value] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
      if (name !== undefined) given.set(name, value!);
      else pending = wantsValue(word, options());
    } else if (!table) positionals++;
    else if (word !== "help") {
      const node: CommandTable[string] | undefined = table[word] ??
        Object.values(table).find(({ aliases }) => aliases?.includes(word));
      table = node && !("load" in node) ? node.commands : undefined;
      if (node && "load" in node) command = (await node.load()).default;
    }
  }
  const wanted = pending === undefined ? undefined : options()[pending];
  return { ...(table ? { table } : {}), ...(command ? { command } : {}), positionals, pending: wanted, open, given };
}

/** The long spelling of an option whose value is the next word. */
function wantsValue(word: string, options: Options): string | undefined {
  const name = word.startsWith("--")
    ? word.slice(2)
    : Object.keys(options).find((name) => word === `-${options[name]!.short}`);
  return name !== undefined && options[name]?.value !== undefined ? name : undefined;
}

/** What of the line says which daemon. */
function globalsOf(given: ReadonlyMap<string, string>): Globals {
  const value = (name: string) => given.get(name);
  return {
    server: value("server"),
    token: value("token"),
    context: value("context"),
    proxy: value("proxy"),
    json: true, // nobody reads warnings here
    help: false,
    version: false,
  };
}

function optionCandidates(options: Options): Candidate[] {
  return Object.entries(options).map(([name, { summary }]) => ({ value: `--${name}`, summary }));
}

async function valuesOf(of: Option | Positional, surroundings: Surroundings): Promise<readonly Candidate[] | "files"> {
  if (of.choices) return of.choices.map((value) => ({ value }));
  const kind: Completion = of.complete ?? "none";
  if (kind === "context") {
    const contexts = await openContexts(surroundings.io).read();
    return contexts.list().map(({ name, server }) => ({ value: name, ...(server ? { summary: server } : {}) }));
  }
  if (kind === "none") return [];
  if (kind === "file" || kind === "directory") return "files";
  const { namesOf } = await import("./complete_names.ts");
  return (await namesOf(kind, surroundings)).map((value) => ({ value }));
}
