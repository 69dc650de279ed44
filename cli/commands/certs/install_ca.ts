import { command } from "../../command.ts";
import { changeTrustAndReport, TRUST_OPTIONS } from "../../certs/remote/trust_report.ts";

export default command({
  summary: "Make machines trust the CA: those named, or every host of the registry",
  details:
    `Debian and Ubuntu, Red Hat and its likes, and macOS are told apart on the machine itself. Needs root there, or sudo without a
password. A machine that trusts the CA already, by whatever file, is left as it is.

  helyos certs install-ca
  helyos certs install-ca mini1 mini2
  helyos certs install-ca --local`,
  positionals: { MACHINE: { summary: "Which hosts of the registry (default: all)", optional: true, many: true } },
  options: TRUST_OPTIONS,
  run: ({ args, options, globals, io }) =>
    changeTrustAndReport({ globals, io }, "install", { machines: args.MACHINE, options }),
});
