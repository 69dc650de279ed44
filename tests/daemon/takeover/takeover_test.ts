import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { Store } from "../../../daemon/store/store.ts";
import { checkTakeover, takeOver } from "../../../daemon/takeover/takeover.ts";
import type { StoredToken } from "../../../daemon/tokens/records.ts";
import { fingerprintFiles, type OriginalOptions, writeOriginalDataDir } from "./original_data_dir.ts";

const now = () => new Date("2026-07-01T00:00:00Z");

async function world(
  options?: OriginalOptions,
): Promise<AsyncDisposable & { dataDir: string; store: Store; now: typeof now }> {
  const dataDir = await Deno.makeTempDir();
  if (options) await writeOriginalDataDir(dataDir, options);
  const store = await openSqliteStore(":memory:");
  return {
    dataDir,
    store,
    now,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

async function tokens(store: Store): Promise<Record<string, StoredToken>> {
  const entries = await store.list<StoredToken>("tokens/");
  return Object.fromEntries(entries.map(({ value }) => [value.name, value]));
}

Deno.test("takeOver() refuses a damaged database, imports nothing and leaves it alone", async () => {
  await using at = await world({
    projects: Array.from({ length: 400 }, (_, n) => ({ name: `p${n}`, status: "Active" })),
  });
  const path = `${at.dataDir}/helyos.db`;
  const bytes = await Deno.readFile(path);
  bytes.fill(0xaa, 4096 * 2);
  await Deno.writeFile(path, bytes);
  const before = await fingerprintFiles(at.dataDir);
  const refused = { name: "TakeoverError", code: "unreadable", message: /helyos\.db: .*move it away/ };
  await rejects(() => takeOver(at), refused);
  await rejects(() => checkTakeover(at.dataDir, now()), refused);
  deepEqual(await at.store.list(""), []);
  deepEqual(await fingerprintFiles(at.dataDir), before);
  await Deno.writeTextFile(path, "no database");
  await rejects(() => takeOver(at), refused);
});

Deno.test("takeOver() has nothing to do where no original was", async () => {
  await using at = await world();
  equal(await takeOver(at), undefined);
  equal(await checkTakeover(at.dataDir, now()), undefined);
  deepEqual(await at.store.list(""), []);
});

Deno.test("takeOver() imports once and changes no file of the original, also with a write-ahead log", async () => {
  for (const killed of [false, true]) {
    await using at = await world({
      killed,
      tokens: [{ name: "ci", token_hash: "$argon2id$ci", token_prefix: "nxa-api_abcd", scope: "deploy" }],
      projects: [{ name: "shop", status: "active" }, { name: "old", status: "Suspended" }],
      config: { join_token_hash: "abc", api_token_hash: "$argon2id$legacy" },
    });
    const before = await fingerprintFiles(at.dataDir);
    equal("helyos.db-wal" in before, killed);
    deepEqual(await checkTakeover(at.dataDir, now()), { tokens: 2, projects: 2 });
    deepEqual(await takeOver(at), { tokens: 2, projects: 2, renamed: [], leftOut: [] });
    deepEqual(await fingerprintFiles(at.dataDir), before);
    deepEqual([...Deno.readDirSync(at.dataDir)].map(({ name }) => name).sort(), Object.keys(before).sort());
    deepEqual((await at.store.list("projects/")).map(({ value }) => value), [
      { name: "old", status: "suspended", createdAt: "2026-01-01T00:00:00.000Z" },
      { name: "shop", status: "active", createdAt: "2026-01-01T00:00:00.000Z" },
    ]);
    deepEqual((await at.store.list("cluster-config/")).map(({ key, value }) => [key, value]), [
      ["cluster-config/join_token_hash", "abc"],
    ]);
    equal((await newestRecords(at.store, 9)).length, 1);

    const ci = (await tokens(at.store)).ci!;
    await at.store.commit([{ delete: `tokens/${ci.id}` }, { delete: "projects/shop" }]);
    equal(await takeOver(at), undefined);
    equal((await tokens(at.store)).ci, undefined);
    equal(await at.store.get("projects/shop"), undefined);
  }
});

Deno.test("takeOver() reads times, scopes and revocations so that nothing gets more rights than it had", async () => {
  await using at = await world({
    tokens: [
      { name: "a", token_hash: "h", token_prefix: "nxa-api_0001", expires_at: "2026-08-01T12:00:00.123456789+02:00" },
      { name: "b", token_hash: "h", token_prefix: "nxa-api_0002", expires_at: "next tuesday", scope: "whatever" },
      { name: "c", token_hash: "h", token_prefix: "nxa-api_0003", revoked_at: "garbage" },
      {
        name: "d",
        token_hash: "h",
        token_prefix: "nxa-api_0004",
        last_used_at: "2026-06-30T23:59:59Z",
        created_at: "?",
      },
    ],
  });
  await takeOver(at);
  const { a, b, c, d } = await tokens(at.store);
  equal(a!.expiresAt, "2026-08-01T10:00:00.123Z");
  equal(a!.createdAt, "2026-01-01T00:00:00.123Z");
  deepEqual([b!.expiresAt, b!.scope], ["next tuesday", "whatever"]);
  equal(c!.revokedAt, "2026-07-01T00:00:00.000Z");
  deepEqual([d!.lastUsedAt, d!.createdAt], ["2026-06-30T23:59:59.000Z", "2026-07-01T00:00:00.000Z"]);
  deepEqual(
    (await at.store.list("token-names/")).map(({ key }) => key),
    ["a", "b", "d"].map((name) => `token-names/${name}`),
  );
  deepEqual(
    (await at.store.list("token-prefixes/")).map(({ key }) => key.split("/")[1]),
    ["nxa-api_0001", "nxa-api_0002", "nxa-api_0004"],
  );
});

Deno.test("takeOver() names anew what no request could name, and ids that are none", async () => {
  const bad = ["", ".", "..", "x".repeat(254)];
  const row = (name: string, n: number) => ({ id: `row/${n}`, name, token_hash: "h", token_prefix: `nxa-api_000${n}` });
  await using at = await world({ tokens: [...bad, "x".repeat(253), "a/b"].map(row) });
  const taken = await takeOver(at);
  equal(taken?.renamed.length, bad.length);
  match(taken!.renamed[2]!, /^token "\.\." is now called 'taken-over-[0-9a-f-]{36}'$/);
  const stored = await tokens(at.store);
  for (const { id, name } of Object.values(stored)) {
    match(id, /^[0-9a-f-]{36}$/);
    if (name !== "a/b" && !/^x+$/.test(name)) equal(name, `taken-over-${id}`);
  }
  deepEqual(Object.keys(stored).filter((name) => !name.startsWith("taken-over-")).sort(), ["a/b", "x".repeat(253)]);
});

Deno.test("takeOver() gives legacy-default the hash the original really checks", async () => {
  {
    await using at = await world({
      tokens: [{ name: "legacy-default", token_hash: "stale", expires_at: null }],
      config: { api_token_hash: "fresh" },
    });
    await takeOver(at);
    const token = (await tokens(at.store))["legacy-default"]!;
    deepEqual([token.hash, token.prefix, token.scope], ["fresh", "legacy", "admin"]);
  }
  {
    await using at = await world({
      tokens: [{ name: "legacy-default", token_hash: "stale", revoked_at: "2026-01-01T00:00:00Z" }],
      config: { api_token_hash: "fresh" },
    });
    await takeOver(at);
    const all = await tokens(at.store);
    deepEqual(Object.keys(all), ["legacy-default"]);
    deepEqual([all["legacy-default"]!.hash, all["legacy-default"]!.revokedAt], ["stale", "2026-01-01T00:00:00.000Z"]);
    deepEqual(await at.store.list("token-prefixes/"), []);
  }
  {
    await using at = await world({ config: { api_token_hash: "fresh" } });
    await takeOver(at);
    equal((await tokens(at.store))["legacy-default"]!.hash, "fresh");
  }
});

Deno.test("takeOver() replaces nothing that is ours and says what it left out", async () => {
  await using at = await world({
    tokens: [
      { name: "ci", token_hash: "theirs", token_prefix: "nxa-api_0001" },
    ],
    projects: [{ name: "shop", status: "suspended" }, { name: "x".repeat(2000), status: "active" }],
  });
  await at.store.commit([{ put: "token-names/ci", value: { id: "ours" } }, { put: "projects/shop", value: "ours" }]);
  const taken = await takeOver(at);
  deepEqual([taken!.tokens, taken!.projects, taken!.leftOut.length], [0, 0, 3]);
  match(
    taken!.leftOut.join("\n"),
    /token "ci": an active token has this name\nproject "shop": it exists already\n.*longer than 1024/,
  );
  equal((await at.store.get("projects/shop"))!.value, "ours");
});

Deno.test("takeOver() reads a database of an older original that lacks tables and columns", async () => {
  await using at = await world();
  const db = new DatabaseSync(`${at.dataDir}/helyos.db`);
  db.exec("CREATE TABLE projects (name TEXT PRIMARY KEY); INSERT INTO projects VALUES ('shop')");
  db.close();
  deepEqual(await takeOver(at), { tokens: 0, projects: 1, renamed: [], leftOut: [] });
});

Deno.test("takeOver() deletes the copy a killed start left behind, and keeps its own from others", async () => {
  await using at = await world({ projects: [{ name: "shop", status: "active" }] });
  await Deno.mkdir(`${at.dataDir}/.takeover-leftover`);
  await Deno.writeTextFile(`${at.dataDir}/.takeover-leftover/helyos.db`, "hashes");
  await takeOver(at);
  deepEqual([...Deno.readDirSync(at.dataDir)].map(({ name }) => name), ["helyos.db"]);
});
