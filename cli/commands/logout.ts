import { command } from "../command.ts";
import { openContexts } from "../contexts.ts";
import { CliError } from "../failure.ts";
import { sayDone } from "../say.ts";

export default command({
  summary: "Forget a context's token; its server and pinned CA stay",
  details: "The daemon is not told: the token itself works on until it is revoked (helyos auth token revoke).",
  positionals: { NAME: { summary: "The context; the active one if left out", optional: true, complete: "context" } },
  async run({ args, globals, io }) {
    let name = "";
    await openContexts(io).update((contexts) => {
      const context = args.NAME === undefined ? contexts.active(globals.context) : contexts.get(args.NAME);
      if (!context) throw new CliError("no active context to log out of", { code: "no_active_context" });
      name = context.name;
      return contexts.with({ ...context, token: undefined, tokenName: undefined });
    });
    const text = `Logged out of context '${name}' (server + pinned CA kept; re-login with one paste)`;
    sayDone({ globals, io }, text, { context: name });
  },
});
