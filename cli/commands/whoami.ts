import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { sayJson } from "../say.ts";

export default command({
  summary: "Show whose token this is",
  async run({ globals, io }) {
    const { whoami } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const identity = await connection.call(whoami, {});
    if (globals.json) return sayJson({ globals, io }, identity);
    const lines = [`name:  ${identity.name || "-"}`, `scope: ${identity.scope || "-"}`];
    if (identity.expires_at) lines.push(`expires: ${identity.expires_at}`);
    if (identity.last_used_at) lines.push(`last used: ${identity.last_used_at}`);
    io.stdout.write(lines.join("\n") + "\n");
  },
});
