import { equal } from "node:assert/strict";
import { connect } from "node:net";

Deno.test("ProxyCore serves on after more visitors than the process may have files open", async () => {
  const program = new URL("crowded.ts", import.meta.url).pathname;
  const run =
    'ulimit -n 200; exec "$0" run --quiet --unstable-net --no-prompt --allow-net --allow-read --allow-sys "$1"';
  await using child = new Deno.Command("sh", {
    args: ["-c", run, Deno.execPath(), program],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number((await reader.read()).value);
  await reader.cancel();
  const visit = async (timeoutMs: number): Promise<number | undefined> => {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 }); // every visit is a connection
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { client, signal: AbortSignal.timeout(timeoutMs) });
      await response.body?.cancel();
      return response.status;
    } catch {
      return undefined;
    }
  };
  equal(await visit(10_000), 404);
  const crowd = Array.from({ length: 400 }, () => connect({ port, host: "127.0.0.1" }).on("error", () => {}).resume());
  await Promise.all(
    crowd.map((one) => new Promise<void>((seen) => void one.once("connect", seen).once("close", seen))),
  );
  equal(await visit(500), undefined, "it has met its limit");
  for (const one of crowd) one.destroy();
  equal(await visit(10_000), 404);
});
