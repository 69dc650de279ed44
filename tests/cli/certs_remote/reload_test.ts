import { rejects } from "node:assert/strict";
import { runReload } from "../../../cli/certs/remote/deploy.ts";
import { localShell } from "../../../cli/certs/remote/shell.ts";

const shell = localShell("mini1");

Deno.test("runReload() says what failed, on which machine, and why", async () => {
  await rejects(() => runReload(shell, ["sh", "-c", "echo 'no such unit' >&2; exit 5"], { service: "api" }), {
    code: "reload_failed",
    message: /^'api' was not reloaded on mini1: .*: no such unit$/,
  });
  await rejects(() => runReload(shell, ["no-such-program"], { service: "api" }), {
    message: /no-such-program.*not found/,
  });
});

Deno.test("runReload() waits neither for what hangs nor for what it left in the background", async () => {
  const hanging = { code: "reload_failed", message: /did not end within 0\.3 seconds/ };
  await rejects(() => runReload(shell, ["sleep", "20"], { service: "api", timeoutMs: 300 }), hanging);
  const background = ["sh", "-c", "sleep 2 & sleep 20"];
  await rejects(() => runReload(shell, background, { service: "api", timeoutMs: 300 }), hanging);
  await new Promise((resolve) => setTimeout(resolve, 2000)); // Until what was left behind is gone.
});

Deno.test("runReload() ends with its signal", async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 100);
  await rejects(() => runReload(shell, ["sleep", "20"], { service: "api", signal: stop.signal }), {
    name: "AbortError",
  });
});
