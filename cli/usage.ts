/**
 * How a command and its options are spelled, in one line each.
 *
 * @module
 */
import type { Command, Option, Positional } from "./command.ts";

/**
 * An option as messages name it.
 *
 * @param name Its long spelling without dashes.
 * @param option The option.
 * @returns For example `--ttl <SECS>`.
 */
export function optionSpelling(name: string, option: Option): string {
  return option.value === undefined ? `--${name}` : `--${name} <${option.value}>`;
}

/**
 * A positional as help and messages name it.
 *
 * @param name Its name.
 * @param positional The positional.
 * @returns For example `<NAME>` or `[MACHINE]...`.
 */
export function positionalSpelling(name: string, { optional, many }: Positional): string {
  return `${optional ? `[${name}]` : `<${name}>`}${many ? "..." : ""}`;
}

/**
 * The line after `Usage:`.
 *
 * @param words The command's words; none for the program itself.
 * @param command The command; without one the words name a group.
 * @returns For example `helyos logs [OPTIONS] <NAME>`.
 */
export function usageLine(words: readonly string[], command?: Command): string {
  const parts = ["helyos", ...words, "[OPTIONS]"];
  if (!command) return [...parts, "<COMMAND>"].join(" ");
  for (const [name, option] of Object.entries(command.options ?? {})) {
    if (option.required) parts.push(optionSpelling(name, option));
  }
  for (const [name, positional] of Object.entries(command.positionals ?? {})) {
    parts.push(positionalSpelling(name, positional));
  }
  return parts.join(" ");
}
