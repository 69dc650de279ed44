import { deepEqual, equal } from "node:assert/strict";
import { helyos, startFakeDaemon } from "./terminal.ts";

const PROJECT = { name: "shop", status: "active", created_at: "2026-06-07T12:00:00Z" };

Deno.test("helyos project create, suspend, resume and delete say what was done", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/projects": () => Response.json(PROJECT, { status: 201 }),
    "POST /api/v1/projects/shop/suspend": () => new Response(null),
    "POST /api/v1/projects/shop/resume": () => new Response(null),
    "DELETE /api/v1/projects/shop": () => new Response(null),
  });
  const said = async (...tokens: string[]) => {
    const outcome = await helyos(["project", ...tokens, "--server", daemon.server]);
    deepEqual([outcome.code, outcome.stderr], [0, ""]);
    return outcome.stdout;
  };
  equal(await said("create", "shop"), "✓ Project 'shop' created\n");
  equal(await said("suspend", "shop"), "✓ Project 'shop' suspended\n");
  equal(await said("resume", "shop"), "✓ Project 'shop' resumed\n");
  equal(await said("delete", "shop", "-y"), "✓ Project 'shop' deleted\n");
  equal(
    await said("create", "shop", "--json"),
    `{
  "project": {
    "created_at": "2026-06-07T12:00:00Z",
    "name": "shop",
    "status": "active"
  },
  "status": "ok"
}
`,
  );
  const pairs: [string, string][] = [["suspend", "suspended"], ["resume", "resumed"]];
  for (const [verb, action] of pairs) {
    equal(
      await said(verb, "shop", "--json"),
      `{\n  "action": "${action}",\n  "project": "shop",\n  "status": "ok"\n}\n`,
    );
  }
  deepEqual(JSON.parse(await said("delete", "--json", "--yes", "shop")), {
    action: "deleted",
    project: "shop",
    status: "ok",
  });
  deepEqual(daemon.seen[0], {
    method: "POST",
    path: "/api/v1/projects",
    authorization: null,
    body: { name: "shop" },
  });
});

Deno.test("helyos project delete refuses without a terminal, before any request", async () => {
  await using daemon = startFakeDaemon({});
  deepEqual(await helyos(["project", "delete", "shop", "--server", daemon.server]), {
    code: 1,
    stdout: "",
    stderr: "✗ refusing to delete project 'shop' without asking, and there is no terminal\n" +
      "  hint: Give -y (--yes) to delete it without being asked\n",
  });
  const { code, stderr } = await helyos(["project", "delete", "shop", "--json", "--server", daemon.server]);
  deepEqual([code, JSON.parse(stderr).code], [1, "confirmation_needed"]);
  equal(daemon.seen.length, 0);
});

Deno.test("helyos project delete asks first; anything but y leaves the project alone and exits 0", async () => {
  await using daemon = startFakeDaemon({ "DELETE /api/v1/projects/shop": () => new Response(null) });
  const question = "Are you sure you want to delete project 'shop' and all its resources? [y/N] ";
  for (const keys of ["n", "N", "\r", "xn", ""]) {
    const { code, stdout, stderr } = await helyos(["project", "delete", "shop", "--server", daemon.server], { keys });
    deepEqual([code, stdout], [0, ""]);
    equal(stderr.startsWith(question), true, stderr);
  }
  equal(daemon.seen.length, 0);
  deepEqual(await helyos(["project", "delete", "shop", "--server", daemon.server], { keys: "y" }), {
    code: 0,
    stdout: "✓ Project 'shop' deleted\n",
    stderr: `${question}yes\n`,
  });
  equal(daemon.seen.length, 1);
});

Deno.test("helyos project delete passes the daemon's refusal on", async () => {
  await using daemon = startFakeDaemon({
    "DELETE /api/v1/projects/a%2Fb": () =>
      Response.json({ error: "project not empty: a/b", code: "conflict" }, { status: 409 }),
  });
  deepEqual(await helyos(["project", "delete", "a/b", "-y", "--server", daemon.server]), {
    code: 1,
    stdout: "",
    stderr: "✗ project not empty: a/b\n",
  });
});

Deno.test("helyos project delete shows control characters of a name in its question", async () => {
  const { stderr } = await helyos(["project", "delete", "a\x1b[2K\rb"], { keys: "n" });
  equal(stderr.includes("\x1b"), false);
  equal(stderr.includes("'a\\x1b[2K\\rb'"), true);
});
