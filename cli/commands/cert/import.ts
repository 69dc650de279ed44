import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { CliError, reasonOf } from "../../failure.ts";
import type { Io } from "../../io.ts";
import { sayDone, sayWarning } from "../../say.ts";

/** The daemon takes bodies of 2 MiB; no chain or key comes near. */
const MAX_FILE_BYTES = 512 * 1024;

export default command({
  summary: "Serve a certificate of your own for a domain",
  details: `
The certificate file holds the certificate and the chain that leads to its root, the key file the matching private key, not
encrypted. The key is sealed at rest. Importing again replaces the certificate without an interruption. Helyos cannot renew an
import: it warns when its end is near.`,
  positionals: { DOMAIN: { summary: "What it is for; a wildcard serves the routes one label below it" } },
  options: {
    cert: { summary: "PEM of the certificate and its chain", value: "FILE", required: true, complete: "file" },
    key: { summary: "PEM of the private key", value: "FILE", required: true, complete: "file" },
  },
  async run({ args, options, globals, io }) {
    const [cert_pem, key_pem] = await Promise.all([readPem(io, options.cert), readPem(io, options.key)]);
    const { importCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const { domain, warnings = [] } = await connection.call(importCertificate, {
      domain: args.DOMAIN,
      cert_pem,
      key_pem,
    });
    for (const warning of warnings) sayWarning({ globals, io }, warning);
    sayDone({ globals, io }, `Certificate for '${domain}' imported`, { domain, warnings });
  },
});

async function readPem(io: Io, path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await io.readFile(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${reasonOf(error)}`, { code: "unreadable_file", cause: error });
  }
  if (bytes.length > MAX_FILE_BYTES) throw new CliError(`${path} is too large for a PEM file`, { code: "too_large" });
  const text = new TextDecoder().decode(bytes);
  if (text.includes("-----BEGIN ")) return text;
  throw new CliError(`${path} is no PEM file: it has no line that starts with -----BEGIN`, { code: "invalid_pem" });
}
