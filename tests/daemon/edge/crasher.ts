/**
 * A daemon's edge in a process of its own that dies as told: `crasher.ts FOLDER DIRECTORY CA HTTP_PORT KEY DOMAIN WHAT [COMMIT]`. Adds a
 * route for DOMAIN when there is none, and where WHAT is `renew` has its certificate renewed; kills itself before its commit number COMMIT
 * after that. Prints what is served at first, and what in the end.
 */
import { renewCertificate } from "../../../daemon/certificates/certificates.ts";
import { type Plan, planKey } from "../../../daemon/certificates/records.ts";
import { servedFingerprint } from "../../../daemon/proxy/leaf.ts";
import { createRoute } from "../../../daemon/routes/routes.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { aroundStore } from "../../support/around_store.ts";
import { BY, one, startBench, until } from "./support.ts";

const [folder = "", directory = "", ca = "", port = "", key = "", domain = "", what, commit] = Deno.args;
const real = await openSqliteStore(`${folder}/state.db`);
let left = commit === undefined ? Infinity : Number(commit);
let counting = false;
const store = aroundStore(real, {
  commit(...given) {
    if (counting && left-- <= 0) Deno.kill(Deno.pid, "SIGKILL");
    return real.commit(...given);
  },
});
const bench = await startBench({
  store,
  sealer: await openSealerWith(Uint8Array.fromHex(key)),
  config: { acmeEmail: "ops@example.com", httpListen: { host: "127.0.0.1", port: Number(port) } },
  lockMs: 300,
  settings: { directory, ca: await Deno.readTextFile(ca) },
});
await bench.edge.proxy.settled();
const served = async () => {
  const at = bench.edge.proxy.status().https;
  return at === undefined ? "none" : await servedFingerprint(at, domain);
};
const first = await served();
if (what === "renew") await renewCertificate(bench.deps, { domain, dryRun: false }, BY);
counting = true;
if (await store.get(`routes/${domain}`) === undefined) {
  await createRoute(bench.deps, { domain, project: "p", deployment: "d", tls_mode: "auto" }, BY);
}
await until(async () => {
  const plan = (await store.get<Plan>(planKey(domain)))!.value;
  return plan.order === undefined && !plan.forced && (await one(bench, domain)).state === "served";
}, "service");
await bench.edge.proxy.settled();
console.log(JSON.stringify([first, await served()]));
Deno.exit(0);
