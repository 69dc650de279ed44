/**
 * OpenSSH's real server on the loopback, for the commands that deploy: its own port, its own keys, and whoever runs the tests as its user.
 *
 * @module
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./free_port.ts";
import { temporaryFolder } from "./process.ts";
import { lacking, tool } from "./tools.ts";

/** Whether tests that need it are skipped. */
export function lackingSshd(): boolean {
  return lacking("sshd", "ssh", "scp", "ssh-keygen");
}

/** How it is set up. */
export interface SshdOptions {
  /** What runs instead of each command; the command itself is in `SSH_ORIGINAL_COMMAND`. */
  readonly forceCommand?: string;
  /** Folder before all others on the PATH of what runs there. */
  readonly path?: string;
}

/** A running server. */
export interface Sshd extends AsyncDisposable {
  /** Its port. */
  readonly port: number;
  /** Who can log in. */
  readonly user: string;
  /** What `ssh -F` takes: our key, and a file of known hosts that knows the server. */
  readonly clientConfig: string;
  /** The file of known hosts. */
  readonly knownHosts: string;
  /** All it logged. */
  log(): string;
}

/** Starts one. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  await chmod(folder.path, 0o700);
  for (const name of ["host_key", "user_key"]) {
    await new Deno.Command(tool("ssh-keygen"), { args: ["-q", "-t", "ed25519", "-N", "", "-f", at(name)] }).output();
  }
  await Deno.copyFile(at("user_key.pub"), at("authorized_keys"));
  // Its unprivileged half wants this folder, which Debian's service makes at start-up.
  if (userInfo().uid === 0) await mkdir("/run/sshd", { recursive: true });
  const port = await freePort();
  const user = userInfo().username;
  await writeFile(
    at("sshd_config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${at("host_key")}`,
      `AuthorizedKeysFile ${at("authorized_keys")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin yes",
      "MaxStartups 100",
      "Subsystem sftp internal-sftp",
      ...(options.forceCommand === undefined ? [] : [`ForceCommand ${options.forceCommand}`]),
      ...(options.path === undefined ? [] : [`SetEnv "PATH=${options.path}:${Deno.env.get("PATH")}"`]),
      "",
    ].join("\n"),
  );
  const hostKey = (await Deno.readTextFile(at("host_key.pub"))).split(" ").slice(0, 2).join(" ");
  await writeFile(at("known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(
    at("ssh_config"),
    [
      "Host *",
      `  IdentityFile ${at("user_key")}`,
      "  IdentitiesOnly yes",
      "  IdentityAgent none",
      `  UserKnownHostsFile ${at("known_hosts")}`,
      "  GlobalKnownHostsFile /dev/null",
      "",
    ].join("\n"),
  );
  const child = new Deno.Command(tool("sshd"), {
    args: ["-D", "-e", "-f", at("sshd_config")],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  const reading = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (chunk) => void (log += chunk) }),
  );
  const ended = child.status.then(() => true);
  while (!await accepts(port)) {
    if (await Promise.race([ended, new Promise<false>((resolve) => setTimeout(resolve, 20, false))])) {
      throw new Error(`sshd ended: ${log}`);
    }
  }
  return {
    port,
    user,
    clientConfig: at("ssh_config"),
    knownHosts: at("known_hosts"),
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reading;
      await folder[Symbol.asyncDispose]();
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
