import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { chooseProject, looseList, printListing, PROJECT_FILTER, textOf, unjudged } from "../listing.ts";
import { sayJson } from "../say.ts";

export default command({
  summary: "List routes: public domains and the deployments behind them",
  options: PROJECT_FILTER,
  async run({ options, globals, io }) {
    const { listRoutes } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const choice = chooseProject("routes", options, connection);
    const answer = await connection.call(unjudged(listRoutes), { project: choice.project });
    const routes = looseList(answer, "routes");
    choice.note({ globals, io });
    if (globals.json) return sayJson({ globals, io }, answer);
    printListing({ globals, io }, { icon: "event", title: "Routes" }, {
      columns: ["Domain", "Project", "Deployment", "TLS", "Created"],
      rows: routes.map((route) =>
        ["domain", "project", "deployment", "tls_mode", "created_at"].map((key) => textOf(route, key))
      ),
    });
  },
});
