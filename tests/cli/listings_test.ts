import { deepEqual, equal } from "node:assert/strict";
import { helyos, startFakeDaemon } from "./terminal.ts";

const NOW = new Date("2026-06-10T12:00:00Z");
const ID = "0b6f3c1e-6f0f-4f55-9a5e-3f6a0c1d2e3f";

const POD = {
  created_at: "2026-06-10T11:15:00Z",
  restart_count: 0,
  image: "nginx:1.27",
  status: "running",
  unknown_field: "dropped",
  replica_index: 0,
  deployment_name: "api",
  project: "shop",
  deployment_id: ID,
  id: ID,
};

const DEPLOYMENT = {
  id: ID,
  spec: { deployment: { name: "api" }, project: "shop", image: "nginx:1.27", extra: 1 },
  status: "degraded",
  created_at: "2026-06-07T12:00:00.123Z",
  updated_at: "2026-06-07T12:00:01.456Z",
};

const NODE = {
  id: ID,
  name: "alpha",
  address: "10.0.0.1:6444",
  role: "master",
  status: "notready",
  resources: {
    cpu_cores: 4,
    memory_bytes: 1000,
    cpu_available: 1,
    memory_available: 150,
    running_pods: 3,
  },
  last_heartbeat: "2026-06-10T11:59:30Z",
  joined_at: "2026-06-01T00:00:00Z",
};

const ROUTE = { tls_mode: "auto", domain: "shop.example.com", project: "shop", future: { b: 1, a: 2 } };

async function configured(project: string, server: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(
    path,
    `current-context = "prod"\n\n[context.prod]\nserver = "${server}"\ntoken = "nxa-api_0"\nproject = "${project}"\n`,
    { mode: 0o600 },
  );
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("helyos pods draws a panel and passes -p on", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/pods": [POD] });
  const { code, stdout, stderr } = await helyos(["pods", "-pshop", "--server", daemon.server], { now: NOW });
  equal(
    stdout,
    [
      "┌──────────────────────────────────────────────────────────────────────────────┐",
      "│ ● Pods                                                               1 total │",
      "├──────────────────────────────────────────────────────────────────────────────┤",
      "│ NAME               PROJECT  DEPLOYMENT  STATUS     IMAGE       AGE           │",
      "│ ──────────────────────────────────────────────────────────────────────────── │",
      "│ helyos-shop-api-0  shop     api         ● running  nginx:1.27  45m           │",
      "└──────────────────────────────────────────────────────────────────────────────┘",
      "",
    ].join("\n"),
  );
  deepEqual([code, stderr, daemon.seen[0]?.path], [0, "", "/api/v1/pods?project=shop"]);
});

Deno.test("helyos pods --json prints the model in its own order: defaults appear, unknown fields vanish", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/pods": [POD] });
  const { stdout } = await helyos(["--json", "pods", "--server", daemon.server]);
  equal(
    stdout,
    `[
  {
    "id": "${ID}",
    "deployment_id": "${ID}",
    "project": "shop",
    "deployment_name": "api",
    "replica_index": 0,
    "node_id": null,
    "container_id": null,
    "container_ip": null,
    "status": "running",
    "image": "nginx:1.27",
    "restart_count": 0,
    "created_at": "2026-06-10T11:15:00Z"
  }
]
`,
  );
});

Deno.test("helyos deployments draws a panel, and its JSON follows the model", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/deployments": [DEPLOYMENT] });
  const drawn = await helyos(["deployments", "--server", daemon.server], { now: NOW });
  equal(drawn.stdout.split("\n")[1]?.startsWith("│ ◎ Deployments"), true);
  equal(
    drawn.stdout.split("\n")[5]?.trimEnd(),
    `│ api   shop     ● degraded  1         nginx:1.27  2d${" ".repeat(26)}│`,
  );
  const { stdout } = await helyos(["deployments", "--json", "--server", daemon.server]);
  deepEqual(Object.keys(JSON.parse(stdout)[0]), ["id", "spec", "status", "created_at", "updated_at"]);
  deepEqual(JSON.parse(stdout)[0].spec, {
    project: "shop",
    deployment: { name: "api" },
    replicas: 1,
    image: "nginx:1.27",
    ports: [],
    env: {},
    volumes: [],
    secrets: [],
    network: null,
    healthcheck: null,
    restart: "always",
    resources: null,
  });
});

Deno.test("helyos nodes draws gauges, and says so when there are none", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/nodes": [NODE] });
  const { stdout } = await helyos(["nodes", "--server", daemon.server], { now: NOW });
  const row = stdout.split("\n")[5] ?? "";
  equal(row.trim(), "│ alpha  Master  ● notready  ████████████░░░░  75%  █████████████░░░  85%  3     30s │");
  await using single = startFakeDaemon({ "GET /api/v1/nodes": [] });
  deepEqual(await helyos(["nodes", "--server", single.server]), {
    code: 0,
    stdout: "",
    stderr: "⚠ No nodes registered. Running in single-node mode.\n",
  });
  deepEqual(await helyos(["nodes", "--json", "--server", single.server]), { code: 0, stdout: "[]\n", stderr: "" });
});

Deno.test("helyos routes reads loosely, and its JSON keeps what it does not know, in alphabetical order", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/routes": [ROUTE] });
  const drawn = await helyos(["routes", "--server", daemon.server]);
  equal(/│ shop\.example\.com {2}shop {5}- {11}auto {2}- /.test(drawn.stdout), true, drawn.stdout);
  const { stdout } = await helyos(["routes", "--json", "--server", daemon.server]);
  deepEqual(Object.keys(JSON.parse(stdout)[0]), ["domain", "future", "project", "tls_mode"]);
  deepEqual(Object.keys(JSON.parse(stdout)[0].future), ["a", "b"]);
});

Deno.test("helyos routes refuses an answer that is no list", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/routes": { routes: [] } });
  const { code, stdout, stderr } = await helyos(["routes", "--server", daemon.server]);
  deepEqual([code, stdout], [1, ""]);
  equal(stderr, "✗ cannot understand the daemon's answer: expected a list of routes\n");
});

Deno.test("helyos pods rejects a status outside the closed set", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/pods": [{ ...POD, status: "Running" }] });
  const { code, stderr } = await helyos(["pods", "--json", "--server", daemon.server]);
  equal(code, 1);
  equal(JSON.parse(stderr).code, "bad_answer");
});

Deno.test("helyos pods, deployments and routes say when the context's project narrows them", async () => {
  await using daemon = startFakeDaemon({
    "GET /api/v1/pods": [],
    "GET /api/v1/deployments": [],
    "GET /api/v1/routes": [],
  });
  await using config = await configured("web", daemon.server);
  const env = { HELYOS_CONFIG: config.path };
  for (const listing of ["pods", "deployments", "routes"]) {
    const note = `note: only project 'web', the default of context 'prod'; ` +
      `for every project: helyos ${listing} --all-projects\n`;
    const { code, stdout, stderr } = await helyos([listing], { env });
    deepEqual([code, stderr, daemon.seen.at(-1)?.path], [0, note, `/api/v1/${listing}?project=web`]);
    equal(stdout.includes("0 total"), true);
    deepEqual(await helyos([listing, "--json"], { env }), { code: 0, stdout: "[]\n", stderr: note });
    for (const all of ["-A", "--all-projects"]) {
      equal((await helyos([listing, all], { env })).stderr, "");
      equal(daemon.seen.at(-1)?.path, `/api/v1/${listing}`);
    }
    equal((await helyos([listing, "-p", "shop"], { env })).stderr, "");
    equal(daemon.seen.at(-1)?.path, `/api/v1/${listing}?project=shop`);
  }
});

Deno.test("helyos pods refuses an empty project, and a project together with all of them", async () => {
  for (const tokens of [["pods", "-p", ""], ["pods", "--project=", "-A"], ["routes", "-p", "web", "-A"]]) {
    await using daemon = startFakeDaemon({});
    const { code, stdout } = await helyos([...tokens, "--server", daemon.server]);
    deepEqual([code, stdout, daemon.seen.length], [2, "", 0]);
  }
});

Deno.test("helyos project list neutralises what a name would do to the terminal", async () => {
  const name = "\x1b]0;owned\x07\u202eevil";
  await using daemon = startFakeDaemon({
    "GET /api/v1/projects": [{ name, status: "active", created_at: "2026-06-10T11:59:59.9Z" }],
  });
  const { stdout } = await helyos(["project", "list", "--server", daemon.server], { now: NOW });
  equal(
    stdout.split("\n")[5],
    "│ \\x1b]0;owned\\x07\\u{202e}evil  just now                                       │",
  );
});
