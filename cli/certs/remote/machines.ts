/**
 * The machines of the registry, as shells.
 *
 * @module
 */
import type { Option, OptionValues } from "../../command.ts";
import { CliError } from "../../failure.ts";
import type { Io } from "../../io.ts";
import type { Host, Registry } from "../registry.ts";
import { type RunProgram, runProgram } from "./process.ts";
import { localShell, type Shell, sshShell } from "./shell.ts";

/** Options of every command that reaches other machines. */
export const SSH_OPTIONS = {
  "accept-new-hosts": { summary: "Trust the key of a machine that ssh has not seen before, and remember it" },
  "ssh-config": {
    summary: "Configuration of ssh instead of your own",
    value: "FILE",
    env: "HELYOS_SSH_CONFIG",
    complete: "file",
  },
} as const satisfies Record<string, Option>;

/** How machines are reached. */
export interface MachineOptions {
  /** What was typed. */
  readonly options: OptionValues<typeof SSH_OPTIONS>;
  /** The environment. */
  readonly io: Pick<Io, "env">;
  /** Name of this machine. */
  readonly hostname?: string;
  /** How programs are run. */
  readonly run?: RunProgram;
}

/** Finds machines by their names in the registry. */
export type Machines = (name: string) => Shell;

/**
 * Prepares to reach machines. Each is looked up once, so that one run speaks to one address.
 *
 * @param registry Where they are listed.
 * @param options How they are reached.
 * @returns What finds a machine; it throws a {@linkcode CliError} if there is none of that name or it has no address.
 */
export function machinesOf(registry: Registry, { options, io, hostname, run = runProgram }: MachineOptions): Machines {
  const own = hostname ?? Deno.hostname();
  const found = new Map<string, Shell>();
  const ssh = {
    acceptNewHosts: options["accept-new-hosts"],
    config: options["ssh-config"] ?? io.env("HELYOS_SSH_CONFIG"),
  };
  const open = (name: string): Shell => {
    if (isThisMachine(name, own)) return localShell(name, run);
    const host = registry.host(name);
    const address = addressOf(host);
    return onceAway(sshShell({ machine: name, host: address, user: host.sshUser, port: host.sshPort }, ssh, run));
  };
  return (name) => {
    const shell = found.get(name) ?? open(name);
    found.set(name, shell);
    return shell;
  };
}

/**
 * Who waited in vain for a machine once waits no second time: a run with twenty services of it would take minutes. One that was there a
 * moment ago is asked once more, to take away what was begun on it.
 */
function onceAway(shell: Shell): Shell {
  let away: CliError | undefined;
  let there = false;
  return {
    ...shell,
    async run(script, args, signal) {
      if (away !== undefined) throw away;
      try {
        const outcome = await shell.run(script, args, signal);
        there = true;
        return outcome;
      } catch (error) {
        if (error instanceof CliError && !there) away = error;
        there = false;
        throw error;
      }
    },
  };
}

function isThisMachine(name: string, own: string): boolean {
  return name === "local" || name === own || name === own.split(".", 1)[0];
}

function addressOf(host: Host): string {
  const address = host.sshHostname ?? host.ip;
  if (address !== undefined) return address;
  throw new CliError(`cannot reach ${host.name}: the registry has no address of it`, {
    code: "bad_registry",
    hint: `Give hosts.${host.name} an ip or ssh_hostname`,
  });
}
