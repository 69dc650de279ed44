import { pkiHome, registryPath } from "../../certs/home.ts";
import { openRegistry, type Registry, type Service } from "../../certs/registry.ts";
import { saveRegistry, type ServicePaths, servicePaths, withPaths } from "../../certs/registry_update.ts";
import { listPairs, withStore } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError } from "../../failure.ts";
import { failure, success } from "../../output/message.ts";
import { styleOf } from "../../output/style.ts";
import { outputStyle, sayJson, sayWarning } from "../../say.ts";
import { resolve } from "node:path";

interface Outcome {
  readonly service: string;
  readonly paths?: ServicePaths;
  readonly error?: string;
}

function hostPathOf(registry: Registry, { currentHost }: Service): string | undefined {
  return currentHost !== undefined && registry.hostNames.includes(currentHost)
    ? registry.host(currentHost).path
    : undefined;
}

function pathsFor(registry: Registry, service: string, foreign: readonly string[]): Outcome {
  try {
    const found = registry.service(service);
    return { service, paths: servicePaths(found, { hostPath: hostPathOf(registry, found), foreign }) };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { service, error: error.message };
  }
}

/** What two services have in common by an anchor cannot become the one's alone. */
function shared({ service, paths }: Outcome): Outcome {
  const lines = Object.entries(paths ?? {}).map(([key, value]) => `${key}: ${value}`);
  const error = `it shares its fields with another service through an anchor; give it these of its own: ${
    lines.join(", ")
  }`;
  return { service, error };
}

export default command({
  summary: "Write where certificates are into the registry",
  details: `
Every service that has a certificate to serve with gets tls_cert, tls_key and ca_cert: paths on its host, below the host's path.
What stands there already stays, unless it is a path of this machine. Comments and the order of keys stay, too.`,
  async run({ globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const foreign = [resolve(home.folder), io.env("HOME") ?? io.env("USERPROFILE")].filter((path) =>
      path !== undefined
    );
    const path = registryPath(io);
    const { outcomes, clientOnly } = await withStore(home, async () => {
      const registry = await openRegistry(path);
      const pairs = await listPairs(home);
      const having = (type: string) =>
        new Set(pairs.filter((pair) => pair.type === type).map(({ service }) => service));
      const [servers, clients] = [having("server"), having("client")];
      const outcomes = registry.serviceNames.filter((name) => servers.has(name))
        .map((name) => pathsFor(registry, name, foreign));
      const changes = new Map(outcomes.flatMap(({ service, paths }) => paths ? [[service, paths] as const] : []));
      const { text, refused } = withPaths(registry.text, changes);
      if (text !== registry.text) await saveRegistry(registry, text);
      return {
        outcomes: outcomes.map((outcome) => refused.includes(outcome.service) ? shared(outcome) : outcome),
        clientOnly: registry.serviceNames.filter((name) => clients.has(name) && !servers.has(name)),
      };
    });
    const failed = outcomes.filter(({ error }) => error !== undefined);
    const updated = outcomes.flatMap(({ service, paths }) => paths ? [{ service, ...paths }] : []);
    if (globals.json) {
      sayJson(surroundings, { registry: path, updated, failed });
      return failed.length > 0 ? 1 : 0;
    }
    for (const { service, paths, error } of outcomes) {
      if (paths) io.stdout.write(success(outputStyle(surroundings), `${service}: ${Object.values(paths).join(" ")}`));
      else io.stderr.write(failure(styleOf(io.stderr, io), `${service}: ${error}`));
    }
    if (clientOnly.length > 0) {
      sayWarning(surroundings, `nothing to serve with, so nothing to write: ${clientOnly.join(", ")}`);
    }
    io.stdout.write(`${updated.length} in ${path}\n`);
    if (failed.length === 0) return 0;
    const names = failed.map(({ service }) => service).join(", ");
    throw new CliError(`no paths for ${failed.length} of ${outcomes.length}: ${names}`, { code: "some_failed" });
  },
});
