import { command } from "../command.ts";
import { connect } from "../connect.ts";
import { printListing } from "../listing.ts";
import { sayJson } from "../say.ts";

const MAX_LIMIT = 1000;

export default command({
  summary: "Show who changed what, when and from where",
  details: "Newest first. Changes made on the host are by 'local', those the daemon made by itself by 'helyosd'.",
  options: {
    limit: {
      summary: "How many, 1 to 1000 (default: 100)",
      value: "N",
      read(text: string) {
        const limit = /^\d+$/.test(text) ? Number(text) : 0;
        if (limit >= 1 && limit <= MAX_LIMIT) return limit;
        throw new RangeError(`not a whole number from 1 to ${MAX_LIMIT}`);
      },
    },
  },
  async run({ options, globals, io }) {
    const { listAudit } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const records = await connection.call(listAudit, { limit: options.limit });
    if (globals.json) return sayJson({ globals, io }, records, { order: "model" });
    printListing({ globals, io }, { icon: "event", title: "Audit" }, {
      columns: ["When", "Who", "What", "To", "From"],
      rows: records.map(({ at, actor, action, target, address }) => [at, actor, action, target, address ?? "-"]),
    });
  },
});
