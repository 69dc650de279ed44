import { command } from "../../../command.ts";
import { connect } from "../../../connect.ts";
import { sayDone } from "../../../say.ts";

export default command({
  summary: "Revoke an API token; it stops working at once",
  positionals: { NAME: { summary: "Which token", complete: "token" } },
  async run({ args, globals, io }) {
    const { revokeToken } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(revokeToken, { name: args.NAME });
    sayDone({ globals, io }, `Revoked API token '${args.NAME}'`, { action: "revoked", token: args.NAME });
  },
});
