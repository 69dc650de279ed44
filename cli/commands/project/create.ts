import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Create a project",
  positionals: { NAME: { summary: "What to call it" } },
  async run({ args, globals, io }) {
    const { createProject } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const project = await connection.call(createProject, { name: args.NAME });
    sayDone({ globals, io }, `Project '${args.NAME}' created`, { project });
  },
});
