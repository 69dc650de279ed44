import { issueAndReport, orderFor } from "../../certs/deliver.ts";
import { registryPath } from "../../certs/home.ts";
import { ISSUE_OPTIONS } from "../../certs/options.ts";
import { openRegistry } from "../../certs/registry.ts";
import { command } from "../../command.ts";

export default command({
  summary: "Issue a service the certificate with which it calls others",
  details: `
The names come from the registry: the service's hostname, SERVICE.internal and its aliases. Every call makes a new key and
a new certificate: that is how they are rotated.`,
  positionals: { SERVICE: { summary: "The service, as the registry calls it" } },
  options: ISSUE_OPTIONS,
  async run({ args, options, globals, io }) {
    const registry = await openRegistry(registryPath(io));
    registry.service(args.SERVICE);
    const orders = [orderFor(registry, args.SERVICE, "client")];
    return await issueAndReport({ globals, io }, options, { orders, single: true });
  },
});
