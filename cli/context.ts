/**
 * Contexts: named connections, and the text of `config.toml` that keeps them.
 *
 * The file looks like TOML and is not: a context's name is written raw, dots and all, so it is read line by line.
 *
 * @module
 */
import { CliError } from "./failure.ts";

/** A named connection to one daemon. */
export interface Context {
  /** Its name, unique within the file. */
  readonly name: string;
  /** Address of the daemon. */
  readonly server?: string | undefined;
  /** API token. */
  readonly token?: string | undefined;
  /** Default project. */
  readonly project?: string | undefined;
  /** What the daemon calls the token. */
  readonly tokenName?: string | undefined;
  /** The server's certificate is not verified. */
  readonly insecure?: boolean | undefined;
  /** The pinned CA: base64 of the exact PEM bytes. */
  readonly ca?: string | undefined;
  /** SHA-256 of those bytes. */
  readonly caSha256?: string | undefined;
}

type TextField = Exclude<keyof Context, "name" | "insecure">;

/** Keys of a section in the order they are written; `insecure` has no quotes. */
const KEYS: readonly (readonly [key: string, field: TextField | "insecure"])[] = [
  ["server", "server"],
  ["token", "token"],
  ["project", "project"],
  ["token-name", "tokenName"],
  ["insecure", "insecure"],
  ["ca", "ca"],
  ["ca-sha256", "caSha256"],
];

const FIRST_LINE = "# Managed by `helyos`. Edit with `helyos context` / `helyos login`.";

/** All contexts and which one is current. A value: changes give a new one. */
export class Contexts {
  /** What `current-context` says, whether or not there is such a context. */
  readonly current: string | undefined;
  readonly #contexts: ReadonlyMap<string, Context>;

  /**
   * @param contexts The contexts.
   * @param current Name of the current one.
   */
  constructor(contexts: Iterable<Context> = [], current?: string) {
    this.#contexts = new Map(Array.from(contexts, (context) => [context.name, context]));
    this.current = current;
  }

  /** @returns Every context in byte order of its name, as written. */
  list(): Context[] {
    return [...this.#contexts.values()].sort((a, b) => byBytes(a.name, b.name));
  }

  /**
   * @param name A context's name.
   * @returns Whether there is one.
   */
  has(name: string): boolean {
    return this.#contexts.has(name);
  }

  /**
   * @param name A context's name.
   * @returns The context.
   * @throws {CliError} If there is none of that name.
   */
  get(name: string): Context {
    const context = this.#contexts.get(name);
    if (context) return context;
    const names = this.list().map((known) => known.name);
    const hint = names.length > 0 ? `Known contexts: ${names.join(", ")}` : "Add one with: helyos login <server>";
    throw new CliError(`no context named '${name}'`, { code: "unknown_context", hint });
  }

  /**
   * The context in effect: the one asked for, else the current one, else the only one.
   *
   * @param asked What `--context` named.
   * @returns The context, or undefined when nothing says which.
   * @throws {CliError} If the one asked for does not exist.
   */
  active(asked?: string): Context | undefined {
    if (asked !== undefined) return this.get(asked);
    if (this.current !== undefined && this.has(this.current)) return this.get(this.current);
    return this.#contexts.size === 1 ? this.list()[0] : undefined;
  }

  /**
   * @param context A new context, or a new version of one.
   * @returns All with this one in it.
   */
  with(context: Context): Contexts {
    return new Contexts([...this.#contexts.values(), context], this.current);
  }

  /**
   * @param name The one to leave out; when it was current, none is current.
   * @returns All without it.
   */
  without(name: string): Contexts {
    const rest = this.list().filter((context) => context.name !== name);
    return new Contexts(rest, this.current === name ? undefined : this.current);
  }

  /**
   * @param name The one to make current, or undefined for none.
   * @returns The same contexts.
   */
  withCurrent(name: string | undefined): Contexts {
    return new Contexts(this.#contexts.values(), name);
  }
}

/**
 * Reads the text of `config.toml`, leniently: what it does not know is passed over.
 *
 * @param text The file.
 * @returns What it says.
 */
export function parseContexts(text: string): Contexts {
  const sections = new Map<string, Map<string, string>>();
  const top = new Map<string, string>();
  let section: Map<string, string> | undefined = top;
  for (const raw of text.replace(/^\ufeff/, "").split("\n")) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const header = /^\[(.*?)\]\s*(?:#.*)?$/.exec(line) ?? /^\[(.*)\]$/.exec(line);
    if (header) {
      const name = /^\s*context\.(.*)$/.exec(header[1] ?? "")?.[1]?.trim();
      section = name === undefined ? undefined : sectionOf(sections, unquoted(name));
      continue;
    }
    const equals = line.indexOf("=");
    if (equals < 0) continue;
    const value = valueOf(line.slice(equals + 1));
    if (value !== "") section?.set(line.slice(0, equals).trim(), value);
  }
  const contexts = Array.from(sections, ([name, values]) => contextOf(name, values));
  if (contexts.length === 0 && (top.has("server") || top.has("token"))) contexts.push(contextOf("default", top));
  return new Contexts(contexts, top.get("current-context"));
}

/**
 * Writes the text of `config.toml`.
 *
 * @param contexts What it is to say.
 * @returns The file, byte for byte as every version of Helyos writes it.
 * @throws {CliError} If a name or value holds a quote or a line break, which the format cannot carry.
 */
export function formatContexts(contexts: Contexts): string {
  const lines = [FIRST_LINE];
  if (contexts.current !== undefined) lines.push(`current-context = ${quoted("current-context", contexts.current)}`);
  for (const context of contexts.list()) {
    checkContextName(context.name);
    lines.push("", `[context.${context.name}]`);
    for (const [key, field] of KEYS) {
      if (field === "insecure") {
        if (context.insecure) lines.push("insecure = true");
        continue;
      }
      const value = context[field];
      if (value !== undefined && value !== "") lines.push(`${key} = ${quoted(key, value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Judges the name of a context that is about to be written.
 *
 * @param name The name.
 * @throws {CliError} If a section header could not carry it.
 */
export function checkContextName(name: string): void {
  // deno-lint-ignore no-control-regex -- they are what is refused
  if (name !== "" && name === name.trim() && !/["'\]\[#\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) return;
  throw new CliError(
    `'${name}' cannot name a context: no quotes, brackets, '#', control characters or spaces at either end`,
    { code: "invalid_context_name" },
  );
}

/**
 * Whether the format can carry a value.
 *
 * @param value The value.
 * @returns False for a quote or a line break in it.
 */
export function isStorable(value: string): boolean {
  // deno-lint-ignore no-control-regex -- they are what is refused
  return !/["\x00-\x1f\x7f]/.test(value);
}

function quoted(key: string, value: string): string {
  if (isStorable(value)) return `"${value}"`;
  throw new CliError(`cannot store ${key}: it contains a quote or a line break`, { code: "invalid_value" });
}

function sectionOf(sections: Map<string, Map<string, string>>, name: string): Map<string, string> {
  const section = sections.get(name) ?? new Map<string, string>();
  sections.set(name, section);
  return section;
}

function unquoted(text: string): string {
  return /^(["'])(.*)\1$/.exec(text)?.[2] ?? text;
}

/** A quoted value may be followed by a comment; a bare one ends at ` #`. */
function valueOf(text: string): string {
  const trimmed = text.trim();
  const quote = /^(["'])(.*?)\1\s*(?:#.*)?$/.exec(trimmed);
  if (quote) return quote[2] ?? "";
  const comment = trimmed.search(/\s#/);
  return unquoted((comment < 0 ? trimmed : trimmed.slice(0, comment)).trim());
}

function contextOf(name: string, values: ReadonlyMap<string, string>): Context {
  const context: Record<string, unknown> = { name };
  for (const [key, field] of KEYS) {
    const value = values.get(key);
    if (value === undefined) continue;
    if (field !== "insecure") context[field] = value;
    else if (value === "true") context.insecure = true;
  }
  return context as unknown as Context;
}

const encoder = new TextEncoder();

function byBytes(a: string, b: string): number {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
