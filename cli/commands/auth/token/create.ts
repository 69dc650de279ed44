import { command } from "../../../command.ts";
import { connect } from "../../../connect.ts";
import { unjudged } from "../../../listing.ts";
import { sayJson, sayWarning } from "../../../say.ts";
import { readSeconds } from "../../../seconds.ts";
import { printNewToken } from "../../../new_token.ts";

export default command({
  summary: "Mint an API token; its secret is shown once",
  details: `
--ttl takes whole seconds, or a whole number with s, m, h or d behind it: 3600, 90m, 30d. Without it, and for zero or
less (spelled --ttl=-5), the token never expires.

A token of scope 'read' changes nothing, 'deploy' runs workloads and manages projects, 'admin' may do everything.`,
  positionals: { NAME: { summary: "What to call it" } },
  options: {
    ttl: { summary: "Expire after this long (default: never)", value: "SECS", read: readSeconds },
    scope: { summary: "What it may do (default: admin)", value: "SCOPE", choices: ["admin", "deploy", "read"] },
  },
  async run({ args, options, globals, io }) {
    const { createToken } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const input = { name: args.NAME, scope: options.scope, ttl_secs: options.ttl };
    const created = await connection.call(unjudged(createToken), input);
    if (options.ttl !== undefined && options.ttl <= 0) {
      sayWarning({ globals, io }, `a --ttl of ${options.ttl} means never: the token does not expire`);
    }
    if (globals.json) return sayJson({ globals, io }, created);
    const token = printNewToken({ globals, io }, `Created API token '${args.NAME}'`, created);
    io.stdout.write(`\nUse it from another machine with:\n  helyos login <server> --token ${token}\n`);
  },
});
