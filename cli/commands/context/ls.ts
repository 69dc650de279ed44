import { command } from "../../command.ts";
import { tlsLabel } from "../../connect.ts";
import { openContexts } from "../../contexts.ts";
import { plainTable } from "../../output/table.ts";
import { outputStyle, sayJson } from "../../say.ts";

export default command({
  summary: "List contexts; * marks the active one",
  async run({ globals, io }) {
    const contexts = await openContexts(io).read();
    const active = contexts.active(globals.context)?.name;
    const rows = contexts.list().map((context) => ({
      active: context.name === active,
      name: context.name,
      project: context.project ?? null,
      server: context.server ?? "",
      tls: tlsLabel(context),
    }));
    if (globals.json) return sayJson({ globals, io }, rows);
    if (rows.length === 0) return io.stdout.write("No contexts yet. Add one with: helyos login <server>\n");
    io.stdout.write(plainTable(outputStyle({ globals, io }), {
      columns: ["", "name", "server", "project", "tls"],
      rows: rows.map((row) => [row.active ? "*" : " ", row.name, row.server, row.project ?? "-", row.tls]),
    }));
  },
});
