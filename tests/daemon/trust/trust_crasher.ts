// Re-issues the certificate without end and prints the CA's fingerprint after each; to be killed.
import { openSealer } from "../../../daemon/secrets/mod.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { openTrust } from "../../../daemon/trust/mod.ts";

const dataDir = Deno.args[0]!;
const quiet = { info() {}, warn() {}, error() {} };
const deps = {
  dataDir,
  sealer: await openSealer(dataDir),
  store: await openSqliteStore(":memory:"),
  now: () => new Date(),
  log: quiet,
};
for (let n = 0;; n++) {
  const trust = await openTrust(deps, { tls: true, names: { host: "0.0.0.0", sans: [`n${n}.example`] } });
  Deno.stdout.writeSync(new TextEncoder().encode(`${trust.ca!.sha256}\n`));
}
