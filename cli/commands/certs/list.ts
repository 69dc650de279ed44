import { minute } from "../../certs/deliver.ts";
import { pkiHome } from "../../certs/home.ts";
import { listRows } from "../../certs/list.ts";
import { command } from "../../command.ts";
import { columnsOf, visible } from "../../output/text.ts";
import { sayJson } from "../../say.ts";

/** Headings as they are, and no frame: made to be read by eyes and by `awk`. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => visible(cell)));
  const widths = cells[0]!.map((_, at) => Math.max(...cells.map((row) => columnsOf(row[at] ?? ""))));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - columnsOf(cell))).join("  ").trimEnd();
  return cells.map((row) => `${line(row)}\n`).join("");
}

export default command({
  summary: "List the CA's and every service's certificates",
  details: `
Instants are UTC. What is wrong with a certificate stands behind it: expired, not yet valid, revoked, no key, no certificate,
unreadable, other CA.`,
  async run({ globals, io }) {
    const rows = await listRows(pkiHome(io), io.now());
    if (globals.json) return sayJson({ globals, io }, rows);
    const lines = rows.map((row) => [
      row.service,
      row.type,
      row.notAfter === null ? "-" : minute(new Date(row.notAfter)),
      row.cn ?? "-",
      [row.note, row.lastError && `agent: ${row.lastError}, next try ${minute(new Date(row.nextTry ?? 0))}`]
        .filter(Boolean).join("; "),
    ]);
    io.stdout.write(table([["service", "type", "expiry", "cn", ""], ...lines]));
  },
});
