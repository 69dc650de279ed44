import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Stop serving a domain; its certificate stays",
  positionals: { DOMAIN: { summary: "Which route", complete: "route" } },
  async run({ args, globals, io }) {
    const { deleteRoute } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(deleteRoute, { domain: args.DOMAIN });
    sayDone({ globals, io }, `Route '${args.DOMAIN}' removed`, { action: "removed", domain: args.DOMAIN });
  },
});
