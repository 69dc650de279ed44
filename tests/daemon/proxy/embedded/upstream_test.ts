import { equal, ok as truthy } from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../../daemon/proxy/embedded/limits.ts";
import { type UpstreamConnection, UpstreamPool } from "../../../../daemon/proxy/embedded/upstream.ts";
import { startRawUpstream } from "./support.ts";

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

Deno.test("UpstreamPool keeps no connection once nobody needs it any more", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using upstream = await startRawUpstream((socket) => void socket.on("close", () => resolve()).resume());
  const pool = new UpstreamPool(upstream.address, DEFAULT_LIMITS);
  const connection = await new Promise<UpstreamConnection>((connected) => {
    pool.acquire({ connected, connectFailed: () => {} }, { fresh: false, maxIdleMs: Infinity });
  });
  pool.close(); // while a request is under way
  pool.release(connection, undefined);
  truthy(connection.socket.destroyed);
  await gone;
  equal(upstream.connections(), 1);
});
