import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeFolder, PUBLIC, replaceFile } from "../../certs/files.ts";
import type { Service } from "../../certs/registry.ts";
import { ACCEPT, caddyfileOf, ingressOf } from "../../certs/remote/caddy.ts";
import { SSH_OPTIONS } from "../../certs/remote/machines.ts";
import { place } from "../../certs/remote/place.ts";
import { asFailure, jobsFor, openWorkshop, RUNS_NOWHERE } from "../../certs/remote/report.ts";
import { command } from "../../command.ts";
import { sayDone, sayWarning } from "../../say.ts";

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
    const services: Service[] = [];
    const skipped = passed.filter(({ reason }) => reason === RUNS_NOWHERE);
    for (const { service: name } of jobs) {
      try {
        const service = registry.service(name);
        if (service.currentHost === ingress.machine) {
          caddyfileOf([service], host);
          services.push(service);
        } else skipped.push({ service: name, reason: `it does not run on ${ingress.machine}, where Caddy does` });
      } catch (error) {
        skipped.push({ service: name, reason: asFailure(error).message });
      }
    }
    for (const { service, reason } of skipped) sayWarning(surroundings, `${service} skipped: ${reason}`);
    const text = caddyfileOf(services, host);
    if (options["dry-run"]) return io.stdout.write(text);
    const folder = join(home.folder, "caddy");
    const from = join(folder, "helyos-services.caddy");
    await makeFolder(folder);
    await replaceFile(from, text, PUBLIC);
    const sha256 = createHash("sha256").update(text).digest("hex");
    const shell = machines(ingress.machine);
    await place(shell, [{ from, to: ingress.snippets, sha256, mode: "0644" }], {
      what: "the services' Caddyfile",
      check: ["sh", "-c", ACCEPT, "caddy-sync", ingress.caddyfile, ingress.snippets, ...ingress.reload],
    });
    const names = services.map(({ name }) => name);
    sayDone(surroundings, `Caddy on ${ingress.machine} serves ${names.join(", ") || "no service"}`, {
      machine: ingress.machine,
      file: ingress.snippets,
      services: names,
      skipped,
    });
  },
});
