import { openCa } from "../../certs/ca.ts";
import { issueAndReport, orderFor } from "../../certs/deliver.ts";
import { pkiHome, registryPath } from "../../certs/home.ts";
import { readRevocations } from "../../certs/ledger.ts";
import { KEPT_OPTIONS } from "../../certs/options.ts";
import { PASSPHRASE_OPTION } from "../../certs/passphrase.ts";
import { openRegistry } from "../../certs/registry.ts";
import { algorithmOf, lifetimeOf, type Plan, planFor } from "../../certs/renew.ts";
import { listPairs, settleIfNeeded, type StoredPair } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { sayJson } from "../../say.ts";

interface Planned {
  readonly pair: StoredPair;
  readonly plan: Plan;
}

function factsOf({ pair, plan }: Planned): Record<string, unknown> {
  const { service, type } = pair;
  if (plan.action === "keep") return { service, type, action: plan.action, dueAt: plan.dueAt.toISOString() };
  return { service, type, ...plan };
}

export default command({
  summary: "Renew the certificates that are due",
  details: `
Due is what has a third of its life left, or less, has expired, lacks its key, cannot be read, or is another CA's. The new one
lives as long as the one before and has a key of the same kind. What was revoked is left alone: 'generate' gives a new one.`,
  options: {
    all: { summary: "Renew every certificate, due or not" },
    "dry-run": { summary: "Say what is due, and change nothing" },
    ...KEPT_OPTIONS,
    ...PASSPHRASE_OPTION,
  },
  async run({ options, globals, io }) {
    const home = pkiHome(io);
    await settleIfNeeded(home);
    const known = { ca: await openCa(home), revoked: await readRevocations(home), now: io.now() };
    const planned = (await listPairs(home)).map((pair): Planned => {
      const plan = planFor(pair, known);
      return { pair, plan: options.all && plan.action === "keep" ? { action: "renew", reason: "--all" } : plan };
    });
    const due = planned.filter(({ plan }) => plan.action === "renew");
    if (options["dry-run"]) {
      if (globals.json) return sayJson({ globals, io }, planned.map(factsOf));
      for (const { pair, plan } of planned) {
        if (plan.action !== "keep") io.stdout.write(`${pair.service} ${pair.type}: ${plan.action}: ${plan.reason}\n`);
      }
      io.stdout.write(`${due.length} of ${planned.length} are due; nothing was changed\n`);
      return;
    }
    const skipped = planned.flatMap(({ pair, plan }) =>
      plan.action === "leave" ? [{ service: pair.service, reason: plan.reason }] : []
    );
    if (due.length === 0 && skipped.length === 0) {
      if (globals.json) return sayJson({ globals, io }, { issued: [], failed: [], skipped: [] });
      io.stdout.write(`None of ${planned.length} is due\n`);
      return;
    }
    // The registry is needed for their names, and for nothing when nothing is due.
    const registry = due.length > 0 ? await openRegistry(registryPath(io)) : undefined;
    const orders = registry === undefined ? [] : due.map(({ pair }) => ({
      ...orderFor(registry, pair.service, pair.type),
      lifetimeSeconds: options.lifetime ?? lifetimeOf(pair),
      algorithm: options.algorithm ?? algorithmOf(pair),
    }));
    return await issueAndReport({ globals, io }, options, { orders, skipped });
  },
});
