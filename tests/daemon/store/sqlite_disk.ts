// Uses a store on a disk that is too small or read-only and prints what it met, as JSON.
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

const [what, folder] = Deno.args;
const path = `${folder}/state.db`;

// deno-lint-ignore no-explicit-any -- printed, whatever it is
const code = (error: any): string => error.code ?? String(error);

if (what === "fill") {
  const store = await openSqliteStore(path);
  let kept = 0;
  let error = "";
  while (error === "") {
    await store.commit([{ put: `k/${kept}`, value: "x".repeat(4000) }]).then(
      () => kept++,
      (failure) => error = code(failure),
    );
  }
  const next = await store.commit([{ put: "z", value: "x".repeat(4000) }]).then(() => "done", code);
  const all = (entries: unknown[]) => entries.length === kept && kept > 0 ? "all" : String(entries.length);
  const first = all(await store.list("k/"));
  await Promise.resolve(store[Symbol.asyncDispose]()).catch(() => {});
  const again = await openSqliteStore(path);
  Deno.stdout.writeSync(
    new TextEncoder().encode(JSON.stringify({ error, next, kept: first, again: all(await again.list("k/")) })),
  );
} else if (what === "create") {
  await using store = await openSqliteStore(path);
  await store.commit([{ put: "a", value: 1 }]);
} else if (what === "say") {
  const said = await openSqliteStore(path).then(() => "none", (error) => error.message);
  Deno.stdout.writeSync(new TextEncoder().encode(said));
} else {
  const error = await openSqliteStore(path).then(() => "none", code);
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ error })));
}
