/**
 * Story: a token's life. Mint, use, rotate, revoke; a revoked token is refused at the very next request.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { helyos, helyosd, startDaemon, temporaryFolder } from "../support/process.ts";

Deno.test("a revoked token is refused at the next request, in any spelling, and its name is free again", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const cli = (...args: string[]) => helyos(args, { home: home.path });
  const whoami = (token: string) =>
    fetch(`${daemon.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } }).then(async (answer) => ({
      status: answer.status,
      body: await answer.json(),
    }));

  const minted = JSON.parse((await cli("auth", "token", "create", "ci", "--json", "--ttl", "3600")).stdout);
  equal((await whoami(minted.token)).body.name, "ci");
  for (const wrong of [minted.token.toUpperCase(), minted.token.slice(0, -1), `${minted.token}0`, ""]) {
    deepEqual(await whoami(wrong), {
      status: 401,
      body: { error: "missing or invalid bearer token", code: "unauthorized" },
    });
  }
  const lower = await fetch(`${daemon.url}/api/v1/whoami`, { headers: { authorization: `bearer ${minted.token}` } });
  equal(lower.status, 401, "the scheme word is matched exactly");
  await lower.body?.cancel();

  const rotated = JSON.parse((await cli("auth", "token", "rotate", "ci", "--overlap", "600", "--json")).stdout);
  equal((await whoami(minted.token)).status, 200, "the old secret works during the overlap");
  equal((await whoami(rotated.token)).status, 200);

  const revoked = await cli("auth", "token", "revoke", "ci");
  equal(revoked.code, 0, revoked.stderr);
  match(revoked.stdout, /✓ Revoked API token 'ci'/);
  equal((await whoami(rotated.token)).status, 401);
  equal((await whoami(minted.token)).status, 401, "revocation ends the overlap too");

  const twice = await cli("auth", "token", "revoke", "ci");
  equal(twice.code, 1);
  match(twice.stderr, /no active token named 'ci'/);
  equal((await cli("auth", "token", "create", "ci")).code, 0, "a revoked name can be minted again");

  const audit = JSON.parse((await cli("audit", "--json")).stdout) as {
    action: string;
    target: string;
    address: string;
  }[];
  const actions = audit.filter((one) => one.target.includes("ci")).map((one) => one.action);
  deepEqual(actions, ["token.create", "token.revoke", "token.rotate", "token.create"]);
  equal(audit[0]!.address, "127.0.0.1");
});

Deno.test("scopes are enforced by each endpoint", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path });
  const cli = (token: string, ...args: string[]) => helyos(args, { home: home.path, env: { HELYOS_API_TOKEN: token } });
  const mint = async (scope: string) =>
    JSON.parse((await cli(daemon.token!, "auth", "token", "create", scope, "--scope", scope, "--json")).stdout).token;
  const [deploy, read] = [await mint("deploy"), await mint("read")];
  equal((await cli(deploy, "project", "create", "shop")).code, 0);
  equal((await cli(read, "project", "list")).code, 0);
  for (const refused of [cli(read, "project", "create", "x"), cli(deploy, "auth", "token", "ls"), cli(read, "audit")]) {
    const outcome = await refused;
    equal(outcome.code, 1);
    match(outcome.stderr, /scope/);
  }
});

Deno.test("helyosd token reset gives a new admin token, while the daemon runs or not", async () => {
  await using home = await temporaryFolder();
  let token: string | undefined;
  {
    await using daemon = await startDaemon({ home: home.path });
    const reset = await helyosd(["token", "reset"], { home: home.path });
    equal(reset.code, 0, reset.stderr);
    token = (reset.stdout + reset.stderr).match(/nxa-api_[0-9a-f]{64}/)?.[0];
    const answer = await fetch(`${daemon.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    equal(answer.status, 200);
    await answer.body?.cancel();
  }
  const offline = await helyosd(["token", "reset"], { home: home.path });
  equal(offline.code, 0, offline.stderr);
  await using daemon = await startDaemon({ home: home.path });
  const fresh = (offline.stdout + offline.stderr).match(/nxa-api_[0-9a-f]{64}/)?.[0];
  const answer = await fetch(`${daemon.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${fresh}` } });
  equal(answer.status, 200);
  await answer.body?.cancel();
});
