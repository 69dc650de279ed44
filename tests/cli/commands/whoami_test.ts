import { whoami } from "@helyos/api";
import { whoamiRequest } from "@helyos/api/identity";
import { deepEqual, equal, match } from "node:assert/strict";
import { helyos, startFakeDaemon } from "../terminal.ts";

const ask = (server: string, ...more: string[]) => helyos(["whoami", "--server", server, ...more]);

Deno.test("helyos whoami refuses an answer that is none", async () => {
  for (const answer of [null, [], "alice", 7, { name: 7 }, { name: "a", expires_at: 5 }]) {
    await using daemon = startFakeDaemon({ "GET /api/v1/whoami": () => Response.json(answer) });
    const outcome = await ask(daemon.server);
    deepEqual([outcome.code, outcome.stdout], [1, ""], JSON.stringify(answer));
    match(outcome.stderr, /^✗ cannot understand the answer to GET \/api\/v1\/whoami\n/);
  }
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": () => new Response("<html>") });
  equal(JSON.parse((await ask(daemon.server, "--json")).stderr).code, "bad_answer");
});

Deno.test("helyos whoami says what to do without a token", async () => {
  const refusal = () => Response.json({ error: "missing or invalid bearer token" }, { status: 401 });
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": refusal });
  equal(
    (await ask(daemon.server)).stderr,
    "✗ missing or invalid bearer token\n" +
      `  hint: Check your authentication credentials: no token was sent. Log in with: helyos login ${daemon.server}\n`,
  );
});

Deno.test("helyos whoami shows what there is", async () => {
  const full = {
    name: "alice",
    scope: "admin",
    created_at: "2026-06-01T00:00:00Z",
    expires_at: "2026-07-01T12:00:00Z",
    last_used_at: "2026-06-07T09:14:22Z",
    team: "a newer daemon's",
  };
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": full });
  equal(
    (await ask(daemon.server)).stdout,
    "name:  alice\nscope: admin\nexpires: 2026-07-01T12:00:00Z\nlast used: 2026-06-07T09:14:22Z\n",
  );
  deepEqual(JSON.parse((await ask(daemon.server, "--json")).stdout), full);
  await using legacy = startFakeDaemon({ "GET /api/v1/whoami": { scope: "\x1b[2J", expires_at: null } });
  equal((await ask(legacy.server)).stdout, "name:  -\nscope: \\x1b[2J\n");
});

Deno.test("whoamiRequest is whoami without its schema", () => {
  const { output: _, ...rest } = whoami;
  deepEqual(whoamiRequest, rest);
});
