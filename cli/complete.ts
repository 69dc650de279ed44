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
  type Option,
  type Options,
  type Positional,
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
  const { table, command, positionals, pending, open } = await follow(words, deps.commands);
  const options: Options = { ...GLOBAL_OPTIONS, ...command?.options };
  if (pending) return await values(pending, deps.io);
  const attached = open ? /^--([^=]+)=/.exec(partial) : null;
  if (attached) {
    const option = options[attached[1] ?? ""];
    const found = option?.value === undefined ? [] : await values(option, deps.io);
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
  return positional ? await values(positional, deps.io) : [];
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
}

/** Walks the words as the parser would, forgiving what it would refuse. */
async function follow(words: readonly string[], commands: CommandTable): Promise<Followed> {
  let table: CommandTable | undefined = commands;
  let command: Command | undefined;
  let positionals = 0;
  let pending: Option | undefined;
  let open = true;
  for (const word of words) {
    if (pending) pending = undefined;
    else if (open && word === "--") open = false;
    else if (open && word.startsWith("-") && word !== "-") {
      pending = wantsValue(word, { ...GLOBAL_OPTIONS, ...command?.options });
    } else if (!table) positionals++;
    else if (word !== "help") {
      const node: CommandTable[string] | undefined = table[word] ??
        Object.values(table).find(({ aliases }) => aliases?.includes(word));
      table = node && !("load" in node) ? node.commands : undefined;
      if (node && "load" in node) command = (await node.load()).default;
    }
  }
  return { ...(table ? { table } : {}), ...(command ? { command } : {}), positionals, pending, open };
}

function wantsValue(word: string, options: Options): Option | undefined {
  const option = word.startsWith("--")
    ? options[word.slice(2)]
    : Object.values(options).find(({ short }) => word === `-${short}`);
  return option?.value === undefined ? undefined : option;
}

function optionCandidates(options: Options): Candidate[] {
  return Object.entries(options).map(([name, { summary }]) => ({ value: `--${name}`, summary }));
}

async function values(of: Option | Positional, io: Io): Promise<readonly Candidate[] | "files"> {
  if (of.choices) return of.choices.map((value) => ({ value }));
  const kind: Completion = of.complete ?? "none";
  if (kind === "context") {
    const contexts = await openContexts(io).read();
    return contexts.list().map(({ name, server }) => ({ value: name, ...(server ? { summary: server } : {}) }));
  }
  return kind === "none" ? [] : "files";
}
