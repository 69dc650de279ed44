/**
 * A command as data: what the parser, the help text and the shell completions all read.
 *
 * @module
 */
import type { Named } from "./complete_names.ts";
import type { Io } from "./io.ts";

/** What the shell may offer when completing a value; the daemon is asked for what projects and the like are called. */
export type Completion = "file" | "directory" | "context" | "none" | Named;

/** Turns what was typed into a value; throws a `TypeError` or `RangeError` whose message says what is wrong with it. */
export type ValueReader<T> = (text: string) => T;

/** An argument that is recognised by its place. */
export interface Positional {
  /** One line for the help text. */
  readonly summary: string;
  /** May be left out. */
  readonly optional?: true;
  /** Takes all that is left, as a list; only for the last one. Optional then means that the list may be empty. */
  readonly many?: true;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** Turns the text into a value; without it the text itself is the value. */
  readonly read?: ValueReader<unknown>;
  /**
   * What the shell offers for it.
   * @default {"none"}
   */
  readonly complete?: Completion;
}

/** An argument that starts with dashes. */
export interface Option {
  /** One line for the help text. */
  readonly summary: string;
  /** Its one-letter form, without the dash. */
  readonly short?: string;
  /** How the help calls its value, for example `SECS`. Without one the option is a switch. */
  readonly value?: string;
  /** Must be given. */
  readonly required?: true;
  /** May be given more than once: its value is a list, empty when it was not given. */
  readonly repeats?: true;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** Turns the text into a value; without it the text itself is the value. */
  readonly read?: ValueReader<unknown>;
  /** The variable that also sets it; shown in the help, read by whoever uses the option. */
  readonly env?: string;
  /**
   * What the shell offers for its value.
   * @default {"none"}
   */
  readonly complete?: Completion;
}

/** Positionals in the order they are typed, by the name the help shows in angle brackets. */
export type Positionals = Readonly<Record<string, Positional>>;

/** Options by their long spelling without dashes. */
export type Options = Readonly<Record<string, Option>>;

type ValueOf<S> = S extends { read: ValueReader<infer T> } ? T
  : S extends { choices: readonly (infer C)[] } ? C
  : string;

/** What the positionals `P` become after parsing. */
export type PositionalValues<P extends Positionals> = {
  readonly [K in keyof P]: P[K] extends { many: true } ? readonly ValueOf<P[K]>[]
    : P[K] extends { optional: true } ? ValueOf<P[K]> | undefined
    : ValueOf<P[K]>;
};

/** What the options `O` become after parsing: switches are booleans, the rest values or undefined. */
export type OptionValues<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { value: string; repeats: true } ? readonly ValueOf<O[K]>[]
    : O[K] extends { value: string } ? O[K] extends { required: true } ? ValueOf<O[K]> : ValueOf<O[K]> | undefined
    : boolean;
};

/** Options that every command has, anywhere on the line. */
export const GLOBAL_OPTIONS = {
  server: { summary: "Address of the daemon", value: "URL", env: "HELYOS_SERVER" },
  token: {
    summary: "API token (better: a context, --token-file or the variable)",
    value: "TOKEN",
    env: "HELYOS_API_TOKEN",
  },
  context: { summary: "Use this context for this one command", value: "NAME", complete: "context" },
  proxy: { summary: "Reach the daemon through this HTTP proxy (variables like HTTPS_PROXY are ignored)", value: "URL" },
  json: { summary: "Print the answer, and errors, as JSON" },
  help: { summary: "Print help", short: "h" },
  version: { summary: "Print version", short: "V" },
} as const satisfies Options;

/** The global options of one command line: flags only, never the environment. */
export type Globals = OptionValues<typeof GLOBAL_OPTIONS>;

/** One run of a command. */
export interface Invocation<P extends Positionals = Positionals, O extends Options = Options> {
  /** The positionals, by name. */
  readonly args: PositionalValues<P>;
  /** The command's own options, by long spelling. */
  readonly options: OptionValues<O>;
  /** The global options. */
  readonly globals: Globals;
  /** The outside world. */
  readonly io: Io;
}

/** What any function that reaches the daemon or the contexts needs of an invocation. */
export type Surroundings = Pick<Invocation, "globals" | "io">;

/** A command: its shape, and what it does. */
export interface Command<P extends Positionals = Positionals, O extends Options = Options> {
  /** What it does, one line, no full stop. */
  readonly summary: string;
  /** More for its own help page: paragraphs and examples. */
  readonly details?: string;
  /** Its positionals, in order; optional ones last. */
  readonly positionals?: P;
  /** Its options beside the global ones. */
  readonly options?: O;
  /** Does it. A number is the exit code; without one it is 0. Failures are thrown, see `failure.ts`. */
  run(invocation: Invocation<P, O>): Promise<number | void>;
}

/** A command whose own types are forgotten: what the table of contents holds. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any, any>;

/**
 * Declares a command; the types of `args` and `options` follow from its positionals and options.
 *
 * @param definition The command.
 * @returns The same, for the module to export as its default.
 */
export function command<
  const P extends Positionals = Record<never, never>,
  const O extends Options = Record<never, never>,
>(
  definition: Command<P, O>,
): Command<P, O> {
  return definition;
}

/** A command in the table of contents: loaded when it is run, or when its own help is asked for. */
export interface Leaf {
  /** What it does, one line: the same words as the command's own. */
  readonly summary: string;
  /** Other words for it. */
  readonly aliases?: readonly string[];
  /** Loads it. */
  readonly load: () => Promise<{ readonly default: AnyCommand }>;
}

/** A word that commands hang under. */
export interface Group {
  /** What they have in common, one line. */
  readonly summary: string;
  /** Other words for it. */
  readonly aliases?: readonly string[];
  /** What hangs under it, by word, in the order the help shows. */
  readonly commands: CommandTable;
}

/** A table of contents. */
export type CommandTable = Readonly<Record<string, Leaf | Group>>;
