import { command } from "../../command.ts";
import { openContexts } from "../../contexts.ts";
import { CliError } from "../../failure.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Switch the active context",
  positionals: { NAME: { summary: "The context; - goes back to the one before", complete: "context" } },
  async run({ args, globals, io }) {
    const store = openContexts(io);
    const name = args.NAME === "-" ? await store.previous() : args.NAME;
    if (name === undefined) throw new CliError("no previous context to go back to", { code: "no_previous_context" });
    await store.update((contexts) => contexts.withCurrent(contexts.get(name).name));
    sayDone({ globals, io }, `Switched to context '${name}'`, { context: name });
  },
});
