import { type ClusterStatus, readStatus } from "../cluster_status.ts";
import { command } from "../command.ts";
import { connect } from "../connect.ts";
import type { Cell } from "../output/cell.ts";
import { keyValues, panel } from "../output/panel.ts";
import type { Role } from "../output/style.ts";
import { untilItWorks } from "../patience.ts";
import { outputStyle, sayJson } from "../say.ts";
import { readDuration } from "../seconds.ts";

/** From here on the days left are shown in yellow: a daemon that renews by itself never gets there. */
const SOON_DAYS = 20;

export default command({
  summary: "Show how the cluster fares, and how it is trusted",
  details: `
Exits with 1 when the daemon cannot be reached, is not the one that was pinned, or does not accept the token, and says
which. --wait tries again until it answers: a daemon that starts up, a network that comes up. What will not pass by
itself, such as another certificate than the pinned one, fails at once all the same.`,
  options: {
    wait: { summary: "Wait up to this long for a healthy answer", value: "SECS", read: readDuration },
  },
  async run({ options, globals, io }) {
    await using connection = await connect({ globals, io });
    const read = () => readStatus(connection, io.now());
    const status = await (options.wait ? untilItWorks(read, 1_000 * options.wait) : read());
    if (globals.json) return sayJson({ globals, io }, status);
    const style = outputStyle({ globals, io });
    const running: Cell = [{ text: "● running", role: "green" }];
    io.stdout.write(panel(style, {
      icon: "cluster",
      title: "Cluster Status",
      body: keyValues([
        ["Mode", status.cluster],
        ["Status", running],
        ["Projects", String(status.projects)],
        ["Deployments", `${status.deployments.running} running · ${status.deployments.stopped} stopped`],
        ["Pods", `${status.pods.running} running · ${status.pods.restarting} restarting`],
        ["Version", status.version ?? "-"],
        ["Server", status.server],
        ["TLS", tlsCell(status)],
        ...(status.certificate ? [["Certificate", certificateCell(status.certificate)] as const] : []),
        ["Identity", status.identity ? `${status.identity.name} (${status.identity.scope})` : "-"],
      ]),
    }));
  },
});

function tlsCell({ tls }: ClusterStatus): Cell {
  const role: Role = tls === "pinned" || tls === "system" ? "green" : tls === "insecure" ? "red" : "yellow";
  return [{ text: tls, role }];
}

function certificateCell({ days_left, not_after }: NonNullable<ClusterStatus["certificate"]>): Cell {
  const days = days_left === 1 ? "1 day left" : `${days_left} days left`;
  const until = { text: ` (until ${not_after.slice(0, 10)})`, role: "secondary" as const };
  return [{ text: days, role: days_left < 1 ? "red" : days_left < SOON_DAYS ? "yellow" : "green" }, until];
}
