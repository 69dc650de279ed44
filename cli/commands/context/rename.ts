import { command } from "../../command.ts";
import { checkContextName } from "../../context.ts";
import { openContexts } from "../../contexts.ts";
import { CliError } from "../../failure.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Rename a context",
  positionals: {
    OLD: { summary: "The context", complete: "context" },
    NEW: { summary: "Its new name" },
  },
  async run({ args: { OLD, NEW }, globals, io }) {
    const store = openContexts(io);
    await store.update((contexts) => {
      checkContextName(NEW);
      if (contexts.has(NEW)) throw new CliError(`context '${NEW}' already exists`, { code: "context_exists" });
      const renamed = contexts.with({ ...contexts.get(OLD), name: NEW });
      return (contexts.current === OLD ? renamed.withCurrent(NEW) : renamed).without(OLD);
    });
    await store.renamed(OLD, NEW);
    sayDone({ globals, io }, `Renamed context '${OLD}' → '${NEW}'`, { context: NEW, renamed_from: OLD });
  },
});
