import { command } from "../../command.ts";
import { TYPE_OPTION } from "../../certs/options.ts";
import { DEPLOY_OPTIONS, deployAndReport, openWorkshop } from "../../certs/remote/report.ts";
import { sayWarning } from "../../say.ts";

export default command({
  summary: "Put a service's certificate and key, and the CA's certificate, on a machine",
  details:
    `Sends the service's client pair, or with --type server the pair it serves with, over ssh and scp; a machine called "local"
or like this one is written directly. Nothing there changes until everything arrived and was compared; owner and modes are
what the service's service.yml says (certs: {owner, group, key_mode, cert_mode}), or the registry. The CA's key is never
sent.

  helyos certs deploy api mini1
  helyos certs deploy postgres mini2 --type server --reload`,
  positionals: {
    SERVICE: { summary: "Which service" },
    MACHINE: { summary: "Which host of the registry" },
  },
  options: { ...TYPE_OPTION, ...DEPLOY_OPTIONS },
  async run({ args, options, globals, io }) {
    const surroundings = { globals, io };
    const workshop = await openWorkshop(surroundings, options);
    const type = options.type ?? "client";
    const runsOn = workshop.registry.service(args.SERVICE).currentHost;
    if (type === "server" && runsOn !== undefined && runsOn !== args.MACHINE) {
      sayWarning(surroundings, `${args.SERVICE} runs on ${runsOn}: its server key is now on ${args.MACHINE} too`);
    }
    const job = { service: args.SERVICE, type, machine: args.MACHINE };
    return await deployAndReport(surroundings, options, { workshop, jobs: [job], single: true });
  },
});
