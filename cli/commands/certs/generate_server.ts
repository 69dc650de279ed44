import { issueAndReport, orderFor } from "../../certs/deliver.ts";
import { registryPath } from "../../certs/home.ts";
import { ISSUE_OPTIONS } from "../../certs/options.ts";
import { openRegistry } from "../../certs/registry.ts";
import { command } from "../../command.ts";
import { sayWarning } from "../../say.ts";

export default command({
  summary: "Issue a service the certificate with which it serves",
  details: `
The names come from the registry: the service's hostname, SERVICE.internal, its aliases and the address of its current_host;
besides localhost, 127.0.0.1 and ::1. Every call makes a new key and a new certificate: that is how they are rotated.`,
  positionals: { SERVICE: { summary: "The service, as the registry calls it" } },
  options: ISSUE_OPTIONS,
  async run({ args, options, globals, io }) {
    const registry = await openRegistry(registryPath(io));
    const { currentHost } = registry.service(args.SERVICE);
    if (currentHost === undefined) {
      sayWarning(
        { globals, io },
        `'${args.SERVICE}' names no current_host: its certificate will hold no host's address`,
      );
    } else if (registry.host(currentHost).ip === undefined) {
      sayWarning({ globals, io }, `host '${currentHost}' has no ip: the certificate will not hold its address`);
    }
    const orders = [orderFor(registry, args.SERVICE, "server")];
    return await issueAndReport({ globals, io }, options, { orders, single: true });
  },
});
