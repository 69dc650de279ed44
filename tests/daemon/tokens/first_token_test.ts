import { deepEqual, equal, match } from "node:assert/strict";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { prepareFirstToken, resetFirstToken } from "../../../daemon/tokens/first_token.ts";
import { createToken, listTokens, revokeToken } from "../../../daemon/tokens/tokens.ts";
import { BY, openWorld } from "./support.ts";

Deno.test("prepareFirstToken() makes a token once, for a store that has none", async () => {
  await using world = await openWorld();
  const first = await prepareFirstToken(world.deps);
  equal(first.kind, "generated");
  const secret = first.kind === "generated" ? first.secret : "";
  match(secret, /^nxa-api_[0-9a-f]{64}$/);
  equal(await world.present(secret), "ok");
  deepEqual(await prepareFirstToken(world.deps), { kind: "existing", active: true });
  deepEqual((await listTokens(world.store)).map((token) => token.name), ["legacy-default"]);
  deepEqual((await newestRecords(world.store, 5)).map((record) => record.actor), ["helyosd"]);
});

Deno.test("prepareFirstToken() says when no token works any more, and makes none", async () => {
  await using world = await openWorld();
  await prepareFirstToken(world.deps);
  await revokeToken(world.deps, "legacy-default", BY);
  deepEqual(await prepareFirstToken(world.deps), { kind: "existing", active: false });
});

Deno.test("prepareFirstToken() stores a supplied token, and refreshes it when another is supplied", async () => {
  await using world = await openWorld();
  equal((await prepareFirstToken(world.deps, "first-secret")).kind, "stored");
  equal((await prepareFirstToken(world.deps, "first-secret")).kind, "supplied");
  equal(await world.present("first-secret"), "ok");
  equal((await prepareFirstToken(world.deps, "second-secret")).kind, "stored");
  equal(await world.present("first-secret"), "unauthorized");
  equal(await world.present("second-secret"), "ok");
  const caller = await world.verifier.authenticate("second-secret", { address: "x" });
  deepEqual([caller.name, caller.scope], ["legacy-default", "admin"]);
});

Deno.test("prepareFirstToken() lets a revoked token stay revoked, and another one be supplied", async () => {
  await using world = await openWorld();
  await prepareFirstToken(world.deps, "leaked-secret");
  await revokeToken(world.deps, "legacy-default", BY);
  deepEqual(await prepareFirstToken(world.deps, "leaked-secret"), { kind: "revoked" });
  equal(await world.present("leaked-secret"), "unauthorized");
  equal((await prepareFirstToken(world.deps, "fresh-secret")).kind, "stored");
  equal(await world.present("fresh-secret"), "ok");
});

Deno.test("prepareFirstToken() knows a supplied token that was minted under a name", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ops" }, BY);
  equal((await prepareFirstToken(world.deps, token)).kind, "supplied");
  equal((await listTokens(world.store)).length, 1);
});

Deno.test("resetFirstToken() replaces the first token and leaves the others", async () => {
  await using world = await openWorld();
  await prepareFirstToken(world.deps, "lost-secret");
  const { token: other } = await createToken(world.deps, { name: "ci" }, BY);
  equal(await world.present("lost-secret"), "ok");
  const secret = await resetFirstToken(world.deps);
  equal(await world.present("lost-secret"), "unauthorized");
  equal(await world.present(secret), "ok");
  equal(await world.present(other), "ok");
  deepEqual((await newestRecords(world.store, 1)).map(({ actor, action, address }) => [actor, action, address]), [
    ["local", "token.reset", null],
  ]);
});
