import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { printListing } from "../listing.ts";
import { age } from "../output/age.ts";
import { gauge } from "../output/gauge.ts";
import { statusCell } from "../output/table.ts";
import { sayJson, sayWarning } from "../say.ts";

export default command({
  summary: "List the nodes of the cluster",
  async run({ globals, io }) {
    const { listNodes } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const nodes = await connection.call(listNodes, {});
    if (globals.json) return sayJson({ globals, io }, nodes, { order: "model" });
    if (nodes.length === 0) return sayWarning({ globals, io }, "No nodes registered. Running in single-node mode.");
    const now = io.now();
    printListing({ globals, io }, { icon: "node", title: "Nodes" }, {
      columns: ["Name", "Role", "Status", "CPU", "MEM", "Pods", "Age"],
      rows: nodes.map(({ name, role, status, resources, last_heartbeat }) => [
        name,
        role === "master" ? "Master" : "Worker",
        statusCell(status),
        gauge(resources.cpu_cores - resources.cpu_available, resources.cpu_cores),
        gauge(resources.memory_bytes - resources.memory_available, resources.memory_bytes),
        String(resources.running_pods),
        age(last_heartbeat, now),
      ]),
    });
  },
});
