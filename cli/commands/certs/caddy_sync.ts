import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeFolder, PUBLIC, readText, replaceFile } from "../../certs/files.ts";
import { ACCEPT, caddyfileOf, ingressOf, siteOf, sitesIn } from "../../certs/remote/caddy.ts";
import { SSH_OPTIONS } from "../../certs/remote/machines.ts";
import { place } from "../../certs/remote/place.ts";
import { asFailure, jobsFor, openWorkshop, RUNS_NOWHERE } from "../../certs/remote/report.ts";
import { command } from "../../command.ts";
import { CliError } from "../../failure.ts";
import { failure } from "../../output/message.ts";
import { styleOf } from "../../output/style.ts";
import { visible } from "../../output/text.ts";
import { sayDone, sayJson, sayWarning } from "../../say.ts";

export default command({
  summary: "Write the Caddyfile of services with certificates and make Caddy take it",
  details:
    `Writes a site for every service that has a server certificate and runs where Caddy does (caddy.ingress_host of the
registry), with the certificate where deploy-servers put it. Caddy's own Caddyfile must import the file. If Caddy refuses
it, the file before is put back.

In the registry:
  caddy: {ingress_host: mini1, caddyfile: /etc/caddy/Caddyfile}
  services.api.certs: {client_auth: require|optional|none, upstream: http|https}

A service with ca_cert demands certificates of its callers unless client_auth says otherwise.`,
  options: {
    "dry-run": { summary: "Print the file, and change nothing" },
    ...SSH_OPTIONS,
  },
  async run({ options, globals, io }) {
    const surroundings = { globals, io };
    const workshop = await openWorkshop(surroundings, options);
    const { registry, home, machines } = workshop;
    const ingress = ingressOf(registry);
    const host = registry.host(ingress.machine);
    const { jobs, skipped: passed } = await jobsFor(workshop, ["server"]);
    const folder = join(home.folder, "caddy");
    const from = join(folder, "helyos-services.caddy");
    const before = sitesIn(await readText(from) ?? "");
    const sites: string[] = [];
    const services: string[] = [];
    const failed: { service: string; error: string }[] = [];
    const skipped = passed.filter(({ reason }) => reason === RUNS_NOWHERE);
    for (const { service: name } of jobs) {
      try {
        const service = registry.service(name);
        if (service.currentHost !== ingress.machine) {
          skipped.push({ service: name, reason: `it does not run on ${ingress.machine}, where Caddy does` });
        } else if (service.port === undefined) {
          skipped.push({
            service: name,
            reason: "the registry has no port of it that Caddy could pass requests on to",
          });
        } else {
          sites.push(siteOf(service, host));
          services.push(name);
        }
      } catch (thrown) {
        const { message, hint } = asFailure(thrown);
        const site = before.get(name);
        const error = site === undefined ? message : `${message}; its site stays as it was`;
        if (site !== undefined) sites.push(site);
        failed.push({ service: name, error });
        if (!globals.json) io.stderr.write(failure(styleOf(io.stderr, io), `${visible(name)}: ${error}`, hint));
      }
    }
    for (const { service, reason } of skipped) sayWarning(surroundings, `${service} skipped: ${reason}`);
    const text = caddyfileOf(sites);
    const facts = { machine: ingress.machine, file: ingress.snippets, services, skipped, failed };
    const status = failed.length > 0 ? "failed" : "ok";
    if (options["dry-run"]) {
      if (globals.json) sayJson(surroundings, { status, ...facts, text });
      else io.stdout.write(text);
      return failed.length > 0 ? 1 : 0;
    }
    await makeFolder(folder);
    await replaceFile(from, text, PUBLIC);
    const sha256 = createHash("sha256").update(text).digest("hex");
    const shell = machines(ingress.machine);
    await place(shell, [{ from, to: ingress.snippets, sha256, mode: "0644" }], {
      what: "the services' Caddyfile",
      check: ["sh", "-c", ACCEPT, "caddy-sync", ingress.caddyfile, ingress.snippets, ...ingress.reload],
    });
    if (globals.json) {
      sayJson(surroundings, { status, ...facts });
      return failed.length > 0 ? 1 : 0;
    }
    sayDone(surroundings, `Caddy on ${ingress.machine} serves ${services.join(", ") || "no service"}`, facts);
    if (failed.length === 0) return 0;
    const names = failed.map(({ service }) => visible(service)).join(", ");
    throw new CliError(`no new site for ${failed.length} of ${services.length + failed.length}: ${names}`, {
      code: "some_failed",
    });
  },
});
