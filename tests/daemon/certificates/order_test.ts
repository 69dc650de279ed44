/**
 * One order against real pebble, by a daemon that lost its lock meanwhile.
 */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { httpSolver, type Solver } from "@helyos/acme";
import { Accounts } from "../../../daemon/certificates/accounts.ts";
import { orderCertificate, Superseded } from "../../../daemon/certificates/order.ts";
import {
  certificateKey,
  forgetPlan,
  orderNow,
  type Plan,
  planKey,
  storePlan,
} from "../../../daemon/certificates/records.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { serveChallenges } from "../../lib/acme/support.ts";
import { startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";
import { startClock } from "../edge/support.ts";

const domain = "fenced.example.com";
const TTL_MS = 20_000;

Deno.test({
  name:
    "orderCertificate() stores nothing once another daemon holds the lock, or nobody wants the certificate any more",
  ignore: lacking("pebble", "pebble-challtestsrv"),
  async fn() {
    await using pebble = await startPebble({ env: { PEBBLE_AUTHZREUSE: "0" } });
    const { now, pass } = startClock();
    await using store = await openSqliteStore(":memory:", { now });
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    const settings = { directory: pebble.directoryUrl, ca: pebble.ca, profile: "default" };
    await using accounts = new Accounts({ store, sealer, now, settings, email: () => "ops@example.com" });
    const http = httpSolver();
    await using _server = await serveChallenges(http, pebble.httpPort);
    await store.commit(storePlan(orderNow(domain, now(), undefined), undefined));
    const lock = () => store.lock(certificateKey(domain), { ttlMs: TTL_MS, signal: AbortSignal.timeout(5000) });
    const takeOver = async () => {
      pass(TTL_MS + 1);
      await using _other = await lock();
    };
    const order = async (solver: Solver, before = () => Promise.resolve()) => {
      await using mine = await lock();
      const plan = (await store.get<Plan>(planKey(domain)))!;
      await before();
      const request = { plan, directory: settings.directory, lock: mine, signal: AbortSignal.timeout(30_000) };
      return await orderCertificate({ store, sealer, now, accounts, solvers: [solver], settings }, request, {
        plan,
        directory: settings.directory,
      });
    };
    await rejects(() => order(http, takeOver), Superseded);
    equal((await store.get<Plan>(planKey(domain)))!.value.order, undefined, "not even the key");

    const meanwhile = (happens: () => Promise<unknown>): Solver => ({
      ...http,
      async present(...given) {
        await http.present(...given);
        await happens();
      },
    });
    const forget = async () => {
      const plan = (await store.get<Plan>(planKey(domain)))!;
      await store.commit(forgetPlan(plan.value), [plan]);
    };
    await rejects(() => order(meanwhile(forget)), Superseded, "the route was removed, or a certificate imported");
    deepEqual(await store.list("certificate"), []);
    await store.commit(storePlan(orderNow(domain, now(), undefined), undefined));
    await rejects(() => order(meanwhile(takeOver)), Superseded);
    deepEqual(await store.get(certificateKey(domain)), undefined);

    await order(http);
    equal((await store.get<Plan>(planKey(domain)))!.value.failures, 0);
  },
});
