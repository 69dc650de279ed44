import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { chooseProject, type Loose, looseList, printListing, PROJECT_FILTER, textOf, unjudged } from "../listing.ts";
import { statusCell } from "../output/table.ts";
import { sayJson, sayWarning } from "../say.ts";

const COLUMNS = ["Domain", "Project", "Deployment", "TLS", "Created"];

/** Older daemons do not say how a route fares. */
const hasStatus = (route: Loose): boolean => typeof route.status === "string";

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
    const told = routes.some(hasStatus);
    printListing({ globals, io }, { icon: "event", title: "Routes" }, {
      columns: told ? [...COLUMNS, "Status"] : COLUMNS,
      rows: routes.map((route) => [
        ...["domain", "project", "deployment", "tls_mode", "created_at"].map((key) => textOf(route, key)),
        ...(told ? [statusCell(textOf(route, "status"))] : []),
      ]),
    });
    for (const route of routes) {
      if (hasStatus(route) && route.status !== "served" && typeof route.reason === "string") {
        sayWarning({ globals, io }, `${textOf(route, "domain")}: ${route.reason}`);
      }
    }
  },
});
