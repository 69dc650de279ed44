/**
 * A daemon's edge in a process of its own that dies as told: `crasher.ts FOLDER DIRECTORY CA HTTP_PORT KEY DOMAIN [COMMIT]`. Adds a route for
 * DOMAIN when there is none, and kills itself before its commit number COMMIT after that.
 */
import { createRoute } from "../../../daemon/routes/routes.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { aroundStore } from "../../support/around_store.ts";
import { BY, startBench, until } from "./support.ts";

const [folder = "", directory = "", ca = "", port = "", key = "", domain = "", commit] = Deno.args;
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
counting = true;
if (await store.get(`routes/${domain}`) === undefined) {
  await createRoute(bench.deps, { domain, project: "p", deployment: "d", tls_mode: "auto" }, BY);
}
await until(() => bench.edge.proxy.seen(domain).state === "served", "service");
console.log(bench.edge.proxy.seen(domain).state);
Deno.exit(0);
