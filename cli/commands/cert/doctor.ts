import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { failure, remark, success, warning } from "../../output/message.ts";
import { outputStyle, sayJson } from "../../say.ts";

/** The mark each result stands behind. */
const MARKS = { ok: success, skipped: remark, warning, problem: failure } as const;

export default command({
  summary: "Explain why a domain has no certificate",
  details: `
The daemon looks at the route, the certificate and what the proxy serves, DNS, port 80, CAA records, rate limits, the CA, the
clock and the CA's last refusal. Exits with 1 when something stands in the way.`,
  positionals: { DOMAIN: { summary: "Which domain", complete: "route" } },
  async run({ args, globals, io }) {
    const { diagnoseCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const findings = await connection.call(diagnoseCertificate, { domain: args.DOMAIN });
    if (globals.json) {
      sayJson({ globals, io }, findings, { order: "model" });
    } else {
      const style = outputStyle({ globals, io });
      // No panel: a finding is a sentence or two, which a panel would cut
      for (const { check, result, detail } of findings) io.stdout.write(MARKS[result](style, `${check}: ${detail}`));
    }
    return findings.some(({ result }) => result === "problem") ? 1 : 0;
  },
});
