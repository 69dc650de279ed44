import { command } from "../../command.ts";
import { changeTrustAndReport, TRUST_OPTIONS } from "../../certs/remote/trust_report.ts";

export default command({
  summary: "Make machines trust the CA no longer: those named, or every host of the registry",
  details:
    `Takes away what install-ca put there, and leaves the trust store as it was before. A file of the same certificate that somebody else
put there stays, and is told of.`,
  positionals: { MACHINE: { summary: "Which hosts of the registry (default: all)", optional: true, many: true } },
  options: TRUST_OPTIONS,
  run: ({ args, options, globals, io }) =>
    changeTrustAndReport({ globals, io }, "remove", { machines: args.MACHINE, options }),
});
