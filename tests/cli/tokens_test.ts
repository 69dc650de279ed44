import { deepEqual, equal } from "node:assert/strict";
import { helyos, startFakeDaemon } from "./terminal.ts";

const SECRET = `nxa-api_${"3f9c".repeat(16)}`;
const CREATED = {
  id: "0b6f3c1e-6f0f-4f55-9a5e-3f6a0c1d2e3f",
  name: "ci",
  token: SECRET,
  scope: "deploy",
  created_at: "2026-06-07T12:00:00Z",
  expires_at: "2026-06-07T13:00:00Z",
};

Deno.test("helyos auth token create shows the secret once, and how to use it", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/tokens": () => Response.json(CREATED, { status: 201 }),
  });
  const tokens = ["auth", "token", "create", "ci", "--ttl", "3600", "--scope=deploy", "--server", daemon.server];
  deepEqual(await helyos(tokens), {
    code: 0,
    stdout: `✓ Created API token 'ci'

Token (shown once — save it now):
  ${SECRET}

Use it from another machine with:
  helyos login <server> --token ${SECRET}
`,
    stderr: "",
  });
  deepEqual(daemon.seen[0]?.body, { name: "ci", scope: "deploy", ttl_secs: 3600 });
  const { stdout } = await helyos([...tokens, "--json"]);
  deepEqual(JSON.parse(stdout), CREATED);
  deepEqual(Object.keys(JSON.parse(stdout)), ["created_at", "expires_at", "id", "name", "scope", "token"]);
});

Deno.test("helyos auth token create says nothing of scope and expiry unless asked", async () => {
  await using daemon = startFakeDaemon({ "POST /api/v1/tokens": () => Response.json(CREATED, { status: 201 }) });
  await helyos(["auth", "token", "create", "ci", "--server", daemon.server]);
  deepEqual(daemon.seen[0]?.body, { name: "ci" });
});

Deno.test("helyos auth token create warns that a --ttl of zero or less means never", async () => {
  await using daemon = startFakeDaemon({ "POST /api/v1/tokens": () => Response.json(CREATED, { status: 201 }) });
  const { code, stderr } = await helyos(["auth", "token", "create", "ci", "--ttl=-5", "--server", daemon.server]);
  deepEqual([code, stderr], [0, "⚠ a --ttl of -5 means never: the token does not expire\n"]);
  deepEqual(daemon.seen[0]?.body, { name: "ci", ttl_secs: -5 });
});

Deno.test("helyos auth token create refuses a bad --ttl or --scope before any request", async () => {
  await using daemon = startFakeDaemon({});
  for (const option of ["--ttl=soon", "--ttl=1.5", "--scope=root", "--scope=Admin"]) {
    const { code, stdout } = await helyos(["auth", "token", "create", "ci", option, "--server", daemon.server]);
    deepEqual([code, stdout], [2, ""]);
  }
  equal(daemon.seen.length, 0);
});

Deno.test("helyos auth token create fails when the answer holds no token", async () => {
  await using daemon = startFakeDaemon({ "POST /api/v1/tokens": () => Response.json({}, { status: 201 }) });
  deepEqual(await helyos(["auth", "token", "create", "ci", "--server", daemon.server]), {
    code: 1,
    stdout: "",
    stderr: "✗ cannot understand the daemon's answer: it holds no token\n",
  });
});

Deno.test("helyos auth token ls reads records loosely", async () => {
  await using daemon = startFakeDaemon({
    "GET /api/v1/tokens": [
      {
        name: "ci",
        scope: "read",
        expires_at: "2026-07-01T12:00:00+00:00",
        last_used_at: null,
        revoked_at: null,
        z: 1,
      },
      { name: "old", revoked_at: "2026-06-01T00:00:00Z" },
    ],
  });
  for (const word of ["ls", "list"]) {
    deepEqual(await helyos(["auth", "token", word, "--server", daemon.server]), {
      code: 0,
      stdout: [
        "NAME  SCOPE  EXPIRES                    LAST USED  REVOKED",
        "ci    read   2026-07-01T12:00:00+00:00  never      no",
        "old   -      never                      never      yes",
        "",
      ].join("\n"),
      stderr: "",
    });
  }
  const { stdout } = await helyos(["auth", "token", "ls", "--json", "--server", daemon.server]);
  deepEqual(Object.keys(JSON.parse(stdout)[0]), ["expires_at", "last_used_at", "name", "revoked_at", "scope", "z"]);
});

Deno.test("helyos auth token ls of nothing says so", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/tokens": [] });
  equal((await helyos(["auth", "token", "ls", "--server", daemon.server])).stdout, "No resources found.\n");
});

Deno.test("helyos refuses a name that no path can carry, and asks no daemon", async () => {
  await using daemon = startFakeDaemon({});
  for (const words of ["auth token revoke", "project suspend", "project delete -y", "route rm", "cert inspect"]) {
    for (const name of ["", ".", ".."]) {
      const outcome = await helyos([...words.split(" "), "--server", daemon.server, "--", name]);
      const stderr = `✗ nothing is called '${name}': a name is neither empty nor . or ..\n`;
      deepEqual(outcome, { code: 1, stdout: "", stderr }, words);
    }
  }
  deepEqual(daemon.seen, []);
});

Deno.test("helyos auth token revoke says what was done, with --json too", async () => {
  await using daemon = startFakeDaemon({ "DELETE /api/v1/tokens/ci%2F7": () => new Response(null, { status: 204 }) });
  const tokens = ["auth", "token", "revoke", "ci/7", "--server", daemon.server];
  equal((await helyos(tokens)).stdout, "✓ Revoked API token 'ci/7'\n");
  deepEqual(JSON.parse((await helyos([...tokens, "--json"])).stdout), {
    action: "revoked",
    status: "ok",
    token: "ci/7",
  });
});

Deno.test("helyos auth token rotate shows the new secret and how long the old one lasts", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/tokens/ci/rotate": () => Response.json(CREATED, { status: 201 }),
  });
  const rotate = async (...more: string[]) =>
    (await helyos(["auth", "token", "rotate", "ci", ...more, "--server", daemon.server])).stdout;
  equal(
    await rotate(),
    `✓ Rotated API token 'ci'\n\nToken (shown once — save it now):\n  ${SECRET}\n\nThe old token works for another 1h.\n`,
  );
  equal((await rotate("--overlap", "90")).endsWith("\nThe old token works for another 90s.\n"), true);
  equal((await rotate("--overlap=0")).endsWith("\nThe old token no longer works.\n"), true);
  deepEqual(daemon.seen.map(({ body }) => body), [null, { overlap_secs: 90 }, { overlap_secs: 0 }]);
  deepEqual(JSON.parse(await rotate("--json")), CREATED);
  const { code } = await helyos(["auth", "token", "rotate", "ci", "--overlap=-1", "--server", daemon.server]);
  equal(code, 2);
});

Deno.test("helyos auth token rotate names the contexts that still hold the old token", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/tokens/ci/rotate": () => Response.json(CREATED, { status: 201 }),
    "GET /api/v1/whoami": { name: "ci", scope: "admin" },
  });
  const context = (name: string, server: string, tokenName?: string) =>
    `[context.${name}]\nserver = "${server}"\ntoken = "nxa-api_0"\n${tokenName ? `token-name = "${tokenName}"\n` : ""}`;
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  const remark = async (...contexts: string[]) => {
    await Deno.writeTextFile(path, `current-context = "prod"\n${contexts.join("")}`, { mode: 0o600 });
    return (await helyos(["auth", "token", "rotate", "ci"], { env: { HELYOS_CONFIG: path } })).stderr;
  };
  const advice = `Give it the new one with: helyos login ${daemon.server} --name <context>\n`;
  const elsewhere = context("other", "https://elsewhere:6443", "ci");
  try {
    equal(
      await remark(context("prod", daemon.server, "ci"), elsewhere),
      `⚠ Context 'prod' still holds the old token. ${advice}`,
    );
    // What a daemon's first start writes has no name: the daemon knows it.
    equal(
      await remark(context("prod", daemon.server), context("twin", `${daemon.server}/`, "ci"), elsewhere),
      `⚠ Contexts 'prod', 'twin' still hold the old token. ${advice}`,
    );
    equal(await remark(context("prod", daemon.server, "alice"), elsewhere), "");
  } finally {
    await Deno.remove(path);
  }
});
