import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { UsageError } from "../../failure.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Serve a public domain",
  details: `
With --https the daemon gets a certificate by ACME and keeps it alive; it must have been started with --acme-email, and the
domain's DNS must point to it. A domain with an imported certificate is served with that one.

--upstream names what answers when Helyos does not run it; give it more than once to share the load. A route without
anything that answers is kept, and its visitors get 503.`,
  positionals: { DOMAIN: { summary: "A host name such as api.example.com, or a wildcard such as *.example.com" } },
  options: {
    project: { summary: "The deployment's project", short: "p", value: "PROJECT", required: true, complete: "project" },
    deployment: { summary: "The deployment", value: "DEPLOYMENT", required: true },
    https: { summary: "Serve over HTTPS with an automatic certificate; the same as --tls auto" },
    tls: {
      summary: "Where the certificate comes from (default: none)",
      value: "MODE",
      choices: ["none", "auto", "manual"],
    },
    upstream: { summary: "What answers; may be repeated", value: "HOST:PORT", repeats: true },
  },
  async run({ args, options, globals, io }) {
    if (options.https && options.tls !== undefined && options.tls !== "auto") {
      throw new UsageError("the argument '--https' cannot be used with '--tls <MODE>'");
    }
    const wanted = options.tls ?? (options.https ? "auto" : "none");
    const { createRoute } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const { project, deployment, upstream } = options;
    const { domain, tls_mode = wanted } = await connection.call(createRoute, {
      domain: args.DOMAIN,
      project,
      deployment,
      tls_mode: wanted,
      ...(upstream.length > 0 ? { upstreams: upstream } : {}),
    });
    const facts = { domain, project, deployment, tls_mode };
    sayDone({ globals, io }, `Route '${domain}' -> ${project}/${deployment} (${tls_mode})`, facts);
  },
});
