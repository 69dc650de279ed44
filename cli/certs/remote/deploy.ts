/**
 * Deploying: what was planned is placed, the service told, and looked at.
 *
 * @module
 */
import { CliError } from "../../failure.ts";
import { readText } from "../files.ts";
import type { PkiHome } from "../home.ts";
import type { CertsSection } from "../registry.ts";
import { certsOf, type Deployment, dress } from "./deployment.ts";
import type { Machines } from "./machines.ts";
import { place } from "./place.ts";
import { complaint } from "./process.ts";
import { untilServed } from "./served.ts";
import type { Shell } from "./shell.ts";

/** A reload that takes longer hangs, or started a service that never lets go of its output. */
const RELOAD_TIMEOUT_MS = 120_000;

/** How to deploy. */
export interface DeployOptions {
  /** Finds the machines. */
  readonly machines: Machines;
  /** The CA's files: for the client's pair that a probe shows. */
  readonly home: PkiHome;
  /** Whether to tell the service, and to see that it took the new certificate. */
  readonly reload: boolean;
  /** How long a service may take until it serves the new certificate, in milliseconds. */
  readonly patienceMs?: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** What came of it. */
export interface Deployed {
  /** Whether the service was told. */
  readonly reloaded: boolean;
  /** Whether the new certificate was seen; undefined where there is nowhere to look. */
  readonly served: boolean | undefined;
}

/** Told what is being done, for progress. */
export type Step = "deploy" | "reload" | "probe";

/**
 * Deploys one pair.
 *
 * @param deployment The plan.
 * @param options How.
 * @param onStep Told of each step before it is done.
 * @returns What came of it.
 * @throws {CliError} If a step fails; the message names the machine.
 */
export async function deploy(
  deployment: Deployment,
  options: DeployOptions,
  onStep: (step: Step) => void = () => {},
): Promise<Deployed> {
  const { machines, home, reload, signal } = options;
  const { service, type, machine } = deployment;
  const shell = machines(machine);
  let certs: CertsSection = service.certs;
  onStep("deploy");
  await place(shell, deployment.files, {
    what: `the ${type} certificate of '${service.name}'`,
    serviceYml: deployment.serviceYml,
    dress(text) {
      certs = certsOf(service, text);
      return dress(deployment, certs);
    },
    signal,
  });
  if (!reload) return { reloaded: false, served: undefined };
  if (certs.reload !== undefined) {
    onStep("reload");
    await runReload(shell, certs.reload, { service: service.name, signal });
  }
  // A client's certificate is served nowhere.
  if (certs.probe === undefined || type === "client") {
    return { reloaded: certs.reload !== undefined, served: undefined };
  }
  onStep("probe");
  await untilServed(certs.probe, deployment.sha256, {
    name: service.hostname,
    pair: await clientPair(home, service.name),
    ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    signal,
  });
  return { reloaded: certs.reload !== undefined, served: true };
}

/**
 * Runs a service's `certs.reload` on its machine.
 *
 * @param shell The machine.
 * @param words Program and arguments; no shell looks at them.
 * @param options Whose it is, and how long it may take.
 * @throws {CliError} If it fails, or does not end.
 */
export async function runReload(
  shell: Shell,
  words: readonly string[],
  options: { readonly service: string; readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number },
): Promise<void> {
  if (words.length === 0) return;
  const { service, signal, timeoutMs = RELOAD_TIMEOUT_MS } = options;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
  // What it started in the background may hold its output open after it was killed: nobody waits for that.
  const gaveUp = new Promise<undefined>((resolve) => either.addEventListener("abort", () => resolve(undefined)));
  try {
    const outcome = await Promise.race([shell.run('exec "$@"', words, either), gaveUp]);
    signal?.throwIfAborted();
    if (outcome?.code === 0) return;
    const why = outcome === undefined || limit.signal.aborted
      ? `it did not end within ${timeoutMs / 1000} seconds`
      : complaint(outcome);
    throw new CliError(`'${service}' was not reloaded on ${shell.name}: ${words.join(" ")}: ${why}`, {
      code: "reload_failed",
      hint: "The new certificate is in place; reload the service, or deploy again with --reload",
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A service's own client pair: what a probe shows to a server that asks.
 *
 * @param home The CA's files.
 * @param service Whose.
 * @returns The pair; undefined if there is none.
 */
export async function clientPair(home: PkiHome, service: string): Promise<{ cert: string; key: string } | undefined> {
  const { cert, key } = home.pair(service, "client");
  const [certPem, keyPem] = await Promise.all([readText(cert), readText(key)]);
  return certPem === undefined || keyPem === undefined ? undefined : { cert: certPem, key: keyPem };
}
