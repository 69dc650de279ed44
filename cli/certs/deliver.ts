/**
 * What the commands that issue have in common: orders from the registry, progress, the report.
 *
 * @module
 */
import type { Surroundings } from "../command.ts";
import { CliError } from "../failure.ts";
import { failure, success } from "../output/message.ts";
import { styleOf } from "../output/style.ts";
import { cut, visible } from "../output/text.ts";
import { outputStyle, sayJson, sayWarning } from "../say.ts";
import { type Ca, refuseExpired, unlockCa } from "./ca.ts";
import { type PairType, pkiHome } from "./home.ts";
import { type Delivery, issueAll, type LeafNames, namesFor, type Order } from "./issue.ts";
import { DEFAULT_LIFETIME_SECONDS, type IssueOptionValues } from "./options.ts";
import type { Registry } from "./registry.ts";
import { withStore } from "./store.ts";

/** A service that gets no certificate, and why. */
export interface Skipped {
  /** The service. */
  readonly service: string;
  /** Why. */
  readonly reason: string;
}

/** An order whose names stand in the registry; whether they make sense is found out when it is its turn. */
export type RegistryOrder = Omit<Order, "names"> & {
  /** The names, as far as this CA may speak of them. */
  readonly names: (ca: Ca) => LeafNames;
};

/** What a run is to issue. */
export interface Run {
  /** To whom, and what for. */
  readonly orders: readonly RegistryOrder[];
  /** Who is passed over. */
  readonly skipped?: readonly Skipped[];
  /** Whether one service was named, so that its failure is the command's own. */
  readonly single?: boolean;
}

/**
 * An order for a service, as the registry describes it.
 *
 * @param registry The registry.
 * @param service The service.
 * @param type What for.
 * @returns The order.
 */
export function orderFor(registry: Registry, service: string, type: PairType): RegistryOrder {
  return {
    service,
    type,
    names(ca) {
      const found = registry.service(service);
      const host = found.currentHost;
      // A server is also called by the address of its host; a client is known by its names, wherever it runs.
      const hostIp = type === "server" && host !== undefined ? registry.host(host).ip : undefined;
      return namesFor(found, type, { ca, hostIp });
    },
  };
}

/**
 * Issues, tells of it, and says how it went.
 *
 * @param surroundings The invocation.
 * @param options What was typed.
 * @param run What to issue.
 * @returns The exit code.
 * @throws {CliError} If nothing can be issued, or the single service fails.
 */
export async function issueAndReport(
  surroundings: Surroundings,
  options: IssueOptionValues,
  run: Run,
): Promise<number> {
  const { io, globals } = surroundings;
  const { skipped = [] } = run;
  const home = pkiHome(io);
  const signer = await unlockCa(surroundings, home, { passphraseFile: options["passphrase-file"] });
  if (run.orders.length > 0) refuseExpired(signer.ca, io.now());
  const orders = run.orders.map((order): Order => ({ ...order, names: () => order.names(signer.ca) }));
  for (const { service, reason } of skipped) sayWarning(surroundings, `${service} skipped: ${reason}`);
  const progress = progressOf(surroundings, { total: orders.length, tellsFailures: run.single !== true });
  const deliveries = await withStore(home, () =>
    issueAll(signer, orders, {
      lifetimeSeconds: options.lifetime ?? DEFAULT_LIFETIME_SECONDS,
      algorithm: options.algorithm ?? "ec-p256",
      now: () => io.now(),
      onDelivery: (delivery) => progress.step(delivery),
    })).finally(() => progress.end());
  const failed = deliveries.filter((delivery) => !delivery.ok);
  if (run.single && failed[0] !== undefined) throw failureOf(failed[0]);
  const [only] = deliveries;
  if (globals.json) {
    sayJson(
      surroundings,
      run.single && only !== undefined ? factsOf(only, home.caCert) : {
        issued: deliveries.filter(({ ok }) => ok).map((delivery) => factsOf(delivery, home.caCert)),
        failed: failed.map((delivery) => factsOf(delivery, home.caCert)),
        skipped,
      },
    );
    return failed.length > 0 ? 1 : 0;
  }
  if (run.single && only?.ok) {
    io.stdout.write(
      `  certificate  ${only.pair.cert}\n  key          ${only.pair.key}\n  CA           ${home.caCert}\n`,
    );
    return 0;
  }
  io.stdout.write(
    `${deliveries.length - failed.length} issued, ${failed.length} failed, ${skipped.length} skipped\n`,
  );
  if (failed.length === 0) return 0;
  const names = failed.map(({ service }) => visible(service)).join(", ");
  throw new CliError(`no certificate for ${failed.length} of ${deliveries.length}: ${names}`, { code: "some_failed" });
}

/** What a delivery is to a program. */
function factsOf(delivery: Delivery, ca: string): Record<string, unknown> {
  if (!delivery.ok) {
    const { service, type, error } = delivery;
    const { code, hint } = failureOf(delivery);
    return { service, type, error: error.message, code, ...(hint ? { hint } : {}) };
  }
  const { pair, certificate } = delivery;
  return {
    service: pair.service,
    type: pair.type,
    cert: pair.cert,
    key: pair.key,
    ca,
    serial: certificate.serial,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
  };
}

/**
 * A delivery's failure as the failure of the command.
 *
 * @param delivery What failed.
 * @returns The failure.
 */
export function failureOf(delivery: Delivery & { readonly ok: false }): CliError {
  const { error, service, type } = delivery;
  if (error instanceof CliError) return error;
  const { code } = error as { code?: unknown };
  return new CliError(`cannot issue a ${type} certificate to '${service}': ${error.message}`, {
    code: typeof code === "string" ? code : "failed",
    cause: error,
  });
}

/** Tells of each step as it is done. */
export interface Progress {
  /** Tells of a delivery. */
  step(delivery: Delivery): void;
  /** Leaves the terminal clean. */
  end(): void;
}

/**
 * Tells of every delivery in a line, failures on standard error; on a terminal with a line that says how far it is.
 *
 * @param surroundings The invocation.
 * @param options How many there will be, and whether failures are told here.
 * @returns What tells.
 */
export function progressOf(
  surroundings: Surroundings,
  { total, tellsFailures }: { readonly total: number; readonly tellsFailures: boolean },
): Progress {
  const { io, globals } = surroundings;
  const [out, err] = [outputStyle(surroundings), styleOf(io.stderr, io)];
  const counts = !globals.json && io.stderr.isTerminal && total > 1;
  const clear = counts ? "\r\x1b[K" : "";
  let done = 0;
  if (counts) io.stderr.write(`0/${total}`);
  return {
    step(delivery) {
      done++;
      if (globals.json) return;
      const service = delivery.ok ? delivery.pair.service : delivery.service;
      if (clear !== "") io.stderr.write(clear);
      if (!delivery.ok) {
        const { error } = delivery;
        const hint = error instanceof CliError ? error.hint : undefined;
        if (tellsFailures) io.stderr.write(failure(err, `${visible(service)}: ${error.message}`, hint));
      } else {
        const { pair, certificate } = delivery;
        const until = minute(certificate.notAfter);
        io.stdout.write(success(out, `${service}: ${pair.type} certificate until ${until}`));
      }
      if (counts && done < total) io.stderr.write(cut(visible(`${done}/${total} ${service}`), io.stderr.columns - 1));
    },
    end: () => clear !== "" && io.stderr.write(clear),
  };
}

/**
 * An instant as lists show it, in UTC.
 *
 * @param instant The instant.
 * @returns `YYYY-MM-DD HH:MM`
 */
export function minute(instant: Date): string {
  return instant.toISOString().slice(0, 16).replace("T", " ");
}
