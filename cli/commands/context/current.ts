import { command } from "../../command.ts";
import { tlsLabel } from "../../connect.ts";
import { openContexts } from "../../contexts.ts";
import { CliError } from "../../failure.ts";
import { visible } from "../../output/text.ts";
import { sayJson } from "../../say.ts";

export default command({
  summary: "Show the active context",
  async run({ globals, io }) {
    const context = (await openContexts(io).read()).active(globals.context);
    if (!context) {
      throw new CliError("no active context. Set one with: helyos context use <name>", { code: "no_active_context" });
    }
    const { name, server = "", project } = context;
    const tls = tlsLabel(context);
    if (globals.json) return sayJson({ globals, io }, { name, project: project ?? null, server, tls });
    const lines = [name, `  server:  ${server}`];
    if (project !== undefined) lines.push(`  project: ${project}`);
    lines.push(`  tls:     ${tls}`);
    io.stdout.write(`${visible(lines.join("\n"), { lines: true })}\n`);
  },
});
