import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { chooseProject, printListing, PROJECT_FILTER } from "../listing.ts";
import { age } from "../output/age.ts";
import { statusCell } from "../output/table.ts";
import { sayJson } from "../say.ts";

export default command({
  summary: "List pods",
  options: PROJECT_FILTER,
  async run({ options, globals, io }) {
    const { listPods } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const choice = chooseProject("pods", options, connection);
    const pods = await connection.call(listPods, { project: choice.project });
    choice.note({ globals, io });
    if (globals.json) return sayJson({ globals, io }, pods, { order: "model" });
    const now = io.now();
    printListing({ globals, io }, { icon: "pod", title: "Pods" }, {
      columns: ["Name", "Project", "Deployment", "Status", "Image", "Age"],
      rows: pods.map((pod) => [
        `helyos-${pod.project}-${pod.deployment_name}-${pod.replica_index}`,
        pod.project,
        pod.deployment_name,
        statusCell(pod.status),
        pod.image,
        age(pod.created_at, now),
      ]),
    });
  },
});
