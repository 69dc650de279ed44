/**
 * What the commands that deploy have in common: orders, progress, the report.
 *
 * @module
 */
import type { OptionValues, Surroundings } from "../../command.ts";
import { CliError } from "../../failure.ts";
import { failure, success } from "../../output/message.ts";
import { styleOf } from "../../output/style.ts";
import { cut, visible } from "../../output/text.ts";
import { outputStyle, sayJson, sayWarning } from "../../say.ts";
import { type Ca, openCa } from "../ca.ts";
import { fileInfo } from "../files.ts";
import { pairKey, type PairType, type PkiHome, pkiHome, registryPath } from "../home.ts";
import { openRegistry, type Registry } from "../registry.ts";
import { settleIfNeeded } from "../store.ts";
import { inLanes } from "./crowd.ts";
import { deploy, type Deployed } from "./deploy.ts";
import { type Deployment, planDeployment, sharedPlaces } from "./deployment.ts";
import { type Machines, machinesOf, SSH_OPTIONS } from "./machines.ts";

/** Options of every command that deploys. */
export const DEPLOY_OPTIONS = {
  reload: {
    summary: "Run certs.reload of the service on its host, and see by certs.probe that it took the certificate",
  },
  crl: { summary: "Also send the revocation list, crl.pem, beside the CA's certificate" },
  ...SSH_OPTIONS,
} as const;

/** What {@linkcode DEPLOY_OPTIONS} become. */
export type DeployOptionValues = OptionValues<typeof DEPLOY_OPTIONS>;

/** One pair to deploy. */
export interface DeployJob {
  /** Whose. */
  readonly service: string;
  /** What for. */
  readonly type: PairType;
  /** Where to; without it, where the service runs. */
  readonly machine?: string;
}

/** What the commands work with. */
export interface Workshop {
  /** The CA's files. */
  readonly home: PkiHome;
  /** The CA, without its key. */
  readonly ca: Ca;
  /** The registry. */
  readonly registry: Registry;
  /** Finds machines. */
  readonly machines: Machines;
}

/**
 * Opens CA and registry for a command that reaches other machines.
 *
 * @param surroundings The invocation.
 * @param options What was typed.
 * @returns What the command works with.
 * @throws {CliError} If there is no CA or no registry.
 */
export async function openWorkshop(
  { io }: Surroundings,
  options: OptionValues<typeof SSH_OPTIONS>,
): Promise<Workshop> {
  const home = pkiHome(io);
  await settleIfNeeded(home);
  const [ca, registry] = await Promise.all([openCa(home), openRegistry(registryPath(io))]);
  return { home, ca, registry, machines: machinesOf(registry, { options, io }) };
}

/** Why a service that runs nowhere is passed over. */
export const RUNS_NOWHERE = "it names no current_host";

/** Services that a bulk command passes over, and why. */
export interface Passed {
  /** The service. */
  readonly service: string;
  /** Why. */
  readonly reason: string;
}

/**
 * The pairs there are, of the services of the registry that run somewhere.
 *
 * @param workshop CA and registry.
 * @param types Which pairs.
 * @returns What to deploy, and who is passed over.
 */
export async function jobsFor(
  { home, registry }: Workshop,
  types: readonly PairType[],
): Promise<{ jobs: DeployJob[]; skipped: Passed[] }> {
  const jobs: DeployJob[] = [];
  const skipped: Passed[] = [];
  for (const service of registry.serviceNames) {
    let stored: readonly PairType[] = [];
    let runs = true;
    try {
      stored = await storedTypes(home, service, types);
      runs = registry.service(service).currentHost !== undefined;
    } catch {
      // What makes no sense fails when it is its turn.
      if (stored.length === 0) stored = types.slice(0, 1);
    }
    if (stored.length === 0) skipped.push({ service, reason: `no ${types.join(" or ")} certificate` });
    else if (!runs) skipped.push({ service, reason: RUNS_NOWHERE });
    else jobs.push(...stored.map((type) => ({ service, type })));
  }
  return { jobs, skipped };
}

async function storedTypes(home: PkiHome, service: string, types: readonly PairType[]): Promise<PairType[]> {
  const stored: PairType[] = [];
  for (const type of types) {
    const { cert, key } = home.pair(service, type);
    if (await fileInfo(cert) !== undefined || await fileInfo(key) !== undefined) stored.push(type);
  }
  return stored;
}

type Result =
  & { readonly job: DeployJob; readonly deployment?: Deployment }
  & (
    | { readonly ok: true; readonly deployment: Deployment; readonly done: Deployed }
    | { readonly ok: false; readonly error: CliError }
  );

/**
 * Deploys, tells of it, and says how it went. One that fails stops no other.
 *
 * @param surroundings The invocation.
 * @param options What was typed.
 * @param run What to deploy; `single` if the failure of one is the failure of the command.
 * @returns The exit code.
 * @throws {CliError} If one failed.
 */
export async function deployAndReport(
  surroundings: Surroundings,
  options: DeployOptionValues,
  run: {
    readonly workshop: Workshop;
    readonly jobs: readonly DeployJob[];
    readonly skipped?: readonly Passed[];
    readonly single?: boolean;
  },
): Promise<number> {
  const { io, globals } = surroundings;
  const { workshop: { home, ca, registry, machines }, jobs, skipped = [], single = false } = run;
  for (const { service, reason } of skipped) sayWarning(surroundings, `${service} skipped: ${reason}`);
  const results: Result[] = [];
  const shared = await sharedPlaces(registry, home);
  const told = teller(surroundings, { total: jobs.length, tellsFailures: !single });
  const stop = new AbortController();
  const attempt = async (job: DeployJob): Promise<void> => {
    if (stop.signal.aborted) return;
    let deployment: Deployment | undefined;
    let result: Result;
    try {
      deployment = await planDeployment({ ...job, registry, ca, crl: options.crl, now: io.now() });
      const rival = shared.get(pairKey(job.service, job.type));
      if (rival !== undefined && deployment.machine === deployment.service.currentHost) {
        // Who names one pair and one machine decides; many at once would leave it to chance.
        if (!single) throw rival;
        sayWarning(surroundings, rival.message);
      }
      const done = await deploy(deployment, { machines, home, reload: options.reload, signal: stop.signal });
      result = { ok: true, job, deployment, done };
    } catch (error) {
      result = { ok: false, job, error: asFailure(error), ...(deployment ? { deployment } : {}) };
    }
    if (stop.signal.aborted) return;
    results.push(result);
    told.step(result);
  };
  await untilInterrupted(stop, () => inLanes(jobs, (job) => job.machine ?? machineOf(registry, job.service), attempt));
  told.end();
  if (stop.signal.aborted) {
    throw new CliError(`interrupted after ${results.length} of ${jobs.length}`, {
      code: "interrupted",
      hint: "Every pair is whole, old or new",
      exitCode: 130,
    });
  }
  const inOrder = jobs.map((job) => results.find((result) => result.job === job)!);
  const failed = inOrder.filter((result) => !result.ok);
  if (single && failed[0] !== undefined) throw failed[0].error;
  if (globals.json) {
    const [only] = inOrder;
    sayJson(
      surroundings,
      single && only !== undefined ? factsOf(only) : {
        deployed: inOrder.filter(({ ok }) => ok).map(factsOf),
        failed: inOrder.filter(({ ok }) => !ok).map(factsOf),
        skipped,
      },
    );
    return failed.length > 0 ? 1 : 0;
  }
  if (!single) {
    io.stdout.write(`${results.length - failed.length} deployed, ${failed.length} failed, ${skipped.length} skipped\n`);
  }
  if (failed.length === 0) return 0;
  const names = [...new Set(failed.map(({ job }) => visible(job.service)))].join(", ");
  throw new CliError(`could not deploy ${failed.length} of ${results.length}: ${names}`, { code: "some_failed" });
}

/** What was begun on a machine is taken away again, private keys among it: so whoever presses Ctrl-C waits a moment. */
async function untilInterrupted(stop: AbortController, work: () => Promise<void>): Promise<void> {
  const end = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, end);
  try {
    await work();
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, end);
  }
}

function machineOf(registry: Registry, service: string): string {
  try {
    return registry.service(service).currentHost ?? "";
  } catch {
    return "";
  }
}

/**
 * Whatever was thrown, as a failure of one item.
 *
 * @param error What was thrown.
 * @returns The failure.
 */
export function asFailure(error: unknown): CliError {
  if (error instanceof CliError) return error;
  return new CliError(error instanceof Error ? error.message : String(error), { code: "internal", cause: error });
}

function factsOf(result: Result): Record<string, unknown> {
  const { job: { service, type, machine } } = result;
  if (!result.ok) {
    const { message, code, hint } = result.error;
    const where = result.deployment?.machine ?? machine;
    return { service, type, ...(where ? { machine: where } : {}), error: message, code, ...(hint ? { hint } : {}) };
  }
  const { deployment, done } = result;
  return {
    service,
    type,
    machine: deployment.machine,
    folder: deployment.folder,
    files: deployment.files.map(({ to }) => to),
    sha256: deployment.sha256,
    reloaded: done.reloaded,
    ...(done.served === undefined ? {} : { served: done.served }),
  };
}

function teller(
  surroundings: Surroundings,
  { total, tellsFailures }: { readonly total: number; readonly tellsFailures: boolean },
): { step(result: Result): void; end(): void } {
  const { io, globals } = surroundings;
  const [out, err] = [outputStyle(surroundings), styleOf(io.stderr, io)];
  const counts = !globals.json && io.stderr.isTerminal && total > 1;
  let count = 0;
  if (counts) io.stderr.write(`0/${total}`); // A machine that is away takes its time.
  return {
    step(result) {
      count++;
      if (globals.json) return;
      if (counts) io.stderr.write("\r\x1b[K");
      const { service, type } = result.job;
      if (!result.ok) {
        if (tellsFailures) {
          io.stderr.write(failure(err, `${visible(service)}: ${result.error.message}`, result.error.hint));
        }
      } else {
        const { deployment, done } = result;
        const further = [done.reloaded ? "reloaded" : "", done.served ? "seen to be served" : ""].filter(Boolean);
        const tail = further.length > 0 ? ` (${further.join(", ")})` : "";
        io.stdout.write(
          success(out, `${service}: ${type} certificate in ${deployment.machine}:${deployment.folder}${tail}`),
        );
      }
      if (counts && count < total) io.stderr.write(cut(visible(`${count}/${total} ${service}`), io.stderr.columns - 1));
    },
    end() {
      if (counts) io.stderr.write("\r\x1b[K");
    },
  };
}
