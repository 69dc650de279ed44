import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Order a new certificate now, or see whether one is due",
  positionals: { DOMAIN: { summary: "Which certificate", complete: "certificate" } },
  options: { "dry-run": { summary: "Change nothing, ask no CA; say whether it is due, and why" } },
  async run({ args, options, globals, io }) {
    const { renewCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const { domain, status, reason } = await connection.call(renewCertificate, {
      domain: args.DOMAIN,
      dry_run: options["dry-run"],
    });
    const what = {
      started: `Renewal of '${domain}' started`,
      would_renew: `'${domain}' would be renewed`,
      not_due: `'${domain}' is not due`,
    }[status];
    sayDone({ globals, io }, `${what}: ${reason}`, { domain, action: status, reason });
  },
});
