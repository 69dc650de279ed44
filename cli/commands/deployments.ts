import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { chooseProject, printListing, PROJECT_FILTER } from "../listing.ts";
import { age } from "../output/age.ts";
import { statusCell } from "../output/table.ts";
import { sayJson } from "../say.ts";

export default command({
  summary: "List deployments",
  options: PROJECT_FILTER,
  async run({ options, globals, io }) {
    const { listDeployments } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const choice = chooseProject("deployments", options, connection);
    const deployments = await connection.call(listDeployments, { project: choice.project });
    choice.note({ globals, io });
    if (globals.json) return sayJson({ globals, io }, deployments, { order: "model" });
    const now = io.now();
    printListing({ globals, io }, { icon: "deploy", title: "Deployments" }, {
      columns: ["Name", "Project", "Status", "Replicas", "Image", "Age"],
      rows: deployments.map(({ spec, status, created_at }) => [
        spec.deployment.name,
        spec.project,
        statusCell(status),
        String(spec.replicas),
        spec.image,
        age(created_at, now),
      ]),
    });
  },
});
