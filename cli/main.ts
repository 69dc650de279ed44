/**
 * `helyos`: the command line of Helyos, but for `helyos certs`.
 *
 * @module
 */
import { COMMANDS } from "./commands.ts";
import { run } from "./run.ts";
import { terminalIo } from "./terminal_io.ts";

if (import.meta.main) Deno.exit(await run(Deno.args, { io: terminalIo(), commands: COMMANDS }));
