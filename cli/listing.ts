/**
 * What listings have in common: the project they are narrowed to, and answers that are read loosely.
 *
 * @module
 */
import type { Endpoint } from "@helyos/api";
import type { Options, OptionValues, Surroundings } from "./command.ts";
import type { Connection } from "./connect.ts";
import { CliError, UsageError } from "./failure.ts";
import { type Panel, panel } from "./output/panel.ts";
import { type Table, tableBody } from "./output/table.ts";
import { visible } from "./output/text.ts";
import { outputStyle } from "./say.ts";

/** Options of listings that can be narrowed to a project. */
export const PROJECT_FILTER = {
  project: {
    summary: "Only this project (default: the context's project)",
    short: "p",
    value: "PROJECT",
    complete: "project",
    read(text) {
      if (text === "") throw new RangeError("a project's name is not empty; for every project use --all-projects");
      return text;
    },
  },
  "all-projects": { summary: "Every project, whatever the context's default is", short: "A" },
} as const satisfies Options;

/** Which project a listing is narrowed to. */
export interface ProjectChoice {
  /** The project; undefined for all. */
  readonly project: string | undefined;
  /** Says, once the listing has come, that the context narrowed it and how to see all. */
  note(surroundings: Surroundings): void;
}

/**
 * Which project a listing is narrowed to: `-p`, else the context's default, else none.
 *
 * @param words The listing's words, for the advice.
 * @param options What was typed.
 * @param connection Whose context it is.
 * @returns The choice.
 * @throws {UsageError} If a project and all of them were asked for.
 */
export function chooseProject(
  words: string,
  options: OptionValues<typeof PROJECT_FILTER>,
  connection: Pick<Connection, "context" | "project">,
): ProjectChoice {
  if (options["all-projects"]) {
    if (options.project === undefined) return { project: undefined, note() {} };
    throw new UsageError("the argument '--project <PROJECT>' cannot be used with '--all-projects'");
  }
  if (options.project !== undefined) return { project: options.project, note() {} };
  const { context, project } = connection;
  return {
    project,
    note({ io }) {
      if (project === undefined) return;
      const text = `note: only project '${project}', the default of context '${context ?? ""}'; ` +
        `for every project: helyos ${words} --all-projects`;
      io.stderr.write(`${visible(text)}\n`);
    },
  };
}

/**
 * Draws a listing as a panel with its count.
 *
 * @param surroundings The invocation.
 * @param title Icon and title.
 * @param table What to list.
 */
export function printListing(surroundings: Surroundings, title: Pick<Panel, "icon" | "title">, table: Table): void {
  const count = `${table.rows.length} total`;
  surroundings.io.stdout.write(panel(outputStyle(surroundings), { ...title, count, body: tableBody(table) }));
}

/**
 * The same endpoint, its answer passed on as the daemon sent it: `--json` then shows fields we do not know.
 *
 * @param endpoint The endpoint.
 * @returns One whose answer is not judged.
 */
export function unjudged<Input>(endpoint: Endpoint<Input, unknown>): Endpoint<Input, unknown> {
  const { output: _, ...rest } = endpoint;
  return rest;
}

/** A JSON object whose fields may be missing. */
export type Loose = Readonly<Record<string, unknown>>;

/**
 * Reads an answer that must be a list of objects, whatever their fields.
 *
 * @param answer What the daemon sent.
 * @param what What it lists, for the message.
 * @returns The list.
 * @throws {CliError} If it is something else.
 */
export function looseList(answer: unknown, what: string): Loose[] {
  const isList = Array.isArray(answer) && answer.every((item) => typeof item === "object" && item !== null);
  if (isList) return answer;
  throw new CliError(`cannot understand the daemon's answer: expected a list of ${what}`, { code: "bad_answer" });
}

/**
 * A text field of an object read loosely.
 *
 * @param object The object.
 * @param key The field.
 * @param missing What stands for a field that is absent, null or no text.
 * @returns Its text.
 */
export function textOf(object: Loose, key: string, missing = "-"): string {
  const value = object[key];
  return typeof value === "string" && value !== "" ? value : missing;
}
