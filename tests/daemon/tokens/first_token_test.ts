import { deepEqual, equal, match } from "node:assert/strict";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { firstTokenShown, prepareFirstToken, resetFirstToken } from "../../../daemon/tokens/first_token.ts";
import { createToken, listTokens, revokeToken } from "../../../daemon/tokens/tokens.ts";
import { BY, openWorld, until, type World } from "./support.ts";

Deno.test("prepareFirstToken() makes a token once, for a store that has none", async () => {
  await using world = await openWorld();
  const first = await prepareFirstToken(world.deps);
  equal(first.kind, "generated");
  await firstTokenShown(world.store);
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

/** The secret of the token that was made just now. */
async function generated(world: World, why: "first_start" | "not_shown"): Promise<string> {
  const first = await prepareFirstToken(world.deps);
  if (first.kind !== "generated") throw new Error(`expected a new token, got ${first.kind}`);
  equal(first.why, why);
  return first.secret;
}

Deno.test("prepareFirstToken() makes another token while nobody can have seen the one before, and breaks none", async () => {
  await using world = await openWorld();
  const first = await generated(world, "first_start"); // and killed before, or right after, it was shown
  const second = await generated(world, "not_shown");
  equal(await world.present(first), "ok", "should it have been shown, it must work");
  equal(await world.present(second), "ok");
  await firstTokenShown(world.store);
  deepEqual(await prepareFirstToken(world.deps), { kind: "existing", active: true });
  await revokeToken(world.deps, "legacy-default", BY);
  equal(await world.present(first), "unauthorized");
  equal(await world.present(second), "unauthorized");
});

Deno.test("prepareFirstToken() makes no other token once somebody used, revoked or replaced the one not noted as shown", async () => {
  const cases: Record<string, (world: World, secret: string) => Promise<unknown>> = {
    async used(world, secret) {
      await world.present(secret);
      await until(async () => (await listTokens(world.store))[0]?.last_used_at !== null);
    },
    revoked: (world) => revokeToken(world.deps, "legacy-default", BY),
    reset: (world) => resetFirstToken(world.deps),
    supplied: (world) => prepareFirstToken(world.deps, "the-operators-own"),
  };
  for (const [name, change] of Object.entries(cases)) {
    await using world = await openWorld();
    await change(world, await generated(world, "first_start"));
    equal((await prepareFirstToken(world.deps)).kind, "existing", name);
  }
});

Deno.test("prepareFirstToken() stores a supplied token, and refreshes it when another is supplied", async () => {
  await using world = await openWorld();
  equal((await prepareFirstToken(world.deps, "first-secret")).kind, "stored");
  equal((await prepareFirstToken(world.deps, "first-secret")).kind, "supplied");
  equal(await world.present("first-secret"), "ok");
  equal((await prepareFirstToken(world.deps, "second-secret")).kind, "stored");
  equal(await world.present("first-secret"), "unauthorized");
  equal(await world.present("second-secret"), "ok");
  const caller = await world.verifier.authenticate("second-secret", world.from("x"));
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
