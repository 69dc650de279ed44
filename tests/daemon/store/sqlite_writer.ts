// Commits without end and prints the number of each commit once it is acknowledged; to be killed.
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

await using store = await openSqliteStore(Deno.args[0]!);
for (let n = (await store.list("n/")).length;; n++) {
  const key = String(n).padStart(8, "0");
  await store.commit([{ put: `n/${key}`, value: n }, { put: `pair/${key}`, value: n }]);
  Deno.stdout.writeSync(new TextEncoder().encode(`${n}\n`));
}
