/**
 * A machine that runs scripts and takes files: this one, or another one over `ssh` and `scp`. Everything the certificate commands do
 * on a target goes through here.
 *
 * @module
 */
import { CliError } from "../../failure.ts";
import { readText } from "../files.ts";
import { complaint, type Outcome, type RunProgram, runProgram } from "./process.ts";
import { commandLine, quote } from "./quote.ts";

/** How to reach a machine. */
export interface SshTarget {
  /** How the registry calls it; for messages. */
  readonly machine: string;
  /** Its name or address. */
  readonly host: string;
  /** Whom to be there; without it, whom ssh's own configuration says. */
  readonly user?: string | undefined;
  /** Its port; without it, the one ssh's own configuration says. */
  readonly port?: number | undefined;
}

/** What applies to every connection. */
export interface SshOptions {
  /** ssh's configuration instead of the user's. */
  readonly config?: string | undefined;
  /** Trusts the key of a host that was never seen before, and remembers it. Never a changed key. */
  readonly acceptNewHosts?: boolean;
  /**
   * How long a connection may take, in seconds.
   * @default {10}
   */
  readonly connectTimeoutSeconds?: number;
}

/** A machine. */
export interface Shell {
  /** How messages call it. */
  readonly name: string;
  /** Whether it is this machine. */
  readonly isLocal: boolean;
  /**
   * Runs a script of POSIX sh with arguments.
   *
   * @throws {CliError} `unreachable` if the machine cannot be reached or refuses us; a script that fails is an outcome.
   */
  run(script: string, args?: readonly string[], signal?: AbortSignal): Promise<Outcome>;
  /**
   * Puts files into one folder there, each under its own last name, with the mode it has here.
   *
   * @throws {CliError} If they cannot be put there.
   */
  upload(from: readonly string[], folder: string, signal?: AbortSignal): Promise<void>;
}

/**
 * This machine. It runs the very scripts that others run over ssh, so that there is one way things happen.
 *
 * @param name How messages call it.
 * @param run How programs are run.
 * @returns The shell.
 */
export function localShell(name = "this machine", run: RunProgram = runProgram): Shell {
  return {
    name,
    isLocal: true,
    run: (script, args = [], signal) => run("sh", ["-c", script, "helyos", ...args], signal),
    async upload(from, folder, signal) {
      await refuseSecrets(from);
      const outcome = await run("sh", ["-c", 'cp -p -- "$@"', "helyos", ...from, `${folder}/`], signal);
      if (outcome.code !== 0) {
        throw new CliError(`cannot copy to ${folder} on ${name}: ${complaint(outcome)}`, { code: "upload_failed" });
      }
    },
  };
}

/**
 * Another machine.
 *
 * @param target How to reach it.
 * @param options What applies to every connection.
 * @param run How programs are run.
 * @returns The shell.
 * @throws {CliError} If host, user or port could be taken for something else by ssh.
 */
export function sshShell(target: SshTarget, options: SshOptions = {}, run: RunProgram = runProgram): Shell {
  judgeTarget(target);
  const { host, user, port } = target;
  const name = target.machine === host ? host : `${target.machine} (${host})`;
  const common = commonArguments(options);
  const at = user === undefined ? "" : `${user}@`;
  return {
    name,
    isLocal: false,
    async run(script, args = [], signal) {
      const words = ["sh", "-c", script, "helyos", ...args];
      const ports = port === undefined ? [] : ["-p", String(port)];
      const outcome = await run("ssh", ["-T", ...common, ...ports, "--", `${at}${host}`, commandLine(words)], signal);
      // 255 is ssh's own: no connection, an unknown host key, nobody let in. Our scripts never end with it.
      if (outcome.code === 255) throw unreachable(name, outcome);
      return outcome;
    },
    async upload(from, folder, signal) {
      await refuseSecrets(from);
      if (!LITERAL.test(folder)) throw new TypeError(`not a folder that scp takes as it stands: ${quote(folder)}`);
      const ports = port === undefined ? [] : ["-P", String(port)];
      const there = `${at}${host.includes(":") ? `[${host}]` : host}:${folder}/`;
      const outcome = await run("scp", ["-q", ...common, ...ports, "--", ...from, there], signal);
      if (outcome.code === 0) return;
      if (outcome.code === 255 && !/: (No space|Permission|Quota|Read-only|No such)/i.test(outcome.stderr)) {
        throw unreachable(name, outcome);
      }
      throw new CliError(`cannot send files to ${name}:${folder}: ${complaint(outcome)}`, { code: "upload_failed" });
    },
  };
}

/**
 * What scp takes literally: up to OpenSSH 8 a shell on the target reads its paths, since 9 nobody does, so that no way of quoting is right
 * for both.
 */
export const LITERAL = /^[A-Za-z0-9/._@%+=:,-]+$/;

function commonArguments({ config, acceptNewHosts, connectTimeoutSeconds = 10 }: SshOptions): string[] {
  const settings = [
    "BatchMode=yes", // Never asks: a question nobody sees is a hang.
    `ConnectTimeout=${connectTimeoutSeconds}`,
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    // Otherwise ssh's own configuration decides, and what it would ask about is refused.
    ...(acceptNewHosts ? ["StrictHostKeyChecking=accept-new"] : []),
  ];
  return [...(config === undefined ? [] : ["-F", config]), ...settings.flatMap((setting) => ["-o", setting])];
}

function judgeTarget({ machine, host, user, port }: SshTarget): void {
  const refuse = (what: string, value: unknown): never => {
    throw new CliError(`cannot reach ${machine}: ${what} in the registry makes no sense: ${JSON.stringify(value)}`, {
      code: "bad_registry",
    });
  };
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(host) && !/^[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?$/.test(host)) {
    refuse("its address", host);
  }
  if (user !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(user)) refuse("ssh_user", user);
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535)) refuse("ssh_port", port);
}

/**
 * The one file that never leaves. Whatever plans an upload, this is the last to look at it: by its name, its folder, and that nothing but a
 * service's key holds one, such as a `ca-cert.pem` to which somebody added it.
 */
async function refuseSecrets(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (!path.startsWith("/")) throw new TypeError(`not an absolute path: ${path}`);
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (/^(client|server)-key\.pem$/.test(name)) continue;
    if (/(^|-)(ca|root|intermediate)-key/.test(name) || /\/ca\/[^/]*key[^/]*$/.test(path)) {
      throw new CliError(`refused to send ${path}: the CA's key never leaves this machine`, { code: "ca_key" });
    }
    if (/PRIVATE KEY-----/.test(await readText(path) ?? "")) {
      throw new CliError(`refused to send ${path}: there is a private key in it`, {
        code: "ca_key",
        hint: "Take the key out: everybody on the host may read this file",
      });
    }
  }
}

function unreachable(name: string, outcome: Outcome): CliError {
  const why = complaint(outcome);
  const options = { code: "unreachable" } as const;
  if (/host key verification failed|no .* host key is known/i.test(outcome.stderr)) {
    const changed = /REMOTE HOST IDENTIFICATION HAS CHANGED/.test(outcome.stderr);
    return new CliError(`cannot trust ${name}: its host key ${changed ? "has changed" : "is not known here"}`, {
      code: changed ? "host_key_changed" : "host_key_unknown",
      hint: changed
        ? "find out why before you remove the old key from known_hosts"
        : "connect once with ssh and compare the key, or pass --accept-new-hosts",
    });
  }
  if (/permission denied \(/i.test(outcome.stderr)) {
    return new CliError(`cannot log in to ${name}: ${why}`, {
      ...options,
      hint: "ssh must get in without asking: check ssh_user in the registry, and your key or agent",
    });
  }
  return new CliError(`cannot reach ${name}: ${why}`, {
    ...options,
    hint: "is it up, and are ip, ssh_hostname and ssh_port in the registry right?",
  });
}
