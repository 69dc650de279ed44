import { equal, rejects } from "node:assert/strict";
import { CliError } from "../../cli/failure.ts";
import { untilItWorks } from "../../cli/patience.ts";

Deno.test("untilItWorks() throws at once what does not pass by itself", async () => {
  let attempts = 0;
  await rejects(
    untilItWorks(() => {
      attempts++;
      return Promise.reject(new CliError("somebody else's certificate", { code: "unknown_ca" }));
    }, 60_000),
    { code: "unknown_ca" },
  );
  equal(attempts, 1);
});

Deno.test("untilItWorks() gives up with the last failure, hint and exit code included", async () => {
  const refused = new CliError("nobody listens", { code: "refused", hint: "start it", exitCode: 1 });
  await rejects(untilItWorks(() => Promise.reject(refused), 150), {
    message: "nobody listens (tried for 0.15 s)",
    code: "refused",
    hint: "start it",
  });
});

Deno.test("untilItWorks() does not wait for an attempt that hangs", async () => {
  await rejects(untilItWorks(() => new Promise(() => {}), 50), { code: "timeout" });
});

Deno.test("untilItWorks() gives what the first good attempt gave", async () => {
  let attempts = 0;
  const attempt = () =>
    ++attempts < 3 ? Promise.reject(new CliError("not yet", { code: "unavailable" })) : Promise.resolve("up");
  equal(await untilItWorks(attempt, 60_000), "up");
  equal(attempts, 3);
});

Deno.test("untilItWorks() passes on what is no failure of ours", async () => {
  await rejects(untilItWorks(() => Promise.reject(new TypeError("bug")), 60_000), TypeError);
});
