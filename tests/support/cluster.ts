/**
 * A small cluster for stories about certificates: a home with a registry, and machines that are a real sshd on the loopback.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { helyos, type Outcome, run, temporaryFolder } from "./process.ts";
import { type Sshd, type SshdOptions, startSshd } from "./sshd.ts";

/** The cluster. */
export interface Cluster extends AsyncDisposable {
  /** Home of whoever runs `helyos`. */
  readonly home: string;
  /** The folder that is `path` of the machine `mini1`; it has a space in it. */
  readonly base: string;
  /** The registry. */
  readonly registry: string;
  /** What every command needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The server behind `mini1`. */
  readonly sshd: Sshd;
  /** Runs `helyos certs …` through the launcher. */
  certs(...args: readonly string[]): Promise<Outcome>;
  /** Runs any program; throws if it fails. */
  must(program: string, ...args: readonly string[]): Promise<string>;
  /** Writes the registry: services by name, and further hosts. */
  register(services: Readonly<Record<string, unknown>>, hosts?: Readonly<Record<string, unknown>>): Promise<void>;
}

/** Starts one. */
export async function startCluster(options: SshdOptions = {}): Promise<Cluster> {
  const folder = await temporaryFolder();
  const sshd = await startSshd(options);
  const home = join(folder.path, "home");
  const base = join(folder.path, "mini one's/srv");
  const registry = join(folder.path, "registry.yml");
  await mkdir(home);
  await mkdir(base, { recursive: true });
  const env = { HELYOS_REGISTRY: registry, HELYOS_SSH_CONFIG: sshd.clientConfig };
  const cluster: Cluster = {
    home,
    base,
    registry,
    env,
    sshd,
    certs: (...args) => helyos(["certs", ...args], { home, env }),
    async must(program, ...args) {
      const outcome = await run(program, args, { home });
      if (outcome.code !== 0) throw new Error(`${program} ${args.join(" ")}: ${outcome.stderr || outcome.stdout}`);
      return outcome.stdout;
    },
    register(services, hosts = {}) {
      const mini1 = { ip: "127.0.0.1", ssh_user: sshd.user, ssh_port: sshd.port, path: base };
      // JSON is YAML.
      return writeFile(registry, JSON.stringify({ hosts: { mini1, ...hosts }, services }, null, 2));
    },
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return cluster;
}

/** Throws, with what it said, unless a command succeeded. */
export function succeeded(outcome: Outcome): Outcome {
  if (outcome.code === 0) return outcome;
  throw new Error(`exit code ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`);
}
