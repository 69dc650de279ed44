import { deepEqual, equal } from "node:assert/strict";
import { auditOperation, newestRecords, trimRecords } from "../../../daemon/audit/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

const change = (target: string) => ({ actor: "ci", action: "token.create", target, address: "192.0.2.1" });

Deno.test("auditOperation() is not recorded when the change it belongs to is refused", async () => {
  await using store = await openSqliteStore(":memory:");
  const operations = [{ put: "tokens/1", value: {} }, auditOperation({ now: () => new Date() }, change("laptop"))];
  equal(await store.commit(operations, [{ key: "tokens/1", revision: 9 }]), false);
  deepEqual(await newestRecords(store, 10), []);
  equal(await store.commit(operations), true);
  equal((await newestRecords(store, 10)).length, 1);
});

Deno.test("newestRecords() lists the newest first, also within one millisecond", async () => {
  await using store = await openSqliteStore(":memory:");
  let ms = Date.UTC(2030, 0, 1);
  const now = () => new Date(ms);
  for (const target of ["a", "b", "c"]) await store.commit([auditOperation({ now }, change(target))]);
  ms += 1;
  await store.commit([
    auditOperation({ now }, { actor: "helyosd", action: "certificate.renew", target: "d", address: null }),
  ]);
  const records = await newestRecords(store, 3);
  deepEqual(records.map((record) => record.target), ["d", "c", "b"]);
  deepEqual(records[0], {
    at: "2030-01-01T00:00:00.001Z",
    actor: "helyosd",
    action: "certificate.renew",
    target: "d",
    address: null,
  });
});

Deno.test("trimRecords() keeps the newest and nothing else goes", async () => {
  await using store = await openSqliteStore(":memory:");
  let ms = Date.UTC(2030, 0, 1);
  const now = () => new Date(ms++);
  const operations = Array.from({ length: 1203 }, (_, n) => auditOperation({ now }, change(String(n))));
  await store.commit([...operations, { put: "audio/x", value: 1 }, { put: "auditor", value: 1 }]);
  equal(await trimRecords(store, { keep: 5000 }), 0);
  equal(await trimRecords(store, { keep: 601 }), 602);
  equal(await trimRecords(store, { keep: 601 }), 0);
  const left = await newestRecords(store, 1000);
  deepEqual([left.length, left[0]!.target, left.at(-1)!.target], [601, "1202", "602"]);
  equal(await trimRecords(store, { keep: 0 }), 601);
  deepEqual((await store.list("")).map((entry) => entry.key), ["audio/x", "auditor"]);
});
