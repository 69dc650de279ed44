/**
 * Every command, in the order the help shows them. Each is loaded when it is run.
 *
 * @module
 */
import type { CommandTable } from "./command.ts";

/** The table of contents. */
export const COMMANDS: CommandTable = {
  whoami: { summary: "Show whose token this is", load: () => import("./commands/whoami.ts") },
};
