import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { CliError } from "../../failure.ts";
import { visible } from "../../output/text.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Forget a certificate and its key",
  details: `
An imported key is gone for good. A domain whose route has automatic certificates gets a new one at once.`,
  positionals: { DOMAIN: { summary: "Which certificate", complete: "certificate" } },
  options: { yes: { summary: "Do not ask", short: "y" } },
  async run({ args, options, globals, io }) {
    if (!options.yes) {
      if (!io.stdin.isTerminal || !io.stderr.isTerminal) {
        throw new CliError(
          `refusing to forget the certificate of '${args.DOMAIN}' without asking, and there is no terminal`,
          {
            code: "confirmation_needed",
            hint: "Give -y (--yes) to forget it without being asked",
          },
        );
      }
      const { confirm } = await import("../../prompt.ts");
      if (!await confirm(io, `Forget the certificate of '${visible(args.DOMAIN)}' and its private key?`)) return;
    }
    const { deleteCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    await connection.call(deleteCertificate, { domain: args.DOMAIN });
    sayDone({ globals, io }, `Certificate of '${args.DOMAIN}' removed`, { action: "removed", domain: args.DOMAIN });
  },
});
