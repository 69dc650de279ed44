import { command } from "../../command.ts";
import { PAIR_TYPES } from "../../certs/home.ts";
import { DEPLOY_OPTIONS, deployAndReport, jobsFor, openWorkshop } from "../../certs/remote/report.ts";

export default command({
  summary: "Put every service's certificates, client and server, on the host it runs on",
  options: DEPLOY_OPTIONS,
  async run({ options, globals, io }) {
    const workshop = await openWorkshop({ globals, io }, options);
    return await deployAndReport({ globals, io }, options, { workshop, ...await jobsFor(workshop, PAIR_TYPES) });
  },
});
