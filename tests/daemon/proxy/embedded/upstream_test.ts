import { ok as truthy } from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../../daemon/proxy/embedded/limits.ts";
import { UpstreamPool } from "../../../../daemon/proxy/embedded/upstream.ts";

Deno.test("UpstreamPool rests once for a failure that many visitors met, and longer after each that follows", async () => {
  const pool = new UpstreamPool({ host: "127.0.0.1", port: 1 }, { ...DEFAULT_LIMITS, ejectMs: 40, ejectMaxMs: 10_000 });
  const rest = () => pool.ejectedUntil - performance.now();
  for (let visitor = 0; visitor < 50; visitor++) pool.failed();
  truthy(rest() <= 40, `it rests for ${rest()} ms`);
  while (rest() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  pool.failed();
  truthy(rest() > 40, `it rests for ${rest()} ms`);
  pool.succeeded();
  truthy(rest() <= 0);
});
