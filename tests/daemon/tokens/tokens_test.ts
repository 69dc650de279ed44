import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { type StoredToken, storeToken, tokenKey } from "../../../daemon/tokens/records.ts";
import { createToken, listTokens, revokeToken, rotateToken } from "../../../daemon/tokens/tokens.ts";
import { BY, openWorld } from "./support.ts";

Deno.test("createToken() refuses the name of an active token", async () => {
  await using world = await openWorld();
  await createToken(world.deps, { name: "ci" }, BY);
  await rejects(() => createToken(world.deps, { name: "ci" }, BY), {
    code: "conflict",
    message: "could not create token: an active token named 'ci' exists",
  });
});

Deno.test("createToken() lets one of two callers at once have a name", async () => {
  await using world = await openWorld();
  const results = await Promise.allSettled([1, 2, 3].map(() => createToken(world.deps, { name: "ci" }, BY)));
  equal(results.filter((result) => result.status === "fulfilled").length, 1);
  equal((await listTokens(world.store)).length, 1);
});

Deno.test("createToken() gives the name of a revoked or expired token again", async () => {
  await using world = await openWorld();
  const first = await createToken(world.deps, { name: "ci", ttl_secs: 60 }, BY);
  world.pass(60_000);
  const second = await createToken(world.deps, { name: "ci" }, BY);
  await revokeToken(world.deps, "ci", BY);
  const third = await createToken(world.deps, { name: "ci" }, BY);
  equal(await world.present(first.token), "unauthorized");
  equal(await world.present(second.token), "unauthorized");
  equal(await world.present(third.token), "ok");
});

Deno.test("createToken() answers the secret once and lists everything else", async () => {
  await using world = await openWorld();
  const made = await createToken(world.deps, { name: "ci", scope: "read", ttl_secs: 3600 }, BY);
  match(made.token, /^nxa-api_[0-9a-f]{64}$/);
  equal(made.created_at, "2026-06-07T12:00:00.000Z");
  equal(made.expires_at, "2026-06-07T13:00:00.000Z");
  world.pass(1);
  const endless = await createToken(world.deps, { name: "b", ttl_secs: -5 }, BY);
  equal(endless.expires_at, null);
  const listed = await listTokens(world.store);
  deepEqual(listed.map((token) => token.name), ["b", "ci"], "newest first");
  deepEqual(listed[1], {
    id: made.id,
    name: "ci",
    token_prefix: made.token.slice(0, 12),
    scope: "read",
    created_at: made.created_at,
    expires_at: made.expires_at,
    last_used_at: null,
    revoked_at: null,
  });
  equal(
    JSON.stringify(await world.store.list("")).includes(made.token),
    true,
    "the plain hasher of this test keeps it",
  );
  equal(JSON.stringify(listed).includes(made.token), false);
});

Deno.test("createToken() of a time beyond all dates ends with the year 9999", async () => {
  await using world = await openWorld();
  const made = await createToken(world.deps, { name: "ci", ttl_secs: Number.MAX_SAFE_INTEGER }, BY);
  equal(made.expires_at, "9999-12-31T23:59:59.000Z");
});

Deno.test("revokeToken() refuses a name nobody has, also the second time", async () => {
  await using world = await openWorld();
  const unknown = { code: "not_found", message: "no active token named 'ci'" };
  await rejects(() => revokeToken(world.deps, "ci", BY), unknown);
  await createToken(world.deps, { name: "ci" }, BY);
  await revokeToken(world.deps, "ci", BY);
  await rejects(() => revokeToken(world.deps, "ci", BY), unknown);
});

Deno.test("revokeToken() bites at the next request", async () => {
  await using world = await openWorld();
  const made = await createToken(world.deps, { name: "ci" }, BY);
  equal(await world.present(made.token), "ok");
  await revokeToken(world.deps, "ci", BY);
  equal(await world.present(made.token), "unauthorized");
});

Deno.test("rotateToken() keeps the old secret for the overlap and no longer", async () => {
  await using world = await openWorld();
  const old = await createToken(world.deps, { name: "ci", scope: "deploy" }, BY);
  equal(await world.present(old.token), "ok");
  const fresh = await rotateToken(world.deps, { name: "ci" }, BY);
  equal(fresh.scope, "deploy");
  notEqual(fresh.token, old.token);
  equal(await world.present(fresh.token), "ok");
  world.pass(3_599_000);
  equal(await world.present(old.token), "ok");
  world.pass(1_000);
  equal(await world.present(old.token), "unauthorized");
  equal(await world.present(fresh.token), "ok");
});

Deno.test("rotateToken() without overlap ends the old secret at once and never lengthens its life", async () => {
  await using world = await openWorld();
  const old = await createToken(world.deps, { name: "ci", ttl_secs: 100 }, BY);
  const fresh = await rotateToken(world.deps, { name: "ci", overlap_secs: 0 }, BY);
  equal(await world.present(old.token), "unauthorized");
  world.pass(50_000);
  const last = await rotateToken(world.deps, { name: "ci", overlap_secs: 3600 }, BY);
  equal(last.expires_at, "2026-06-07T12:02:30.000Z", "as long a life as the old one had");
  world.pass(50_000);
  equal(await world.present(fresh.token), "unauthorized", "100 s after it was made");
  equal(await world.present(last.token), "ok");
});

Deno.test("rotateToken() ends what earlier rotations left, no later than its own overlap says", async () => {
  await using world = await openWorld();
  const leaked = await createToken(world.deps, { name: "ci" }, BY);
  await rotateToken(world.deps, { name: "ci", overlap_secs: 7200 }, BY);
  const third = await rotateToken(world.deps, { name: "ci", overlap_secs: 60 }, BY);
  world.pass(59_000);
  equal(await world.present(leaked.token), "ok");
  world.pass(1_000);
  equal(await world.present(leaked.token), "unauthorized");
  const fourth = await rotateToken(world.deps, { name: "ci" }, BY);
  await rotateToken(world.deps, { name: "ci", overlap_secs: 0 }, BY);
  equal(await world.present(third.token), "unauthorized");
  equal(await world.present(fourth.token), "unauthorized");
});

Deno.test("rotateToken() never lengthens an overlap", async () => {
  await using world = await openWorld();
  const first = await createToken(world.deps, { name: "ci" }, BY);
  await rotateToken(world.deps, { name: "ci", overlap_secs: 60 }, BY);
  await rotateToken(world.deps, { name: "ci", overlap_secs: 7200 }, BY);
  world.pass(60_000);
  equal(await world.present(first.token), "unauthorized");
});

Deno.test("revokeToken() ends the secrets that a rotation left", async () => {
  await using world = await openWorld();
  const old = await createToken(world.deps, { name: "ci" }, BY);
  const fresh = await rotateToken(world.deps, { name: "ci" }, BY);
  await revokeToken(world.deps, "ci", BY);
  equal(await world.present(old.token), "unauthorized");
  equal(await world.present(fresh.token), "unauthorized");
});

Deno.test("every change of a token leaves an audit record and no secret in it", async () => {
  await using world = await openWorld();
  const made = await createToken(world.deps, { name: "ci" }, BY);
  await rotateToken(world.deps, { name: "ci" }, BY);
  await revokeToken(world.deps, "ci", BY);
  await rejects(() => revokeToken(world.deps, "ci", BY));
  const records = await newestRecords(world.store, 10);
  deepEqual(records.map((record) => [record.action, record.target, record.actor, record.address]), [
    ["token.revoke", "ci", "admin", "192.0.2.1"],
    ["token.rotate", "ci", "admin", "192.0.2.1"],
    ["token.create", "ci", "admin", "192.0.2.1"],
  ]);
  equal(JSON.stringify(records).includes(made.token), false);
});

Deno.test("a token whose expiry cannot be read has expired", async () => {
  await using world = await openWorld();
  const made = await createToken(world.deps, { name: "ci" }, BY);
  const entry = (await world.store.get<StoredToken>(tokenKey(made.id)))!;
  await world.store.commit(storeToken({ ...entry.value, expiresAt: "next spring" }));
  equal(await world.present(made.token), "unauthorized");
});
