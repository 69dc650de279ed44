import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { createHasher } from "../../../daemon/tokens/hasher.ts";
import { formatPhc, parsePhc } from "../../../daemon/tokens/phc.ts";

// Made by the reference implementation: echo -n 'nxa-api_test' | argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -l 32 -e
const cheap = (hash: string) => hash.replace("m=19456,t=2", "m=64,t=1");

Deno.test("parsePhc() refuses what is no Argon2id string, or costs too much", () => {
  const salt = "c29tZXNhbHRzb21lc2FsdA";
  const hash = "A".repeat(43);
  equal(parsePhc(`$argon2id$v=19$m=19456,t=2,p=1$${salt}$${hash}`)?.memory, 19456);
  for (
    const text of [
      "",
      `$argon2i$v=19$m=19456,t=2,p=1$${salt}$${hash}`,
      `$argon2id$v=16$m=19456,t=2,p=1$${salt}$${hash}`,
      `$argon2id$v=19$m=9999999,t=2,p=1$${salt}$${hash}`,
      `$argon2id$v=19$m=19456,t=200,p=1$${salt}$${hash}`,
      `$argon2id$v=19$m=19456,t=0,p=1$${salt}$${hash}`,
      `$argon2id$v=19$m=4,t=2,p=1$${salt}$${hash}`,
      `$argon2id$v=19$m=19456,t=2,p=1$$${hash}`,
      `$argon2id$v=19$m=19456,t=2,p=1$${salt}$`,
      `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${hash}$`,
    ]
  ) equal(parsePhc(text), undefined, text);
});

Deno.test("formatPhc() writes what parsePhc() reads", () => {
  const hash = {
    memory: 19456,
    passes: 2,
    lanes: 1,
    salt: new Uint8Array(16).fill(7),
    hash: new Uint8Array(32).fill(9),
  };
  deepEqual(parsePhc(formatPhc(hash)), hash);
});

Deno.test("hash() and verify() agree, on a thread, and nothing else does", async () => {
  await using hasher = createHasher();
  const phc = await hasher.hash("nxa-api_ä");
  match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  equal(await hasher.verify("nxa-api_ä", phc, { key: "a" }), true);
  equal(await hasher.verify("nxa-api_a", phc, { key: "a" }), false);
  equal(await hasher.verify("nxa-api_ä", cheap(phc), { key: "a" }), false);
  equal(await hasher.verify("nxa-api_ä", "no hash", { key: "a" }), false);
});

Deno.test("verify() knows the reference implementation's hash", async () => {
  await using hasher = createHasher();
  // From the test suite of the reference implementation (v=19, m=65536, t=2, p=1): "password" and "somesalt"
  const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  equal(await hasher.verify("password", phc, { key: "a" }), true);
  equal(await hasher.verify("Password", phc, { key: "a" }), false);
});

Deno.test("verify() serves keys in turn, so that one with many waiting holds up nobody", async () => {
  await using hasher = createHasher();
  const phc = cheap(await hasher.hash("x"));
  const order: string[] = [];
  const ask = (key: string) =>
    hasher.verify("x", phc, { key }).then(() => {
      order.push(key);
    });
  await Promise.all([...Array.from({ length: 10 }, () => ask("flood")), ask("alice"), ask("bob")]);
  deepEqual(order.slice(0, 4).toSorted(), ["alice", "bob", "flood", "flood"]);
});

Deno.test("verify() serves those who failed less often first, and a full queue makes room for them", async () => {
  await using hasher = createHasher({ maxWaiting: 4 });
  const phc = cheap(await hasher.hash("x"));
  const order: string[] = [];
  const ask = (key: string, rank: number) =>
    hasher.verify("x", phc, { key, rank }).then(() => key, ({ code }) => `${key} ${code}`).then((say) =>
      order.push(say)
    );
  const asked = [ask("running", 9), ask("a", 3), ask("b", 7), ask("c", 5), ask("d", 7)];
  asked.push(ask("late", 7)); // no room for one who failed as often as the others
  asked.push(ask("honest", 0));
  asked.push(hasher.hash("y").then(() => order.push("hash")));
  await Promise.all(asked);
  deepEqual(order, ["late unavailable", "b unavailable", "d unavailable", "running", "hash", "honest", "a", "c"]);
});

Deno.test("verify() takes nobody's place in a full queue for a key that has its share", async () => {
  await using hasher = createHasher({ maxWaiting: 3, maxWaitingOfKey: 2 });
  const phc = cheap(await hasher.hash("x"));
  const ask = (key: string, rank: number) =>
    hasher.verify("x", phc, { key, rank }).then(() => key, ({ code }) => `${key} ${code}`);
  const asked = [ask("running", 0), ask("flood", 0), ask("flood", 0), ask("other", 5), ask("flood", 0)];
  deepEqual(await Promise.all(asked), ["running", "flood", "flood", "other", "flood unavailable"]);
});

Deno.test("verify() refuses when too many wait, and what the turn no longer admits", async () => {
  await using hasher = createHasher({ maxWaiting: 3, maxWaitingOfKey: 2 });
  const phc = cheap(await hasher.hash("x"));
  let admitted = true;
  const admit = () => {
    if (!admitted) throw new Error("no longer");
  };
  const running = hasher.verify("x", phc, { key: "a" });
  const waiting = [1, 2].map(() => hasher.verify("x", phc, { key: "a", admit }));
  const refused = waiting.map((job) => rejects(job, /no longer/));
  await rejects(hasher.verify("x", phc, { key: "a" }), { code: "unavailable" });
  const other = hasher.verify("x", phc, { key: "b" });
  await rejects(hasher.verify("x", phc, { key: "c" }), { code: "unavailable" });
  admitted = false;
  equal(await running, false);
  await Promise.all(refused);
  equal(await other, false);
});

Deno.test("the thread ends when it is idle and starts again", async () => {
  await using hasher = createHasher({ idleMs: 1 });
  const phc = await hasher.hash("x");
  await new Promise((resolve) => setTimeout(resolve, 20));
  equal(await hasher.verify("x", phc, { key: "a" }), true);
});
