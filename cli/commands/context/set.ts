import { command } from "../../command.ts";
import { checkContextName, type Context } from "../../context.ts";
import { openContexts } from "../../contexts.ts";
import { CliError } from "../../failure.ts";
import { sayDone, sayWarning } from "../../say.ts";
import { parseServer, serverText } from "../../server.ts";

export default command({
  summary: "Change a context's server or default project, or create a context for --server",
  details: 'A context without a pinned CA trusts what this system trusts. `--project ""` clears the project.',
  positionals: { NAME: { summary: "The context", complete: "context" } },
  options: { project: { summary: "Default project", short: "p", value: "PROJECT", complete: "project" } },
  async run({ args: { NAME }, options: { project }, globals, io }) {
    const server = globals.server === undefined ? undefined : serverText(parseServer(globals.server));
    if (server === undefined && project === undefined) {
      throw new CliError("nothing to change", { code: "usage", exitCode: 2, hint: "Give --server, --project or both" });
    }
    let dropped = false;
    let created = false;
    await openContexts(io).update((contexts) => {
      created = !contexts.has(NAME) && server !== undefined;
      if (created) checkContextName(NAME);
      const before: Context = created ? { name: NAME } : contexts.get(NAME);
      dropped = losesToken(before, server);
      return contexts.with({
        ...before,
        ...(server === undefined ? {} : { server }),
        ...(project === undefined ? {} : { project }),
        ...(dropped ? { token: undefined, tokenName: undefined } : {}),
      });
    });
    if (dropped) {
      sayWarning(
        { globals, io },
        `the token of context '${NAME}' was dropped: it has no pinned CA, so nothing proves that the new server is ` +
          `the one the token was made for. Log in again with: helyos login ${server} --name ${NAME}`,
      );
    }
    const facts = { context: NAME, created, token_dropped: dropped };
    sayDone({ globals, io }, `${created ? "Created" : "Updated"} context '${NAME}'`, facts);
  },
});

/** With a pin the new server must prove itself by the same CA; without one, any server the system trusts would get the token. */
function losesToken({ token, ca, insecure, server: before }: Context, after: string | undefined): boolean {
  if (token === undefined || after === undefined) return false;
  const pinned = ca !== undefined && !insecure && after.startsWith("https:");
  return !pinned && (before === undefined || URL.parse(before)?.origin !== new URL(after).origin);
}
