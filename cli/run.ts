/**
 * One run of the program: from the line to the exit code.
 *
 * @module
 */
import type { Command, CommandTable } from "./command.ts";
import { CliError } from "./failure.ts";
import type { Io } from "./io.ts";
import { findCommand, parseRest, placeOf } from "./parse.ts";

/**
 * Runs a command line. Whatever goes wrong is reported on standard error.
 *
 * @param tokens The line without the program's name.
 * @param deps The outside world and the commands there are.
 * @returns The exit code: 0 done, 1 failed, 2 the line makes no sense.
 */
export async function run(tokens: readonly string[], deps: { io: Io; commands: CommandTable }): Promise<number> {
  try {
    return await dispatch(tokens, deps);
  } catch (failure) {
    return await report(failure, { io: deps.io, json: wantsJson(tokens) });
  }
}

async function dispatch(tokens: readonly string[], { io, commands }: { io: Io; commands: CommandTable }) {
  if (tokens[0] === "__complete") {
    const { complete } = await import("./complete.ts");
    io.stdout.write(await complete(tokens.slice(1), { io, commands }));
    return 0;
  }
  const request = findCommand(tokens, commands);
  if (request.kind === "version") return await printVersion(io, request.words);
  if (request.kind === "help") return await printHelp(request, { io, commands });
  const command: Command = (await request.leaf.load()).default;
  const invocation = parseRest(command, request.words, request.rest);
  if (invocation === "version") return await printVersion(io, request.words);
  if (invocation === "help") {
    const { commandHelp } = await import("./help.ts");
    io.stdout.write(commandHelp(request.words, command));
    return 0;
  }
  // Certificates are made without a daemon: no context is of any use there.
  if (invocation.globals.context !== undefined && request.words[0] !== "certs") {
    const { openContexts } = await import("./contexts.ts");
    (await openContexts(io).read()).get(invocation.globals.context);
  }
  return await command.run({ ...invocation, io }) ?? 0;
}

async function printVersion(io: Io, words: readonly string[]): Promise<number> {
  const { VERSION } = await import("./version.ts");
  io.stdout.write(`${["helyos", ...words].join("-")} ${VERSION}\n`);
  return 0;
}

async function printHelp(
  { words, missing }: { words: readonly string[]; missing?: true },
  { io, commands }: { io: Io; commands: CommandTable },
): Promise<number> {
  const { commandHelp, groupHelp } = await import("./help.ts");
  const { node } = placeOf(words, commands);
  const page = "load" in node ? commandHelp(words, (await node.load()).default) : groupHelp(words, node);
  (missing ? io.stderr : io.stdout).write(page);
  return missing ? 2 : 0;
}

/** The line may not be readable, so this looks at it without the parser. */
function wantsJson(tokens: readonly string[]): boolean {
  const end = tokens.indexOf("--");
  return tokens.slice(0, end < 0 ? undefined : end).includes("--json");
}

async function report(failure: unknown, { io, json }: { io: Io; json: boolean }): Promise<number> {
  const { reportFailure } = await import("./report.ts");
  if (failure instanceof CliError) {
    reportFailure(failure, { io, json });
    return failure.exitCode;
  }
  if (failure instanceof Deno.errors.BrokenPipe) return 1;
  const message = failure instanceof Error ? failure.message : String(failure);
  reportFailure(new CliError(`unexpected failure: ${message}`, { code: "internal", cause: failure }), { io, json });
  return 1;
}
