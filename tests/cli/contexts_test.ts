import { deepEqual, doesNotMatch, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { Contexts } from "../../cli/context.ts";
import { openContexts } from "../../cli/contexts.ts";
import { helyos, temporaryFolder } from "../support/process.ts";

const SECRET = "nxa-api_" + "5e".repeat(32);
const OTHER = "nxa-api_" + "07".repeat(32);

function open(env: Record<string, string>) {
  let said = "";
  const stderr = { isTerminal: false, columns: 80, write: (text: string) => void (said += text) };
  return { store: openContexts({ env: (name) => env[name], stderr }), said: () => said };
}

const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("openContexts() keeps nothing without a home and without HELYOS_CONFIG", async () => {
  const { store } = open({});
  await rejects(() => store.update((contexts) => contexts), { message: "could not determine config path" });
  deepEqual(await store.read(), new Contexts());
  equal(await store.previous(), undefined);
});

Deno.test("ContextStore.update() refuses to replace a file it cannot read", async () => {
  await using home = await temporaryFolder();
  const path = join(home.path, "config.toml");
  await Deno.mkdir(path); // Reading a folder fails for every user, root too.
  const { store } = open({ HELYOS_CONFIG: path });
  await rejects(() => store.update((contexts) => contexts.with({ name: "a" })), { code: "config_unreadable" });
  equal((await Deno.stat(path)).isDirectory, true);
});

Deno.test("ContextStore reads what is no file, and neither replaces it nor changes its mode", async () => {
  await using home = await temporaryFolder();
  const path = join(home.path, "null"); // A test that went wrong must not take the machine's own.
  await Deno.symlink("/dev/null", path);
  const { store, said } = open({ HELYOS_CONFIG: path });
  deepEqual(await store.read(), new Contexts());
  equal(said(), "");
  await rejects(() => store.update((contexts) => contexts.with({ name: "a" })), { code: "config_unwritable" });
  deepEqual(Array.from(Deno.readDirSync(home.path), ({ name }) => name), ["null"]);
});

Deno.test("ContextStore.update() writes nothing when the change is refused", async () => {
  await using home = await temporaryFolder();
  const { store } = open({ HOME: home.path });
  await store.update((contexts) => contexts.with({ name: "a", server: "https://a" }));
  const before = await Deno.readTextFile(store.path);
  await rejects(() => store.update((contexts) => contexts.with({ name: "b", server: 'https://"' })), {
    code: "invalid_value",
  });
  await rejects(() => store.update((contexts) => contexts.without(contexts.get("x").name)), {
    code: "unknown_context",
  });
  equal(await Deno.readTextFile(store.path), before);
});

Deno.test("ContextStore.update() makes file, backup and folder closed to others, and tightens looser ones", async () => {
  await using home = await temporaryFolder();
  const { store, said } = open({ HOME: home.path });
  await store.update((contexts) => contexts.with({ name: "a", token: SECRET }));
  await store.update((contexts) => contexts.with({ name: "b" }));
  const folder = join(home.path, ".helyos");
  equal(await modeOf(folder), 0o700);
  for await (const file of Deno.readDir(folder)) equal(await modeOf(join(folder, file.name)), 0o600, file.name);
  await Deno.chmod(folder, 0o755);
  await Deno.chmod(store.path, 0o644);
  await Deno.chmod(`${store.path}.bak`, 0o644);
  equal((await store.read()).get("a").token, SECRET);
  match(said(), /was open to other users/);
  equal(await modeOf(store.path), 0o600);
  await store.update((contexts) => contexts);
  equal(await modeOf(folder), 0o700);
  equal(await modeOf(`${store.path}.bak`), 0o600);
});

Deno.test("ContextStore leaves the mode of a folder that HELYOS_CONFIG names alone", async () => {
  await using home = await temporaryFolder();
  await Deno.chmod(home.path, 0o755);
  const { store } = open({ HELYOS_CONFIG: join(home.path, "my.toml") });
  await store.update((contexts) => contexts.with({ name: "a" }));
  equal(await modeOf(home.path), 0o755);
});

Deno.test("ContextStore.update() keeps the version before in .bak, without secrets that are no longer in use", async () => {
  await using home = await temporaryFolder();
  const { store } = open({ HOME: home.path });
  const backup = () => Deno.readTextFile(`${store.path}.bak`);
  await Deno.mkdir(join(home.path, ".helyos"));
  const original = `# mine\n[context.a]\nserver = "https://a"\ntoken = "${SECRET}"\n# token = "${OTHER}"\n`;
  await Deno.writeTextFile(store.path, original, { mode: 0o600 });
  await store.update((contexts) => contexts.with({ name: "b", token: "not ours at all" }));
  equal(await backup(), `# mine\n[context.a]\nserver = "https://a"\ntoken = "${SECRET}"\n`);

  await store.update((contexts) => contexts.with({ ...contexts.get("a"), token: undefined }));
  doesNotMatch(await backup(), /nxa-api_/, "after a logout");
  await store.update((contexts) => contexts.without("b"));
  doesNotMatch(await backup(), /not ours at all/, "after rm");
  await store.update((contexts) => contexts.with({ name: "a", token: SECRET }));
  await store.update((contexts) => contexts.with({ name: "a", token: OTHER }));
  doesNotMatch(await backup(), new RegExp(SECRET), "after a token change");
  match(await Deno.readTextFile(store.path), new RegExp(OTHER));
});

Deno.test("ContextStore.previous() is the context before the current one, and never one that is gone", async () => {
  await using home = await temporaryFolder();
  const { store } = open({ HOME: home.path });
  equal(await store.previous(), undefined);
  await store.update((contexts) => contexts.with({ name: "a" }).with({ name: "b" }).withCurrent("a"));
  equal(await store.previous(), undefined);
  await store.update((contexts) => contexts.withCurrent("b"));
  equal(await store.previous(), "a");
  await store.update((contexts) => contexts.without("b"));
  equal(await store.previous(), "a");
});

Deno.test("ContextStore.read() goes on without contexts when the file cannot be read, and says so", async () => {
  await using home = await temporaryFolder();
  const { store, said } = open({ HELYOS_CONFIG: home.path });
  deepEqual(await store.read(), new Contexts());
  match(said(), /could not read config file/);
  const missing = open({ HELYOS_CONFIG: join(home.path, "none.toml") });
  deepEqual(await missing.store.read(), new Contexts());
  equal(missing.said(), "");
});

Deno.test("ContextStore.update() loses nothing when many write at once", async () => {
  await using home = await temporaryFolder();
  const { store } = open({ HOME: home.path });
  const names = Array.from({ length: 20 }, (_, index) => `c${String(index).padStart(2, "0")}`);
  await Promise.all(
    names.map((name) => store.update((contexts) => contexts.with({ name, server: `https://${name}` }))),
  );
  deepEqual((await store.read()).list().map(({ name }) => name), names);

  const outcomes = await Promise.all(
    ["p1", "p2", "p3", "p4"].map((name) =>
      helyos(["context", "set", name, "--server", "https://h:6443"], { home: home.path })
    ),
  );
  deepEqual(outcomes.map(({ code, stderr }) => [code, stderr]), outcomes.map(() => [0, ""]));
  deepEqual((await store.read()).list().map(({ name }) => name), [...names, "p1", "p2", "p3", "p4"]);
});
