import { command } from "../../command.ts";
import { openContexts } from "../../contexts.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Remove a context with its token and pinned CA",
  positionals: { NAME: { summary: "The context", complete: "context" } },
  async run({ args: { NAME }, globals, io }) {
    await openContexts(io).update((contexts) => contexts.without(contexts.get(NAME).name));
    sayDone({ globals, io }, `Removed context '${NAME}'`, { context: NAME });
  },
});
