import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Resume a suspended project",
  positionals: { NAME: { summary: "Which project", complete: "project" } },
  async run({ args, globals, io }) {
    const { resumeProject } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(resumeProject, { name: args.NAME });
    sayDone({ globals, io }, `Project '${args.NAME}' resumed`, { action: "resumed", project: args.NAME });
  },
});
