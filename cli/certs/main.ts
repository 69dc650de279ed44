/**
 * `helyos certs`, which has permissions of its own; with all other commands in it, it is also the compiled `helyos`.
 *
 * @module
 */
import { run } from "../run.ts";
import { terminalIo } from "../terminal_io.ts";
import { ALL_COMMANDS } from "./commands.ts";

if (import.meta.main) Deno.exit(await run(Deno.args, { io: terminalIo(), commands: ALL_COMMANDS }));
