import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { CliError } from "../../failure.ts";
import { visible } from "../../output/text.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Delete a project that has no deployments",
  positionals: { NAME: { summary: "Which project", complete: "project" } },
  options: { yes: { summary: "Do not ask", short: "y" } },
  async run({ args, options, globals, io }) {
    if (!options.yes) {
      if (!io.stdin.isTerminal || !io.stderr.isTerminal) {
        throw new CliError(`refusing to delete project '${args.NAME}' without asking, and there is no terminal`, {
          code: "confirmation_needed",
          hint: "Give -y (--yes) to delete it without being asked",
        });
      }
      const { confirm } = await import("../../prompt.ts");
      const question = `Are you sure you want to delete project '${visible(args.NAME)}' and all its resources?`;
      if (!await confirm(io, question)) return;
    }
    const { deleteProject } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(deleteProject, { name: args.NAME });
    sayDone({ globals, io }, `Project '${args.NAME}' deleted`, { action: "deleted", project: args.NAME });
  },
});
