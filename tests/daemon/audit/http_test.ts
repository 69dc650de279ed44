import { deepEqual, equal } from "node:assert/strict";
import type { AuditRecord } from "@helyos/api";
import { auditBindings } from "../../../daemon/audit/http.ts";
import { auditOperation } from "../../../daemon/audit/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

Deno.test("auditBindings() list the newest 100, or as many as asked for, to admins only", async () => {
  await using store = await openSqliteStore(":memory:");
  const now = () => new Date(0);
  await store.commit(Array.from(
    { length: 120 },
    (_, n) => auditOperation({ now }, { actor: "local", action: "token.reset", target: String(n), address: null }),
  ));
  const [binding] = auditBindings({ store });
  deepEqual(binding!.endpoint.allow, ["admin"]);
  const list = (input: { limit?: number }) =>
    binding!.handle({ input, caller: null, address: "" }) as Promise<
      AuditRecord[]
    >;
  equal((await list({})).length, 100);
  deepEqual((await list({ limit: 2 })).map((record) => record.target), ["119", "118"]);
});
