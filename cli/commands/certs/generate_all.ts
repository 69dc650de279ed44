import { issueAndReport, orderFor } from "../../certs/deliver.ts";
import { registryPath } from "../../certs/home.ts";
import { ISSUE_OPTIONS } from "../../certs/options.ts";
import { openRegistry } from "../../certs/registry.ts";
import { command } from "../../command.ts";

export default command({
  summary: "Issue every service the certificate with which it calls others",
  details: `
A service that fails is named; the others get their certificates all the same, and the exit code says that one failed.`,
  options: ISSUE_OPTIONS,
  async run({ options, globals, io }) {
    const registry = await openRegistry(registryPath(io));
    const orders = registry.serviceNames.map((name) => orderFor(registry, name, "client"));
    return await issueAndReport({ globals, io }, options, { orders });
  },
});
