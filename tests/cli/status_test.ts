import { deepEqual, equal, match } from "node:assert/strict";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { type Answers, helyos, startFakeDaemon } from "./terminal.ts";

const ID = "0b6f3c1e-6f0f-4f55-9a5e-3f6a0c1d2e3f";
const TIME = "2026-06-07T12:00:00Z";

function deployment(status: string) {
  const spec = { project: "shop", deployment: { name: "api" }, image: "nginx" };
  return { id: ID, spec, status, created_at: TIME, updated_at: TIME };
}

function pod(status: string) {
  return {
    id: ID,
    deployment_id: ID,
    project: "shop",
    deployment_name: "api",
    replica_index: 0,
    status,
    image: "nginx",
    restart_count: 0,
    created_at: TIME,
  };
}

const HEALTHY: Answers = {
  "GET /api/v1/projects": [{ name: "shop", status: "active", created_at: TIME }],
  "GET /api/v1/deployments": ["running", "running", "stopped", "degraded"].map(deployment),
  "GET /api/v1/pods": ["running", "restarting", "failed"].map(pod),
  "GET /api/v1/nodes": [],
  "GET /api/v1/version": { version: "0.4.0", api: "v1" },
  "GET /api/v1/whoami": { name: "alice", scope: "admin" },
};

Deno.test("helyos status shows the cluster, the version, the trust and the caller", async () => {
  await using daemon = startFakeDaemon(HEALTHY);
  const { code, stdout, stderr } = await helyos(["status", "--server", daemon.server]);
  deepEqual([code, stderr], [0, ""]);
  deepEqual(stdout.split("\n").slice(1, -2).map((line) => line.slice(1, -1).trimEnd()), [
    " ⊞ Cluster Status",
    "─".repeat(78),
    "            Mode  single-node",
    "          Status  ● running",
    "        Projects  1",
    "     Deployments  2 running · 1 stopped",
    "            Pods  1 running · 1 restarting",
    "         Version  0.4.0",
    `          Server  ${daemon.server}`,
    "             TLS  http",
    "        Identity  alice (admin)",
  ]);
});

Deno.test("helyos status --json keeps the original's keys and adds ours", async () => {
  await using daemon = startFakeDaemon(HEALTHY);
  const { stdout } = await helyos(["status", "--json", "--server", daemon.server]);
  deepEqual(JSON.parse(stdout), {
    certificate: null,
    cluster: "single-node",
    deployments: { running: 2, stopped: 1, total: 4 },
    identity: { name: "alice", scope: "admin" },
    nodes: 0,
    pods: { restarting: 1, running: 1, total: 3 },
    projects: 1,
    server: daemon.server,
    tls: "http",
    version: "0.4.0",
  });
  deepEqual(Object.keys(JSON.parse(stdout)), Object.keys(JSON.parse(stdout)).toSorted());
});

Deno.test("helyos status ignores that nodes, version and identity are missing", async () => {
  const { "GET /api/v1/projects": projects, "GET /api/v1/deployments": deployments, "GET /api/v1/pods": pods } =
    HEALTHY;
  await using daemon = startFakeDaemon({
    "GET /api/v1/projects": projects,
    "GET /api/v1/deployments": deployments,
    "GET /api/v1/pods": pods,
  });
  const { code, stdout } = await helyos(["status", "--server", daemon.server]);
  equal(code, 0);
  match(stdout, /Version {2}- /);
  match(stdout, /Identity {2}- /);
});

Deno.test("helyos status exits 1 when nobody listens, with the cause", async () => {
  const server = await addressOfNobody();
  const { code, stdout, stderr } = await helyos(["status", "--server", server]);
  deepEqual([code, stdout], [1, ""]);
  match(stderr, /^✗ Cannot connect to helyosd at 127\.0\.0\.1:\d+: .*refused/);
  const json = await helyos(["status", "--json", "--server", server]);
  deepEqual([json.code, json.stdout, JSON.parse(json.stderr).code], [1, "", "refused"]);
});

Deno.test("helyos status exits 1 when the token is not accepted, and --wait does not wait for that", async () => {
  await using daemon = startFakeDaemon({
    "GET /api/v1/projects": () =>
      Response.json({ error: "missing or invalid bearer token", code: "unauthorized" }, { status: 401 }),
  });
  for (const wait of [[], ["--wait", "600"]]) {
    const { code, stderr } = await helyos(["status", ...wait, "--server", daemon.server], {
      env: { HELYOS_API_TOKEN: "nxa-api_0" },
    });
    equal(code, 1);
    equal(stderr, "✗ missing or invalid bearer token\n  hint: Check your authentication credentials\n");
  }
  equal(daemon.seen[0]?.authorization, "Bearer nxa-api_0");
});

Deno.test("helyos status --wait tries until the daemon is healthy", async () => {
  let refusals = 3;
  await using daemon = startFakeDaemon({
    ...HEALTHY,
    "GET /api/v1/projects": () =>
      refusals-- > 0
        ? Response.json({ error: "starting", code: "unavailable" }, { status: 503 })
        : Response.json(HEALTHY["GET /api/v1/projects"]),
  });
  const { code, stdout } = await helyos(["status", "--wait", "30", "--server", daemon.server]);
  equal(code, 0);
  match(stdout, /● running/);
});

Deno.test("helyos status --wait gives up in time, with the last cause", async () => {
  const { code, stderr } = await helyos(["status", "--wait", "1", "--server", await addressOfNobody()]);
  equal(code, 1);
  match(stderr, /refused.*\(tried for 1 s\)/);
});

Deno.test("helyos status shows how many days the verified certificate has left", async () => {
  const { ca, tls } = await authority();
  await using daemon = startFakeDaemon(HEALTHY, tls);
  await using config = await pinned(daemon.server, ca);
  const { code, stdout, stderr } = await helyos(["status"], { env: { HELYOS_CONFIG: config.path } });
  deepEqual([code, stderr], [0, ""]);
  match(stdout, /TLS {2}pinned /);
  match(stdout, /Certificate {2}29 days left \(until \d{4}-\d\d-\d\d\) /);
  const json = JSON.parse((await helyos(["status", "--json"], { env: { HELYOS_CONFIG: config.path } })).stdout);
  deepEqual([json.tls, json.certificate.days_left, Object.keys(json.certificate)], [
    "pinned",
    29,
    ["days_left", "not_after"],
  ]);
  equal(daemon.seen.every(({ authorization }) => authorization === "Bearer nxa-api_canary"), true);
});

Deno.test("helyos status exits 1 when the server is not the pinned one; --wait does not wait, nothing is sent", async () => {
  const { tls } = await authority();
  const { ca } = await authority();
  await using daemon = startFakeDaemon(HEALTHY, tls);
  await using config = await pinned(daemon.server, ca);
  for (const wait of [[], ["--wait", "600"]]) {
    const { code, stdout, stderr } = await helyos(["status", "--json", ...wait], {
      env: { HELYOS_CONFIG: config.path },
    });
    deepEqual([code, stdout, JSON.parse(stderr).code], [1, "", "unknown_ca"]);
    equal(stderr.includes("canary"), false);
  }
  equal(daemon.seen.length, 0);
});

/** A CA, and a server certificate for the loopback that it issued. */
async function authority(): Promise<{ ca: string; tls: { cert: string; key: string } }> {
  const key = await generateKeyPair();
  const ca = await createRootCa({ commonName: "Test CA", key });
  const pair = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key },
    profile: "server",
    publicKey: pair.publicKey,
    commonName: "127.0.0.1",
    names: { ip: ["127.0.0.1"] },
    lifetimeSeconds: 30 * 86_400,
  });
  return { ca: ca.pem, tls: { cert: leaf.pem, key: await exportPrivateKey(pair) } };
}

async function pinned(server: string, ca: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.chmod(path, 0o600);
  await Deno.writeTextFile(
    path,
    `[context.prod]\nserver = "${server}"\ntoken = "nxa-api_canary"\nca = "${btoa(ca)}"\n`,
  );
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** An address that was free a moment ago. */
async function addressOfNobody(): Promise<string> {
  await using daemon = startFakeDaemon({});
  return daemon.server;
}
