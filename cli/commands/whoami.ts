import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { readIdentity } from "../identity.ts";
import { visible } from "../output/text.ts";
import { sayJson } from "../say.ts";

export default command({
  summary: "Show whose token this is",
  async run({ globals, io }) {
    await using connection = await connect({ globals, io });
    const identity = await readIdentity(connection);
    if (globals.json) return sayJson({ globals, io }, identity);
    const lines = [`name:  ${identity.name || "-"}`, `scope: ${identity.scope || "-"}`];
    if (identity.expires_at) lines.push(`expires: ${identity.expires_at}`);
    if (identity.last_used_at) lines.push(`last used: ${identity.last_used_at}`);
    io.stdout.write(lines.map((line) => `${visible(line)}\n`).join(""));
  },
});
