import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { checkSqliteStore, openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { testStore } from "./contract.ts";

testStore("sqlite", async () => {
  const folder = await Deno.makeTempDir();
  return {
    open: ({ now }) => openSqliteStore(`${folder}/state.db`, { now, pollMs: 5 }),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
});

async function temporary(): Promise<AsyncDisposable & { path: string; folder: string }> {
  const folder = await Deno.makeTempDir();
  return {
    folder,
    path: `${folder}/state.db`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Name and content of every file that matters: -shm is SQLite's scratch memory. */
async function contents(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith("-shm")) continue;
    const bytes = await Deno.readFile(`${folder}/${name}`);
    if (name.endsWith("-wal") && bytes.length === 0) continue;
    files[name] = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  }
  return files;
}

async function fill(path: string): Promise<void> {
  await using store = await openSqliteStore(path);
  for (let n = 0; n < 50; n++) await store.commit([{ put: `k/${n}`, value: "x".repeat(2000) }]);
}

Deno.test("openSqliteStore() refuses what is no database and leaves it alone", async () => {
  await using at = await temporary();
  await Deno.writeTextFile(
    at.path,
    "not a database at all, but long enough to have a header of sixteen bytes and more\n".repeat(9),
  );
  const before = await contents(at.folder);
  await rejects(() => openSqliteStore(at.path), {
    name: "StoreError",
    code: "corrupt",
    message: /state\.db is damaged: .*nothing was changed/,
  });
  deepEqual(await contents(at.folder), before);
});

Deno.test("openSqliteStore() refuses a damaged database and leaves it alone", async () => {
  await using at = await temporary();
  await fill(at.path);
  const bytes = await Deno.readFile(at.path);
  bytes.fill(0xaa, 3 * 4096, 9 * 4096);
  await Deno.writeFile(at.path, bytes);
  const before = await contents(at.folder);
  await rejects(() => openSqliteStore(at.path), { code: "corrupt" });
  await rejects(() => checkSqliteStore(at.path), { code: "corrupt" });
  deepEqual(await contents(at.folder), before);
  deepEqual([...Deno.readDirSync(at.folder)].map(({ name }) => name), ["state.db"]);
});

Deno.test("checkSqliteStore() creates nothing and leaves nothing behind", async () => {
  await using at = await temporary();
  equal(await checkSqliteStore(at.path), "absent");
  await fill(at.path);
  equal(await checkSqliteStore(at.path), "sound");
  deepEqual([...Deno.readDirSync(at.folder)].map(({ name }) => name), ["state.db"]);
  await using _store = await openSqliteStore(at.path);
  equal(await checkSqliteStore(at.path), "sound");
});

Deno.test("openSqliteStore() takes folders with characters that mean something in a URL", async () => {
  await using at = await temporary();
  const path = `${at.folder}/50% off? #1 ü/state.db`;
  await Deno.mkdir(`${at.folder}/50% off? #1 ü`);
  for (let n = 0; n < 2; n++) await fill(path);
  equal(await checkSqliteStore(path), "sound");
});

Deno.test("openSqliteStore() leaves a damaged database alone that still has a write-ahead log", async () => {
  await using at = await temporary();
  await fill(at.path);
  const writer = new DatabaseSync(at.path);
  writer.exec("PRAGMA wal_autocheckpoint = 0; UPDATE counters SET value = value + 1");
  for (const suffix of ["", "-wal"]) await Deno.copyFile(at.path + suffix, `${at.folder}/copy.db${suffix}`);
  writer.close();
  const bytes = await Deno.readFile(`${at.folder}/copy.db`);
  bytes.fill(0xaa, 3 * 4096, 9 * 4096);
  await Deno.writeFile(`${at.folder}/copy.db`, bytes);
  const before = await contents(at.folder);
  ok("copy.db-wal" in before);
  await rejects(() => openSqliteStore(`${at.folder}/copy.db`), { code: "corrupt" });
  deepEqual(await contents(at.folder), before);
});

Deno.test("openSqliteStore() refuses another program's database and a newer schema", async () => {
  await using at = await temporary();
  const foreign = new DatabaseSync(at.path);
  foreign.exec("CREATE TABLE theirs (a)");
  foreign.close();
  await rejects(() => openSqliteStore(at.path), { code: "corrupt", message: /not a Helyos database/ });
  await Deno.remove(at.path);
  await fill(at.path);
  const newer = new DatabaseSync(at.path);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  const before = await contents(at.folder);
  await rejects(() => openSqliteStore(at.path), { code: "newer", message: /newer Helyos/ });
  deepEqual(await contents(at.folder), before);
});

Deno.test("openSqliteStore() says which folder it cannot write", async () => {
  await rejects(() => openSqliteStore("/proc/helyos/state.db"), {
    name: "StoreError",
    message: /\/proc\/helyos\/state\.db/,
  });
});

Deno.test("commit() tells a full disk apart and keeps what was there", async () => {
  await using at = await temporary();
  await fill(at.path);
  await using store = await openSqliteStore(at.path);
  // The page limit of a second connection does not bind ours, so the schema's own limit plays the full disk
  const limit = new DatabaseSync(at.path);
  limit.exec("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
  limit.close();
  await rejects(() => store.commit([{ put: "a", value: 1 }]), { code: "full", message: /disk is full/ });
  equal(await store.get("a"), undefined);
  equal((await store.list("k/")).length, 50);
});

Deno.test("commit() fails with busy when another process does not let go, and works after", async () => {
  await using at = await temporary();
  await using store = await openSqliteStore(at.path, { busyMs: 20 });
  const other = new DatabaseSync(at.path);
  other.exec("BEGIN IMMEDIATE");
  await rejects(() => store.commit([{ put: "a", value: 1 }]), { code: "busy" });
  other.exec("ROLLBACK");
  other.close();
  equal(await store.commit([{ put: "a", value: 1 }]), true);
});

Deno.test("openSqliteStore() creates every file 0600, whatever the umask", async () => {
  await using at = await temporary();
  const umask = Deno.umask(0);
  try {
    await using store = await openSqliteStore(at.path);
    await store.commit([{ put: "a", value: 1 }]);
    const modes: Record<string, string> = {};
    for await (const { name } of Deno.readDir(at.folder)) {
      modes[name] = ((await Deno.stat(`${at.folder}/${name}`)).mode! & 0o777).toString(8);
    }
    deepEqual(modes, { "state.db": "600", "state.db-wal": "600", "state.db-shm": "600" });
  } finally {
    Deno.umask(umask);
  }
});

Deno.test("openSqliteStore() goes on from an empty file a killed first start left", async () => {
  await using at = await temporary();
  await Deno.writeFile(at.path, new Uint8Array());
  await using store = await openSqliteStore(at.path);
  equal(await store.commit([{ put: "a", value: 1 }]), true);
});

Deno.test("watch() names the prefix when another process changed too much to tell", async () => {
  await using at = await temporary();
  await using store = await openSqliteStore(at.path, { pollMs: 5 });
  const changes = store.watch("w/");
  const other = new DatabaseSync(at.path);
  other.exec("UPDATE counters SET value = value + 10000");
  other.close();
  deepEqual(await changes.next(), { done: false, value: { key: "w/" } });
  await changes.return?.();
});

Deno.test("the change log stays short", async () => {
  await using store = await openSqliteStore(":memory:");
  for (let n = 0; n < 600; n++) await store.commit([{ put: "a", value: n }]);
  equal((await store.get("a"))!.value, 599);
});

Deno.test("a SIGKILL at any instant loses nothing that was acknowledged", async () => {
  await using at = await temporary();
  const writer = new URL("./sqlite_writer.ts", import.meta.url).pathname;
  let acknowledged = -1;
  for (let round = 0; round < 8; round++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", `--allow-read=${at.folder}`, `--allow-write=${at.folder}`, writer, at.path],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let text = "";
    const enough = 3 + round * 5;
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("\n").length > enough) {
        try {
          child.kill("SIGKILL");
        } catch { /* already dead */ }
      }
    }
    await child.status;
    match(text, /\n/);
    acknowledged = Math.max(acknowledged, ...text.split("\n").slice(0, -1).map(Number));
    await using store = await openSqliteStore(at.path);
    const entries = await store.list<number>("n/");
    ok(entries.length >= acknowledged + 1, `${entries.length} kept of ${acknowledged + 1}`);
    // Each commit wrote a pair: a crash must not leave half of one
    equal((await store.list("pair/")).length, entries.length);
  }
});
