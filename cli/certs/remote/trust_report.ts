/**
 * What `install-ca` and `uninstall-ca` have in common.
 *
 * @module
 */
import type { Options, OptionValues, Surroundings } from "../../command.ts";
import { CliError, UsageError } from "../../failure.ts";
import { failure, success } from "../../output/message.ts";
import { styleOf } from "../../output/style.ts";
import { outputStyle, sayJson } from "../../say.ts";
import { openCa } from "../ca.ts";
import { pkiHome, registryPath } from "../home.ts";
import { openRegistry } from "../registry.ts";
import { inLanes } from "./crowd.ts";
import { machinesOf, SSH_OPTIONS } from "./machines.ts";
import { asFailure } from "./report.ts";
import { localShell, type Shell } from "./shell.ts";
import { changeTrust, type TrustOutcome } from "./trust.ts";

/** Options of both commands. */
export const TRUST_OPTIONS = {
  local: { summary: "This machine instead of others" },
  ...SSH_OPTIONS,
} as const satisfies Options;

const TOLD: Readonly<Record<TrustOutcome["state"], string>> = {
  installed: "trusts the CA now",
  present: "trusted the CA already",
  removed: "does not trust the CA any more",
  absent: "did not trust the CA",
  elsewhere: "trusts the CA still: another file of the same certificate, not put there by this command, keeps it",
};

interface Result {
  readonly machine: string;
  readonly outcome?: TrustOutcome;
  readonly error?: CliError;
}

/**
 * Changes the trust stores of machines, of all hosts of the registry when none is named. One bad machine stops no other.
 *
 * @param surroundings The invocation.
 * @param action What to do.
 * @param typed Machines and options.
 * @returns The exit code.
 * @throws {CliError} If one failed.
 */
export async function changeTrustAndReport(
  surroundings: Surroundings,
  action: "install" | "remove",
  { machines, options }: { readonly machines: readonly string[]; readonly options: OptionValues<typeof TRUST_OPTIONS> },
): Promise<number> {
  const { io, globals } = surroundings;
  if (options.local && machines.length > 0) throw new UsageError("machines cannot be named with '--local'");
  const ca = await openCa(pkiHome(io));
  const targets: [string, () => Shell][] = [];
  if (options.local) targets.push(["local", () => localShell()]);
  else {
    const registry = await openRegistry(registryPath(io));
    const find = machinesOf(registry, { options, io });
    const names = machines.length > 0 ? [...new Set(machines)] : registry.hostNames;
    if (names.length === 0) throw new CliError(`the registry ${registry.path} has no hosts`, { code: "unknown_host" });
    for (const name of names) targets.push([name, () => find(name)]);
  }
  const results: Result[] = [];
  const [out, err] = [outputStyle(surroundings), styleOf(io.stderr, io)];
  await inLanes(targets, ([machine]) => machine, async ([machine, shell]) => {
    try {
      const outcome = await changeTrust(shell(), action, ca);
      results.push({ machine, outcome });
      if (!globals.json) io.stdout.write(success(out, `${machine}: ${TOLD[outcome.state]} (${outcome.system})`));
    } catch (thrown) {
      const error = asFailure(thrown);
      results.push({ machine, error });
      if (!globals.json) io.stderr.write(failure(err, `${machine}: ${error.message}`, error.hint));
    }
  });
  const inOrder = targets.map(([machine]) => results.find((result) => result.machine === machine)!);
  const failed = inOrder.filter(({ error }) => error !== undefined);
  if (globals.json) {
    sayJson(
      surroundings,
      inOrder.map(({ machine, outcome, error }) =>
        error === undefined
          ? { machine, ...outcome }
          : { machine, state: "failed", error: error.message, code: error.code }
      ),
    );
    return failed.length > 0 ? 1 : 0;
  }
  if (failed.length === 0) return 0;
  const names = failed.map(({ machine }) => machine).join(", ");
  throw new CliError(`could not change ${failed.length} of ${targets.length}: ${names}`, { code: "some_failed" });
}
