/**
 * `helyosd`: the only place of the daemon that asks Deno for arguments, environment, signals and the terminal.
 *
 * @module
 */
import { VERSION } from "@helyos/api";
import { dataDirOf, type Environment, readConfig, readLogging, VARIABLES } from "./config.ts";
import { helpText, parseCommandLine, UsageError, type Values } from "./flags.ts";
import { type Log, openLog, scrub } from "./log.ts";

const encoder = new TextEncoder();

function writeOut(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text + "\n"));
}

/** Whether it could be written: whoever read the log may be gone, and the daemon serves on. */
function writeError(text: string): boolean {
  try {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
    return true;
  } catch {
    return false;
  }
}

function environment(): Environment {
  const values: Partial<Record<typeof VARIABLES[number], string>> = {};
  for (const name of VARIABLES) {
    const value = Deno.env.get(name);
    if (value !== undefined && value !== "") values[name] = value;
  }
  return values;
}

const now = (): Date => new Date();

async function run(args: readonly string[]): Promise<number> {
  const request = parseCommandLine(args);
  if (request.kind === "help") {
    writeOut(helpText(request.command).trimEnd());
    return 0;
  }
  if (request.kind === "version") {
    writeOut(`helyosd ${VERSION}`);
    return 0;
  }
  const { command, values } = request;
  const env = environment();
  switch (command.words.join(" ")) {
    case "ca": {
      const { describeHostCa } = await import("./host_commands.ts");
      writeOut(await describeHostCa(dataDirOf(values, env, Deno.cwd()), values.has("json")));
      return 0;
    }
    case "token reset": {
      const { resetToken } = await import("./host_commands.ts");
      const secret = await resetToken(dataDirOf(values, env, Deno.cwd()), now);
      writeOut(`HELYOS_API_TOKEN=${secret}`);
      return 0;
    }
    default:
      return await start(values, env);
  }
}

async function start(values: Values, env: Environment): Promise<number> {
  const config = readConfig(values, env, Deno.cwd());
  const hostname = Deno.hostname();
  if (values.has("check")) {
    const { checkStart } = await import("./host_commands.ts");
    writeOut(scrub(await checkStart(config, { now, hostname })));
    return 0;
  }
  const log = openLog({ ...readLogging(values, env), write: writeError });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("something failed that nobody waited for", { cause: String(event.reason) });
  });
  const { serve } = await import("./serve.ts");
  const stopping = signalled();
  const daemon = await serve(config, {
    log,
    now,
    pid: Deno.pid,
    hostname,
    writeSecret: (line) => writeError(line + "\n"),
  });
  await dropPermissions(config.contextFile, log);
  await stopping;
  log.info("shutdown signal received — stopping gracefully");
  await daemon.stop();
  log.info("stopped");
  return 0;
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        if (stopping) Deno.exit(130);
        stopping = true;
        resolve();
      });
    }
  });
}

/** What was needed for starting only. Reading its own files stays: the Argon2id thread is started again when needed. */
async function dropPermissions(contextFile: string | undefined, log: Log): Promise<void> {
  const descriptors: Deno.PermissionDescriptor[] = [{ name: "env" }, { name: "sys" }];
  if (contextFile !== undefined) {
    for (const path of [contextFile, `${contextFile.replace(/\.toml$/, "")}.toml.tmp`]) {
      descriptors.push({ name: "read", path }, { name: "write", path });
    }
  }
  for (const descriptor of descriptors) {
    try {
      await Deno.permissions.revoke(descriptor);
    } catch (error) {
      log.debug("a permission could not be dropped", { name: descriptor.name, cause: String(error) });
    }
  }
}

try {
  Deno.exit(await run(Deno.args));
} catch (error) {
  if (error instanceof UsageError) {
    writeError(scrub(error.message) + "\n");
    Deno.exit(2);
  }
  writeError(`Error: ${scrub(error instanceof Error ? error.message : String(error))}\n`);
  Deno.exit(1);
}
