import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { printListing } from "../../listing.ts";
import { age } from "../../output/age.ts";
import { sayJson } from "../../say.ts";

export default command({
  summary: "List projects",
  async run({ globals, io }) {
    const { listProjects } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const projects = await connection.call(listProjects, {});
    if (globals.json) return sayJson({ globals, io }, projects, { order: "model" });
    const now = io.now();
    printListing({ globals, io }, { icon: "cluster", title: "Projects" }, {
      columns: ["Name", "Age"],
      rows: projects.map(({ name, created_at }) => [name, age(created_at, now)]),
    });
  },
});
