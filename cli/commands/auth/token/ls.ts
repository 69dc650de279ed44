import { command } from "../../../command.ts";
import { connect } from "../../../connect.ts";
import { looseList, textOf, unjudged } from "../../../listing.ts";
import { plainTable } from "../../../output/table.ts";
import { outputStyle, sayJson } from "../../../say.ts";

export default command({
  summary: "List API tokens",
  async run({ globals, io }) {
    const { listTokens } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const answer = await connection.call(unjudged(listTokens), {});
    const tokens = looseList(answer, "tokens");
    if (globals.json) return sayJson({ globals, io }, answer);
    io.stdout.write(plainTable(outputStyle({ globals, io }), {
      columns: ["name", "scope", "expires", "last used", "revoked"],
      rows: tokens.map((token) => [
        textOf(token, "name"),
        textOf(token, "scope"),
        textOf(token, "expires_at", "never"),
        textOf(token, "last_used_at", "never"),
        typeof token.revoked_at === "string" ? "yes" : "no",
      ]),
    }));
  },
});
