import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Suspend a project: nothing of it runs until it is resumed",
  positionals: { NAME: { summary: "Which project", complete: "project" } },
  async run({ args, globals, io }) {
    const { suspendProject } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(suspendProject, { name: args.NAME });
    sayDone({ globals, io }, `Project '${args.NAME}' suspended`, { action: "suspended", project: args.NAME });
  },
});
