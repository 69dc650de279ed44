import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { statusCell, tableBody } from "../../output/table.ts";
import { panel } from "../../output/panel.ts";
import { outputStyle, sayJson } from "../../say.ts";

export default command({
  summary: "Explain why a domain has no certificate",
  details: `
The daemon looks at the route, DNS, port 80, CAA records, rate limits, its clock and the CA's last refusal. Exits with 1 when
something stands in the way.`,
  positionals: { DOMAIN: { summary: "Which domain" } },
  async run({ args, globals, io }) {
    const { diagnoseCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const findings = await connection.call(diagnoseCertificate, { domain: args.DOMAIN });
    const problems = findings.filter(({ result }) => result === "problem").length;
    if (globals.json) {
      sayJson({ globals, io }, findings, { order: "model" });
    } else {
      io.stdout.write(panel(outputStyle({ globals, io }), {
        icon: "event",
        title: "Doctor",
        subtitle: args.DOMAIN,
        count: problems === 1 ? "1 problem" : `${problems} problems`,
        body: tableBody({
          columns: ["Check", "Status", "Finding"],
          rows: findings.map(({ check, result, detail }) => [check, statusCell(result), detail]),
        }),
      }));
    }
    return problems > 0 ? 1 : 0;
  },
});
