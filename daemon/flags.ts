/**
 * The daemon's command line as data, and the parser that reads it the way clap does.
 *
 * @module
 */

import { KEY_TYPES } from "./certificates/settings.ts";
import { BACKENDS, DEFAULT_BACKEND } from "./proxy/names.ts";

/** One flag. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  /** What stands for its value in the help; absent for a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeats?: boolean;
  /** What a value must be one of; anything else is a usage error. */
  readonly choices?: readonly string[];
  /** Why a value is no good, in clap's words; undefined when it is. A wrong value is a usage error. */
  readonly judge?: (value: string) => string | undefined;
  readonly help: string;
}

/** What `helyosd` can be told to do. */
export interface Command {
  /** Its words; none for serving. */
  readonly words: readonly string[];
  readonly about: string;
  readonly flags: readonly Flag[];
}

const DATA_DIR: Flag = {
  name: "data-dir",
  value: "DIR",
  help: "Data directory [env: HELYOS_DATA_DIR] [default: ~/.helyos/data, else /var/lib/helyos]",
};

function judgePort(value: string): string | undefined {
  if (!/^\d+$/.test(value)) return "invalid digit found in string";
  return Number(value) > 65535 ? `${value} is not in 0..=65535` : undefined;
}

const SERVE: Command = {
  words: [],
  about: "The Helyos daemon: the control plane of a small cluster",
  flags: [
    { name: "host", value: "HOST", help: "Address or host name to bind [default: 127.0.0.1]" },
    { name: "port", value: "PORT", judge: judgePort, help: "Port; 0 lets the system choose [default: 6443]" },
    DATA_DIR,
    { name: "tls", value: "MODE", help: "auto (HTTPS unless the host is loopback), on or off [default: auto]" },
    { name: "tls-cert", value: "FILE", help: "Serve this certificate (PEM, chain allowed); needs --tls-key" },
    { name: "tls-key", value: "FILE", help: "The private key of --tls-cert (PEM)" },
    { name: "tls-san", value: "NAME", repeats: true, help: "Another DNS name or IP address for the own certificate" },
    {
      name: "advertise-addr",
      value: "NAME",
      help: "DNS name or IP address clients dial; also put into the certificate",
    },
    { name: "insecure-http", help: "Allow --tls off on an address that is not loopback" },
    {
      name: "api-token",
      value: "TOKEN",
      help: "Set the API token; others on this machine can see it here [env: HELYOS_API_TOKEN]",
    },
    {
      name: "proxy-backend",
      value: "NAME",
      choices: BACKENDS,
      help: `What serves the routes: ${
        BACKENDS.join(", ")
      } [default: ${DEFAULT_BACKEND} if it is there, else embedded]`,
    },
    {
      name: "proxy-program",
      value: "FILE",
      help: "Program of --proxy-backend when it is not on PATH; for caddy also the http:// address of its admin API",
    },
    { name: "http-listen", value: "ADDR", help: "Where routes are served over HTTP [default: 0.0.0.0:80]" },
    { name: "https-listen", value: "ADDR", help: "Where routes are served over HTTPS [default: 0.0.0.0:443]" },
    { name: "acme-email", value: "EMAIL", help: "Contact address at the CA; turns automatic certificates on" },
    { name: "acme-directory", value: "URL", help: "The CA's ACME directory [default: Let's Encrypt]" },
    {
      name: "acme-staging-directory",
      value: "URL",
      help:
        "Where an order is tried first after one has failed [default: Let's Encrypt's for Let's Encrypt, else none]",
    },
    { name: "acme-fallback-directory", value: "URL", help: "Another CA's, for when the first one gives none" },
    { name: "acme-ca-file", value: "FILE", help: "PEM of the CAs that the ACME servers themselves are trusted by" },
    { name: "acme-profile", value: "NAME", help: "Certificate profile to ask for, for example shortlived" },
    {
      name: "acme-key-type",
      value: "TYPE",
      choices: KEY_TYPES,
      help: `Kind of the certificates' keys: ${KEY_TYPES.join(", ")} [default: ${KEY_TYPES[0]}]`,
    },
    {
      name: "acme-preferred-chain",
      value: "NAME",
      help: "Of several chains, the one whose topmost certificate this issuer signed (its common name)",
    },
    {
      name: "acme-dns-hook",
      value: "PROGRAM",
      help: "Proves wildcards by DNS: called as PROGRAM present|cleanup RECORD TEXT",
    },
    { name: "acme-eab-kid", value: "ID", help: "Key id of an account made elsewhere, for CAs that want one" },
    { name: "acme-eab-hmac-file", value: "FILE", help: "File with that account's HMAC key, in base64url" },
    { name: "log-format", value: "FORMAT", choices: ["human", "json"], help: "human or json [default: human]" },
    {
      name: "log-level",
      value: "LEVEL",
      choices: ["trace", "debug", "info", "warn", "error"],
      help: "trace, debug, info, warn or error [env: RUST_LOG] [default: info]",
    },
    { name: "check", help: "Check everything, change nothing, say what would be served" },
  ],
};

const CA: Command = {
  words: ["ca"],
  about: "Print the fingerprints of this host's control-plane CA, to compare with what a client shows",
  flags: [DATA_DIR, { name: "json", help: "Print one JSON object, the certificate in it" }],
};

const TOKEN_RESET: Command = {
  words: ["token", "reset"],
  about: "Replace the first token and print the new one; works while the daemon runs",
  flags: [DATA_DIR],
};

/** Everything `helyosd` can be told to do. */
export const COMMANDS: readonly Command[] = [SERVE, CA, TOKEN_RESET];

/** What the command line asks for. */
export type Request =
  | { readonly kind: "help"; readonly command: Command }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly command: Command; readonly values: Values };

/** Values by flag. */
export class Values {
  readonly #values = new Map<string, string[]>();

  /** The value of a flag, or undefined when it was not given. */
  one(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** Every value of a flag that repeats. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Whether a switch was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Adds a value. */
  add(name: string, value: string): void {
    this.#values.set(name, [...this.all(name), value]);
  }
}

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads a command line.
 *
 * @param args What follows the program's name.
 * @throws {UsageError} With all that is to be printed.
 */
export function parseCommandLine(args: readonly string[]): Request {
  const { command, rest } = findCommand(args);
  const values = new Values();
  for (let at = 0; at < rest.length; at++) {
    const argument = rest[at]!;
    if (argument === "-h" || argument === "--help") return { kind: "help", command };
    if (argument === "-V" || argument === "--version") return { kind: "version" };
    const [, name, attached] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const flag = command.flags.find((candidate) => candidate.name === name);
    if (flag === undefined) throw unexpected(argument, name, command);
    if (values.has(flag.name) && !flag.repeats) {
      throw usage(`the argument '${spelled(flag)}' cannot be used multiple times`, command);
    }
    if (flag.value === undefined) {
      if (attached !== undefined) {
        throw usage(`unexpected value '${attached}' for '${spelled(flag)}' found; no more were expected`, command);
      }
      values.add(flag.name, "");
      continue;
    }
    const value = attached ?? following(rest, ++at);
    if (value === undefined) {
      const choices = flag.choices === undefined ? "" : `\n  [possible values: ${flag.choices.join(", ")}]`;
      throw usage(`a value is required for '${spelled(flag)}' but none was supplied${choices}`, command);
    }
    refuseValue(flag, value, command);
    values.add(flag.name, value);
  }
  return { kind: "run", command, values };
}

/** The help of a command. */
export function helpText(command: Command): string {
  const rows: [string, string][] = command.flags.map((flag) => [`    ${spelled(flag)}`, flag.help]);
  rows.push(["-h, --help", "Print help"], ["-V, --version", "Print version"]);
  const width = Math.max(...rows.map(([left]) => left.length));
  const options = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
  const others = command.words.length > 0 ? "" : `\n\nCommands:\n${
    COMMANDS.filter((other) => other.words.length > 0)
      .map((other) => `  ${other.words.join(" ").padEnd(12)} ${other.about}`).join("\n")
  }`;
  return `${command.about}\n\n${usageLine(command)}${others}\n\nOptions:\n${options}\n`;
}

function findCommand(args: readonly string[]): { command: Command; rest: readonly string[] } {
  const first = args[0];
  if (first === undefined || first.startsWith("-")) return { command: SERVE, rest: args };
  for (const command of COMMANDS.slice(1)) {
    if (command.words.every((word, index) => args[index] === word)) {
      return { command, rest: args.slice(command.words.length) };
    }
  }
  const group = COMMANDS.filter((command) => command.words.length > 1 && command.words[0] === first);
  if (group.length > 0 && args[1] !== undefined && !args[1].startsWith("-")) {
    throw unknownWord(args[1], group.map((command) => command.words[1]!));
  }
  if (group.length > 0) {
    if (args.some((argument) => argument === "-h" || argument === "--help")) {
      return { command: group[0]!, rest: ["--help"] };
    }
    throw usage(
      `'helyosd ${first}' requires a subcommand but one was not provided\n  [subcommands: ${
        group.map((command) => command.words[1]).join(", ")
      }]`,
      SERVE,
    );
  }
  throw unknownWord(first, [...new Set(COMMANDS.slice(1).map((command) => command.words[0]!))]);
}

function refuseValue(flag: Flag, value: string, command: Command): void {
  if (flag.choices !== undefined && !flag.choices.includes(value)) {
    const choices = `\n  [possible values: ${flag.choices.join(", ")}]`;
    throw usage(`invalid value '${value}' for '${spelled(flag)}'${choices}`, command);
  }
  const complaint = flag.judge?.(value);
  if (complaint !== undefined) throw usage(`invalid value '${value}' for '${spelled(flag)}': ${complaint}`, command);
}

/** The next argument, unless it is a flag: a value that starts with a dash is written `--flag=-value`. */
function following(args: readonly string[], at: number): string | undefined {
  const next = args[at];
  return next === undefined || (next.startsWith("-") && next !== "-") ? undefined : next;
}

function unexpected(argument: string, name: string | undefined, command: Command): UsageError {
  const typed = name === undefined ? argument : `--${name}`;
  const near = name === undefined
    ? undefined
    : nearest(name, [...command.flags.map((flag) => flag.name), "help", "version"]);
  const tip = near === undefined ? "" : `\n\n  tip: a similar argument exists: '--${near}'`;
  return usage(`unexpected argument '${typed}' found${tip}`, command);
}

function unknownWord(word: string, words: readonly string[]): UsageError {
  const near = nearest(word, words);
  const tip = near === undefined ? "" : `\n\n  tip: a similar subcommand exists: '${near}'`;
  return usage(`unrecognized subcommand '${word}'${tip}`, SERVE);
}

function usage(text: string, command: Command): UsageError {
  return new UsageError(`error: ${text}\n\n${usageLine(command)}\n\nFor more information, try '--help'.`);
}

function usageLine(command: Command): string {
  return `Usage: ${["helyosd", ...command.words].join(" ")} [OPTIONS]${command.words.length > 0 ? "" : " [COMMAND]"}`;
}

function spelled(flag: Flag): string {
  return flag.value === undefined ? `--${flag.name}` : `--${flag.name} <${flag.value}>`;
}

/** The name that takes the fewest changed letters, if these are few. */
function nearest(typed: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((name) => ({ name, slips: name.startsWith(typed) && typed.length > 2 ? 1 : slips(typed, name) }))
    .sort((a, b) => a.slips - b.slips);
  return best !== undefined && best.slips <= Math.max(1, Math.floor(best.name.length / 3)) ? best.name : undefined;
}

/** Letters added, dropped, changed or swapped with their neighbour. */
function slips(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1;
      let best = Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + change);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, before[column - 2]! + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}
