/**
 * Help pages, drawn from the commands' own data.
 *
 * @module
 */
import { type Command, type CommandTable, GLOBAL_OPTIONS, type Option, type Options } from "./command.ts";
import { positionalSpelling, usageLine } from "./usage.ts";

const ABOUT = "Helyos: run containers on a few machines, and know whom you are talking to";

/**
 * The page of the program or of a group of commands.
 *
 * @param words The group's words; none for the program itself.
 * @param group Its summary and what hangs under it.
 * @returns The page.
 */
export function groupHelp(words: readonly string[], group: { summary: string; commands: CommandTable }): string {
  const rows = Object.entries(group.commands).map(([word, node]): Row => {
    const aliases = node.aliases?.length ? ` [aliases: ${node.aliases.join(", ")}]` : "";
    return [word, `${node.summary}${aliases}`];
  });
  rows.push(["help", "Print help for a command"]);
  return page([
    group.summary || ABOUT,
    `Usage: ${usageLine(words)}`,
    `Commands:\n${columns(rows)}`,
    `Options:\n${columns(optionRows(GLOBAL_OPTIONS))}`,
  ]);
}

/**
 * The page of one command.
 *
 * @param words The command's words.
 * @param command The command.
 * @returns The page.
 */
export function commandHelp(words: readonly string[], command: Command): string {
  const positionals = Object.entries(command.positionals ?? {});
  const own = command.options ?? {};
  const sections = [command.summary, `Usage: ${usageLine(words, command)}`];
  if (positionals.length > 0) {
    const rows = positionals.map(([name, positional]): Row => [
      positionalSpelling(name, positional),
      positional.summary + possible(positional.choices),
    ]);
    sections.push(`Arguments:\n${columns(rows)}`);
  }
  if (Object.keys(own).length > 0) sections.push(`Options:\n${columns(optionRows(own))}`);
  sections.push(`Global options:\n${columns(optionRows(GLOBAL_OPTIONS))}`);
  if (command.details) sections.push(command.details.trim());
  return page(sections);
}

type Row = readonly [left: string, right: string];

function page(sections: readonly string[]): string {
  return `${sections.join("\n\n")}\n`;
}

function optionRows(options: Options): Row[] {
  return Object.entries(options).map(([name, option]): Row => [optionColumn(name, option), optionSummary(option)]);
}

function optionColumn(name: string, { short, value }: Option): string {
  return `${short ? `-${short}, ` : "    "}--${name}${value ? ` <${value}>` : ""}`;
}

function optionSummary({ summary, env, choices }: Option): string {
  return `${summary}${env ? ` [env: ${env}]` : ""}${possible(choices)}`;
}

function possible(choices: readonly string[] | undefined): string {
  return choices ? ` [possible values: ${choices.join(", ")}]` : "";
}

/** No line is longer, so that a page fits the terminals people have. */
const PAGE_COLUMNS = 132;

function columns(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  const indent = " ".repeat(width + 4);
  return rows.map(([left, right]) =>
    `  ${left.padEnd(width)}  ${wrap(right, PAGE_COLUMNS - indent.length).join(`\n${indent}`)}`
  ).join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
