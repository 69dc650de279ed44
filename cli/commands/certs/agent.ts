import { agentFiles, type Attempt } from "../../certs/agent/attempts.ts";
import { type AgentOptions, onePass, runAgent } from "../../certs/agent/agent.ts";
import { minute } from "../../certs/deliver.ts";
import { makeFolder, withLock } from "../../certs/files.ts";
import { pkiHome, registryPath } from "../../certs/home.ts";
import { openRegistry } from "../../certs/registry.ts";
import { KEPT_OPTIONS } from "../../certs/options.ts";
import { PASSPHRASE_OPTION } from "../../certs/passphrase.ts";
import { SSH_OPTIONS } from "../../certs/remote/machines.ts";
import { command, type Surroundings } from "../../command.ts";
import type { CliError } from "../../failure.ts";
import { failure, success, warning } from "../../output/message.ts";
import { styleOf } from "../../output/style.ts";
import { outputStyle, sayJson } from "../../say.ts";

export default command({
  summary: "Keep every service's certificates alive: renew, deploy, reload, and see what is served",
  details:
    `Looks after the pairs there are, of the services of the registry: what is due is renewed, deployed to where the service
runs, certs.reload is run there, and certs.probe must show the new certificate. What fails is tried again, and stops nothing
else; what was missed while the machine slept or the CA's key was away is made up for. Every attempt stands in
agent/ledger.jsonl beside the CA; 'helyos certs list' shows the last error and the next try. With --json it prints a line
of JSON for every attempt, with --once one list of them.

  helyos certs agent --lifetime 24h
  helyos certs agent --once`,
  positionals: { SERVICE: { summary: "Only these services (default: all)", optional: true, many: true } },
  options: {
    ...KEPT_OPTIONS,
    crl: { summary: "Also deploy the revocation list, and sign it anew before it runs out" },
    once: { summary: "Do what is due now and end" },
    ...PASSPHRASE_OPTION,
    ...SSH_OPTIONS,
  },
  async run({ args, options, globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const { folder, lock } = agentFiles(home);
    const stop = new AbortController();
    const attempts: Attempt[] = [];
    const agent: AgentOptions = {
      home,
      registryPath: registryPath(io),
      services: args.SERVICE,
      lifetimeSeconds: options.lifetime,
      algorithm: options.algorithm,
      passphraseFile: options["passphrase-file"],
      crl: options.crl,
      ssh: options,
      onAttempt: (attempt) =>
        void (options.once && globals.json ? attempts.push(attempt) : tell(surroundings, attempt)),
      onTrouble: (error) => io.stderr.write(trouble(surroundings, error)),
      signal: stop.signal,
    };
    if (agent.services.length > 0) {
      const registry = await openRegistry(agent.registryPath);
      const unknown = agent.services.find((name) => !registry.serviceNames.includes(name));
      if (unknown !== undefined) registry.service(unknown);
    }
    await makeFolder(folder);
    // Two agents would renew everything twice.
    return await withLock(lock, async () => {
      if (options.once) {
        const { attempts: made, failed } = await onePass(surroundings, agent);
        if (globals.json) sayJson(surroundings, attempts);
        else io.stdout.write(`${made - failed} done, ${failed} failed\n`);
        return failed > 0 ? 1 : 0;
      }
      const end = () => stop.abort();
      for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, end);
      try {
        if (!globals.json) io.stderr.write(`Looks after ${agent.registryPath}\n`);
        await runAgent(surroundings, agent, sleep);
      } finally {
        for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, end);
      }
      return 0;
    }, { what: `${home.folder} as its agent`, timeoutMs: 500 });
  },
});

function trouble({ globals, io }: Surroundings, { message, code }: CliError): string {
  if (globals.json) return `${JSON.stringify({ error: message, code })}\n`;
  return warning(styleOf(io.stderr, io), `${message}; goes on trying`);
}

/** A line for every attempt, and with --json a line of JSON; --once gathers them in one list. */
function tell(surroundings: Surroundings, attempt: Attempt): void {
  const { globals, io } = surroundings;
  if (globals.json) return io.stdout.write(`${JSON.stringify(attempt)}\n`);
  const what = `${attempt.service} ${attempt.type}`;
  if (attempt.ok) {
    const did = attempt.did.length > 0 ? attempt.did.join(", ") : "in order";
    const until = minute(new Date(attempt.notAfter));
    return io.stdout.write(success(outputStyle(surroundings), `${what}: ${did}; until ${until}`));
  }
  const next = `next try ${attempt.nextTry}`;
  io.stderr.write(failure(styleOf(io.stderr, io), `${what}: ${attempt.step}: ${attempt.error}`, next));
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
