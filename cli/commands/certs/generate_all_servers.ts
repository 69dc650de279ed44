import { issueAndReport, orderFor, type Skipped } from "../../certs/deliver.ts";
import { registryPath } from "../../certs/home.ts";
import { ISSUE_OPTIONS } from "../../certs/options.ts";
import { openRegistry, type Registry } from "../../certs/registry.ts";
import { command } from "../../command.ts";

/** Why a service gets no certificate for serving: where it runs is not known. What makes no sense fails in its turn. */
function reasonToSkip(registry: Registry, name: string): string | undefined {
  try {
    const { currentHost } = registry.service(name);
    if (currentHost === undefined) return "it names no current_host";
    return registry.host(currentHost).ip === undefined ? `host '${currentHost}' has no ip` : undefined;
  } catch {
    return undefined; // Told when it is this service's turn.
  }
}

export default command({
  summary: "Issue every service whose host is known the certificate with which it serves",
  details: `
A service without a current_host, or whose host has no ip, is skipped. One that fails is named; the others get their
certificates all the same, and the exit code says that one failed.`,
  options: ISSUE_OPTIONS,
  async run({ options, globals, io }) {
    const registry = await openRegistry(registryPath(io));
    const reasons = registry.serviceNames.map((service) => ({ service, reason: reasonToSkip(registry, service) }));
    const skipped = reasons.filter((one): one is Skipped => one.reason !== undefined);
    const orders = reasons.flatMap(({ service, reason }) => reason ? [] : [orderFor(registry, service, "server")]);
    return await issueAndReport({ globals, io }, options, { orders, skipped });
  },
});
