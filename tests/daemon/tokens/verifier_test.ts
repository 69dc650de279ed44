import { deepEqual, equal } from "node:assert/strict";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { KnownToken } from "../../../daemon/tokens/known_token.ts";
import { type StoredToken, storeToken, tokenKey } from "../../../daemon/tokens/records.ts";
import { createToken, revokeToken } from "../../../daemon/tokens/tokens.ts";
import { temporaryFolder } from "../../support/process.ts";
import { BY, openWorld, until, type World } from "./support.ts";

const MINUTE = 60_000;

async function store(world: World, change: Partial<StoredToken>): Promise<StoredToken> {
  const token: StoredToken = {
    id: crypto.randomUUID(),
    name: "old",
    hash: "plain:correct horse",
    prefix: "correct hors",
    scope: "admin",
    createdAt: "2026-01-01T00:00:00.000Z",
    expiresAt: null,
    lastUsedAt: null,
    revokedAt: null,
    ...change,
  };
  await world.store.commit(storeToken(token));
  return token;
}

Deno.test("authenticate() refuses another letter case, a part, and more than the token", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  for (const wrong of [token.toUpperCase(), token.slice(0, -1), token + "0", token.slice(0, 12), " " + token]) {
    equal(await world.present(wrong), "unauthorized");
  }
  equal(await world.present(token), "ok");
});

Deno.test("authenticate() computes once, then remembers for at most five minutes", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  for (let request = 0; request < 5; request++) equal(await world.present(token), "ok");
  equal(world.hasher.verified, 1);
  equal(
    world.verifier.authenticate(token, world.from("x")) instanceof Promise,
    false,
    "at once",
  );
  world.pass(5 * MINUTE);
  equal(await world.present(token), "ok");
  equal(world.hasher.verified, 2);
});

Deno.test("authenticate() is not fooled by a clock that is set back", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  await world.present(token);
  world.pass(5 * MINUTE);
  world.setBack(5 * MINUTE);
  await world.present(token);
  equal(world.hasher.verified, 2);
});

Deno.test("authenticate() verifies a steadily used token in the background before it is forgotten", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  await world.present(token);
  for (let minutes = 0; minutes < 12; minutes++) {
    world.pass(MINUTE);
    equal(
      world.verifier.authenticate(token, world.from("x")) instanceof Promise,
      false,
      `minute ${minutes}`,
    );
    await until(() => true);
  }
});

Deno.test("authenticate() shares one computation between requests that come at once", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  deepEqual(new Set(await Promise.all(Array.from({ length: 32 }, () => world.present(token)))), new Set(["ok"]));
  equal(world.hasher.verified, 1);
});

Deno.test("authenticate() refuses a token revoked while Argon2id runs", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  world.hasher.during = () => revokeToken(world.deps, "ci", BY);
  equal(await world.present(token), "unauthorized");
  world.hasher.during = () => Promise.resolve();
  equal(await world.present(token), "unauthorized");
});

Deno.test("authenticate() refuses a remembered token the instant it expires", async () => {
  await using world = await openWorld();
  const { token } = await createToken(world.deps, { name: "ci", ttl_secs: 60 }, BY);
  equal(await world.present(token), "ok");
  world.pass(59_999);
  equal(await world.present(token), "ok");
  world.pass(1);
  equal(await world.present(token), "unauthorized");
});

Deno.test("authenticate() notices what another process revokes", async () => {
  await using folder = await temporaryFolder();
  await using world = await openWorld(`${folder.path}/state.db`);
  const { token } = await createToken(world.deps, { name: "ci" }, BY);
  equal(await world.present(token), "ok");
  await using other = await openSqliteStore(`${folder.path}/state.db`);
  await revokeToken({ ...world.deps, store: other, forget: () => {} }, "ci", BY);
  await until(async () => await world.present(token) === "unauthorized");
});

Deno.test("authenticate() limits failures of an address to 20 a minute, then says when to try again", async () => {
  await using world = await openWorld();
  const { token: good } = await createToken(world.deps, { name: "ci" }, BY);
  const { token: other } = await createToken(world.deps, { name: "other" }, BY);
  equal(await world.present(good), "ok");
  for (let attempt = 0; attempt < 20; attempt++) equal(await world.present(`wrong ${attempt}`), "unauthorized");
  equal(await world.present("wrong again"), "rate_limited");
  equal(await world.present(other), "rate_limited", "a token that is not yet verified has to wait");
  deepEqual(world.held, [250, 250], "and a flood is answered slowly");
  equal(await world.present(good), "ok", "a remembered one has not");
  equal(await world.present(other, "203.0.113.5"), "ok", "nor has another address");
  world.pass(MINUTE);
  equal(await world.present("wrong again"), "unauthorized");
  equal(world.hasher.verified, 2, "tokens of unknown prefix cost nothing");
});

Deno.test("authenticate() never counts successes as failures", async () => {
  await using world = await openWorld();
  for (let index = 0; index < 30; index++) {
    const { token } = await createToken(world.deps, { name: `t${index}` }, BY);
    equal(await world.present(token), "ok");
  }
});

Deno.test("authenticate() tries a record of unknown prefix for every token, until it learns the prefix", async () => {
  await using world = await openWorld();
  const { id } = await store(world, { prefix: "legacy" });
  equal(await world.present("wrong"), "unauthorized");
  equal(world.hasher.verified, 1);
  equal(await world.present("correct horse"), "ok");
  await until(async () => (await world.store.get<StoredToken>(tokenKey(id)))!.value.prefix === "correct hors");
  equal(await world.present("wrong too"), "unauthorized");
  equal(world.hasher.verified, 2);
  await revokeToken(world.deps, "old", BY);
  equal(await world.present("correct horse"), "unauthorized");
});

Deno.test("authenticate() takes a scope that is none for read", async () => {
  await using world = await openWorld();
  await store(world, { scope: "superuser" });
  const caller = await world.verifier.authenticate("correct horse", world.from("x"));
  equal(caller.scope, "read");
});

Deno.test("authenticate() writes last_used_at in the background, at most once a minute", async () => {
  await using world = await openWorld();
  const { token, id } = await createToken(world.deps, { name: "ci" }, BY);
  const lastUsed = async () => (await world.store.get<StoredToken>(tokenKey(id)))!.value.lastUsedAt;
  await world.present(token);
  await until(async () => await lastUsed() === "2026-06-07T12:00:00.000Z");
  const { revision } = (await world.store.get(tokenKey(id)))!;
  world.pass(59_999);
  await world.present(token);
  equal((await world.store.get(tokenKey(id)))!.revision, revision);
  world.pass(1);
  const known = await world.verifier.authenticate(token, world.from("x"));
  await until(async () => await lastUsed() === "2026-06-07T12:01:00.000Z");
  equal(known instanceof KnownToken && JSON.parse(known.identity).last_used_at, "2026-06-07T12:01:00.000Z");
  deepEqual(world.errors, []);
});
