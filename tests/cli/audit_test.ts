import { deepEqual, equal } from "node:assert/strict";
import { helyos, startFakeDaemon } from "./terminal.ts";

const RECORDS = [
  { at: "2026-06-10T11:00:00.000Z", actor: "alice", action: "token.create", target: "ci", address: "10.0.0.7" },
  { at: "2026-06-10T10:00:00.000Z", actor: "helyosd", action: "certificate.renew", target: "api", address: null },
];

Deno.test("helyos audit lists who changed what", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/audit": RECORDS });
  const { code, stdout } = await helyos(["audit", "--limit", "2", "--server", daemon.server]);
  equal(code, 0);
  equal(daemon.seen[0]?.path, "/api/v1/audit?limit=2");
  equal(
    stdout,
    [
      "┌──────────────────────────────────────────────────────────────────────────────┐",
      "│ • Audit                                                              2 total │",
      "├──────────────────────────────────────────────────────────────────────────────┤",
      "│ WHEN                      WHO      WHAT               TO   FROM              │",
      "│ ──────────────────────────────────────────────────────────────────────────── │",
      "│ 2026-06-10T11:00:00.000Z  alice    token.create       ci   10.0.0.7          │",
      "│ ──────────────────────────────────────────────────────────────────────────── │",
      "│ 2026-06-10T10:00:00.000Z  helyosd  certificate.renew  api  -                 │",
      "└──────────────────────────────────────────────────────────────────────────────┘",
      "",
    ].join("\n"),
  );
  const { stdout: json } = await helyos(["audit", "--json", "--server", daemon.server]);
  deepEqual(JSON.parse(json), RECORDS);
  deepEqual(Object.keys(JSON.parse(json)[0]), ["at", "actor", "action", "target", "address"]);
});

Deno.test("helyos audit refuses a --limit outside 1 to 1000 before any request", async () => {
  await using daemon = startFakeDaemon({});
  for (const limit of ["0", "1001", "-1", "x", "1.5", "1e2", ""]) {
    const { code } = await helyos(["audit", `--limit=${limit}`, "--server", daemon.server]);
    equal(code, 2, limit);
  }
  equal(daemon.seen.length, 0);
});
