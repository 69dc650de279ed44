/**
 * Reads a command line the way clap does: global options anywhere, `-pX`, `--x=y`, options between positionals, `--`.
 *
 * @module
 */
import {
  type AnyCommand,
  type Command,
  type CommandTable,
  GLOBAL_OPTIONS,
  type Globals,
  type Group,
  type Invocation,
  type Leaf,
  type Option,
  type Options,
} from "./command.ts";
import { UsageError } from "./failure.ts";
import { similar } from "./suggest.ts";
import { optionSpelling, usageLine } from "./usage.ts";

/** What a command line asks for. */
export type Request =
  /** Run the command; its own part of the line is still unread. */
  | { readonly kind: "run"; readonly words: readonly string[]; readonly leaf: Leaf; readonly rest: Rest }
  /** Print help for these words. `missing`: a command was needed and none was given. */
  | { readonly kind: "help"; readonly words: readonly string[]; readonly missing?: true }
  /** Print the version. */
  | { readonly kind: "version"; readonly words: readonly string[] };

/** What is left of a line once the command is known. */
export interface Rest {
  readonly tokens: readonly string[];
  readonly globals: ReadonlyMap<string, unknown>;
}

/** A leaf or a group with its words; the whole table when there are no words. */
export interface Place {
  readonly words: readonly string[];
  readonly node: Leaf | Group;
}

/**
 * Finds the command on a line. Global options before its words are read on the way.
 *
 * @param tokens The line without the program's name.
 * @param commands The table of contents.
 * @returns What is asked for.
 * @throws {UsageError} If a word is no command, or an option is not a global one.
 */
export function findCommand(tokens: readonly string[], commands: CommandTable): Request {
  const words: string[] = [];
  const found = new Map<string, unknown>();
  let table = commands;
  for (let at = 0; at < tokens.length;) {
    const token = tokens[at] ?? "";
    const usage = usageLine(words);
    if (token === "--") throw new UsageError(`unexpected argument '${tokens[at + 1] ?? "--"}' found`, { usage });
    if (isOption(token)) {
      const read = readOption(tokens, at, { options: GLOBAL_OPTIONS, usage });
      for (const { name, value } of read.values) {
        if (name === "help" || name === "version") return { kind: name, words };
        keep(found, { name, value, option: GLOBAL_OPTIONS[name as keyof typeof GLOBAL_OPTIONS], usage });
      }
      at = read.next;
      continue;
    }
    at++;
    if (token === "help") return { kind: "help", words: placeOf([...words, ...tokens.slice(at)], commands).words };
    const [word, node] = lookUp(token, table) ?? unrecognised(token, { words, table });
    words.push(word);
    if ("load" in node) return { kind: "run", words, leaf: node, rest: { tokens: tokens.slice(at), globals: found } };
    table = node.commands;
  }
  return { kind: "help", words, missing: true };
}

/**
 * Finds the place words lead to; options among them are passed over.
 *
 * @param words Words as typed, aliases allowed.
 * @param commands The table of contents.
 * @returns The place, with the words it is listed under.
 * @throws {UsageError} If a word is no command.
 */
export function placeOf(words: readonly string[], commands: CommandTable): Place {
  let place: Place = { words: [], node: { summary: "", commands } };
  for (const typed of words) {
    if (isOption(typed)) continue;
    if ("load" in place.node) {
      throw new UsageError(`unrecognized subcommand '${typed}'`, { usage: usageLine(place.words) });
    }
    const table = place.node.commands;
    const [word, node] = lookUp(typed, table) ?? unrecognised(typed, { words: place.words, table });
    place = { words: [...place.words, word], node };
  }
  return place;
}

/**
 * Reads a command's own part of the line.
 *
 * @param command The command.
 * @param words Its words, for messages.
 * @param rest What is left of the line.
 * @returns What to run it with, or that help or the version was asked for.
 * @throws {UsageError} If an argument is unknown, missing, doubled or has no sense.
 */
export function parseRest(
  command: AnyCommand,
  words: readonly string[],
  rest: Rest,
): Omit<Invocation, "io"> | "help" | "version" {
  const shape: Command = command;
  const usage = usageLine(words, shape);
  const own: Options = shape.options ?? {};
  const options: Options = { ...GLOBAL_OPTIONS, ...own };
  const globals = new Map(rest.globals);
  const values = new Map<string, unknown>();
  const positionals: string[] = [];
  const declared = Object.values(shape.positionals ?? {});
  const most = declared.at(-1)?.many ? Infinity : declared.length;
  const { tokens } = rest;
  for (let at = 0, open = true; at < tokens.length;) {
    const token = tokens[at] ?? "";
    if (open && token === "--") {
      open = false;
      at++;
    } else if (open && isOption(token)) {
      const read = readOption(tokens, at, { options, usage });
      for (const { name, value } of read.values) {
        const option = own[name];
        if (!option && (name === "help" || name === "version")) return name;
        keep(option ? values : globals, { name, value, option: option ?? options[name], usage });
      }
      at = read.next;
    } else {
      if (positionals.length === most) throw new UsageError(`unexpected argument '${token}' found`, { usage });
      positionals.push(token);
      at++;
    }
  }
  return {
    args: positionalValues(shape, positionals, { options: values, usage }) as Invocation["args"],
    options: optionValues(own, values) as Invocation["options"],
    globals: optionValues(GLOBAL_OPTIONS, globals) as unknown as Globals,
  };
}

/** A lone dash is a value: `context use -`. */
function isOption(token: string): boolean {
  return token.length > 1 && token.startsWith("-");
}

function lookUp(typed: string, table: CommandTable): [string, Leaf | Group] | undefined {
  if (Object.hasOwn(table, typed)) return [typed, table[typed]!];
  return Object.entries(table).find(([, node]) => node.aliases?.includes(typed));
}

function unrecognised(typed: string, place: { words: readonly string[]; table: CommandTable }): never {
  const names = Object.entries(place.table).flatMap(([word, node]) => [word, ...node.aliases ?? []]);
  const near = similar(typed, names);
  const hint = near.length > 0 ? tip("subcommand", near) : tip("subcommand", deeper(typed, place.table));
  throw new UsageError(`unrecognized subcommand '${typed}'`, { usage: usageLine(place.words), hint });
}

/** Where a word stands that was typed without those it hangs under: `token` is `auth token`. */
function deeper(typed: string, table: CommandTable): string[] {
  return Object.entries(table).flatMap(([word, node]) => {
    if ("load" in node) return [];
    const found = lookUp(typed, node.commands);
    return (found ? [found[0]] : deeper(typed, node.commands)).map((rest) => `${word} ${rest}`);
  });
}

function tip(what: string, names: readonly string[]): string | undefined {
  const quoted = names.map((name) => `'${name}'`);
  if (quoted.length > 1) return `some similar ${what}s exist: ${quoted.join(", ")}`;
  return quoted.length === 1 ? `a similar ${what} exists: ${quoted[0]}` : undefined;
}

interface Context {
  readonly options: Options;
  readonly usage: string;
}

interface Read {
  /** Switches have the value true. */
  readonly values: readonly { readonly name: string; readonly value: string | true }[];
  /** Where to read on. */
  readonly next: number;
}

function readOption(tokens: readonly string[], at: number, context: Context): Read {
  const token = tokens[at] ?? "";
  return token.startsWith("--") ? readLong(tokens, at, context) : readShort(tokens, at, context);
}

function readLong(tokens: readonly string[], at: number, { options, usage }: Context): Read {
  const token = tokens[at] ?? "";
  const equals = token.indexOf("=");
  const name = token.slice(2, equals < 0 ? undefined : equals);
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (!option) {
    const hint = tip("argument", similar(name, Object.keys(options)).map((near) => `--${near}`));
    throw new UsageError(`unexpected argument '--${name}' found`, { usage, hint });
  }
  const attached = equals < 0 ? undefined : token.slice(equals + 1);
  if (option.value === undefined) {
    if (attached === undefined) return { values: [{ name, value: true }], next: at + 1 };
    throw new UsageError(`unexpected value '${attached}' for '--${name}' found; no more were expected`, { usage });
  }
  if (attached !== undefined) return { values: [{ name, value: attached }], next: at + 1 };
  return { values: [{ name, value: nextValue(tokens, at, { name, option, usage }) }], next: at + 2 };
}

function readShort(tokens: readonly string[], at: number, { options, usage }: Context): Read {
  const letters = (tokens[at] ?? "").slice(1);
  const values: { name: string; value: string | true }[] = [];
  for (let index = 0; index < letters.length; index++) {
    const letter = letters[index];
    const [name, option] = Object.entries(options).find(([, option]) => option.short === letter) ?? [];
    if (name === undefined || !option) {
      const hint = `to pass '${tokens[at]}' as a value, use '-- ${tokens[at]}'`;
      throw new UsageError(`unexpected argument '-${letter}' found`, { usage, hint });
    }
    if (option.value === undefined) {
      values.push({ name, value: true });
      continue;
    }
    const attached = letters.slice(index + 1);
    if (attached !== "") {
      values.push({ name, value: attached.startsWith("=") ? attached.slice(1) : attached });
      return { values, next: at + 1 };
    }
    values.push({ name, value: nextValue(tokens, at, { name, option, usage }) });
    return { values, next: at + 2 };
  }
  return { values, next: at + 1 };
}

interface Wanted {
  readonly name: string;
  readonly option: Option;
  readonly usage: string;
}

function nextValue(tokens: readonly string[], at: number, { name, option, usage }: Wanted): string {
  const next = tokens[at + 1];
  if (next !== undefined && !isOption(next)) return next;
  const hint = next === undefined ? undefined : `to pass '${next}' as a value, use '--${name}=${next}'`;
  throw new UsageError(`a value is required for '${optionSpelling(name, option)}' but none was supplied`, {
    usage,
    hint,
  });
}

interface Found {
  readonly name: string;
  readonly value: string | true;
  readonly option: Option | undefined;
  readonly usage: string;
}

function keep(values: Map<string, unknown>, { name, value, option, usage }: Found): void {
  if (!option || value === true) return void values.set(name, true);
  const spelling = optionSpelling(name, option);
  if (option.repeats) {
    const more = judge(value, option, { spelling, usage });
    return void values.set(name, [...values.get(name) as unknown[] ?? [], more]);
  }
  if (values.has(name)) throw new UsageError(`the argument '${spelling}' cannot be used multiple times`, { usage });
  values.set(name, judge(value, option, { spelling, usage }));
}

type Judged = Pick<Option, "choices" | "read">;

function judge(text: string, rule: Judged, { spelling, usage }: { spelling: string; usage: string }): unknown {
  const { choices } = rule;
  if (choices && !choices.includes(text)) {
    throw new UsageError(`invalid value '${text}' for '${spelling}'\n  [possible values: ${choices.join(", ")}]`, {
      usage,
      hint: tip("value", similar(text, choices)),
    });
  }
  if (!rule.read) return text;
  try {
    return rule.read(text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new UsageError(`invalid value '${text}' for '${spelling}': ${cause.message}`, { usage });
  }
}

function positionalValues(
  command: Command,
  typed: readonly string[],
  { options, usage }: { options: ReadonlyMap<string, unknown>; usage: string },
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const missing: string[] = [];
  Object.entries(command.positionals ?? {}).forEach(([name, positional], index) => {
    const text = typed[index];
    if (positional.many) {
      values[name] = typed.slice(index).map((text) => judge(text, positional, { spelling: `<${name}>`, usage }));
      if (text === undefined && !positional.optional) missing.push(`<${name}>...`);
    } else if (text !== undefined) values[name] = judge(text, positional, { spelling: `<${name}>`, usage });
    else if (!positional.optional) missing.push(`<${name}>`);
  });
  for (const [name, option] of Object.entries(command.options ?? {})) {
    if (option.required && !options.has(name)) missing.push(optionSpelling(name, option));
  }
  if (missing.length > 0) {
    const list = missing.map((spelling) => `\n  ${spelling}`).join("");
    throw new UsageError(`the following required arguments were not provided:${list}`, { usage });
  }
  return values;
}

function optionValues(options: Options, values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { repeats, value }]) => [
      name,
      values.get(name) ?? (repeats ? [] : value ? undefined : false),
    ]),
  );
}
