import { deepEqual, equal, match } from "node:assert/strict";
import { helyos, startFakeDaemon } from "./terminal.ts";

const ROUTE = {
  domain: "shop.example.com",
  project: "shop",
  deployment: "web",
  tls_mode: "auto",
  created_at: "2026-06-07T12:00:00Z",
  upstreams: [],
  status: "no_upstream",
  reason: "nothing answers yet; visitors get 503",
};

const CERTIFICATE = {
  domain: "shop.example.com",
  names: ["shop.example.com"],
  source: "acme",
  state: "served",
  issuer: "CN=Test",
  fingerprint: "aa:bb",
  not_before: "2026-06-07T12:00:00Z",
  not_after: "2026-09-05T12:00:00Z",
  days_left: 87,
  next_renewal: "2026-08-05T12:00:00Z",
  next_attempt: null,
  failures: 0,
  last_error: null,
  checked_at: null,
};

Deno.test("helyos route add refuses what makes no sense before it calls", async () => {
  const refused = async (...tokens: string[]) => {
    const { code, stderr, stdout } = await helyos(["route", "add", ...tokens, "--server", "http://127.0.0.1:1"]);
    deepEqual([code, stdout], [2, ""]);
    return stderr;
  };
  match(await refused("a.example"), /--project <PROJECT>\n.*--deployment <DEPLOYMENT>/);
  match(await refused("a.example", "-p", "p", "--deployment", "d", "--tls", "maybe"), /none, auto, manual/);
  match(
    await refused("a.example", "-p", "p", "--deployment", "d", "--tls", "manual", "--https"),
    /cannot be used with/,
  );
});

Deno.test("helyos route add sends the contract's body, and upstreams when there are any", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/routes": () => Response.json({ domain: "a.example", status: "created" }, { status: 201 }),
  });
  const add = (...tokens: string[]) =>
    helyos(["route", "add", "A.example", "-pshop", "--deployment", "web", ...tokens, "--server", daemon.server]);
  equal((await add()).stdout, "✓ Route 'a.example' -> shop/web (none)\n");
  equal((await add("--https")).stdout, "✓ Route 'a.example' -> shop/web (auto)\n");
  const { stdout } = await add("--tls", "manual", "--upstream", "a:1", "--upstream=b:2", "--json");
  deepEqual(JSON.parse(stdout), {
    status: "ok",
    domain: "a.example",
    project: "shop",
    deployment: "web",
    tls_mode: "manual",
  });
  const base = { domain: "A.example", project: "shop", deployment: "web" };
  deepEqual(daemon.seen.map(({ body }) => body), [
    { ...base, tls_mode: "none" },
    { ...base, tls_mode: "auto" },
    { ...base, tls_mode: "manual", upstreams: ["a:1", "b:2"] },
  ]);
});

Deno.test("helyos route rm encodes the domain", async () => {
  await using daemon = startFakeDaemon({ "DELETE /api/v1/routes/*.a.example": () => new Response(null) });
  const { stdout, stderr } = await helyos(["route", "rm", "*.a.example", "--server", daemon.server]);
  equal(stdout, "✓ Route '*.a.example' removed\n", stderr);
});

Deno.test("helyos routes shows how routes fare when the daemon says so, and why not", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/routes": [ROUTE] });
  const { code, stdout, stderr } = await helyos(["routes", "--server", daemon.server]);
  equal(code, 0);
  match(stdout, /DOMAIN\s+PROJECT\s+DEPLOYMENT\s+TLS\s+CREATED\s+STATUS/);
  match(stdout, /shop\.example\.com\s+shop\s+web\s+auto\s+2026-06-07T12:00:00Z\s+● no_upstream/);
  equal(stderr, "⚠ shop.example.com: nothing answers yet; visitors get 503\n");
});

Deno.test("helyos cert ls, inspect and renew show what the daemon knows", async () => {
  await using daemon = startFakeDaemon({
    "GET /api/v1/certs": [
      { ...CERTIFICATE, days_left: 3 },
      { ...CERTIFICATE, domain: "b.example", state: "failed", last_error: "no DNS" },
      { ...CERTIFICATE, domain: "c.example", source: "import", days_left: 30 },
      { ...CERTIFICATE, domain: "d.example", source: "import", days_left: 29 },
      { ...CERTIFICATE, domain: "e.example", source: "import", days_left: -1 },
    ],
    "GET /api/v1/certs/shop.example.com": { ...CERTIFICATE, chain_pem: "PEM\n" },
    "POST /api/v1/certs/shop.example.com/renew": {
      domain: "shop.example.com",
      status: "not_due",
      reason: "due later",
    },
  });
  const said = (...tokens: string[]) => helyos(["cert", ...tokens, "--server", daemon.server]);
  const list = await said("ls");
  match(list.stdout, /shop\.example\.com\s+acme\s+● served\s+3\s+2026-08-05T12:00:00Z/);
  deepEqual(list.stderr.split("\n"), [
    "⚠ b.example: no DNS",
    "⚠ d.example: the imported certificate ends in 29 days; import a new one",
    "⚠ e.example: the imported certificate has expired; import a new one",
    "",
  ]);
  match((await said("inspect", "shop.example.com")).stdout, /Issuer\s+CN=Test/);
  equal((await said("inspect", "shop.example.com", "--pem")).stdout, "PEM\n");
  equal((await said("renew", "shop.example.com", "--dry-run")).stdout, "✓ 'shop.example.com' is not due: due later\n");
  deepEqual(daemon.seen.at(-1)!.body, { dry_run: true });
});

Deno.test("helyos cert import refuses files that are none, and passes warnings on", async () => {
  await using daemon = startFakeDaemon({
    "POST /api/v1/certs/import": () =>
      Response.json({ domain: "a.example", status: "imported", warnings: ["self-signed"] }, { status: 201 }),
  });
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/cert.pem`, "-----BEGIN CERTIFICATE-----\n");
    await Deno.writeTextFile(`${folder}/cert.der`, "\x30\x82");
    const take = (cert: string) =>
      helyos([
        ...["cert", "import", "a.example", "--cert", `${folder}/${cert}`, "--key", `${folder}/cert.pem`],
        ...["--server", daemon.server],
      ]);
    match((await take("none.pem")).stderr, /cannot read .*none\.pem: no such file/);
    match((await take("cert.der")).stderr, /is no PEM file/);
    equal(daemon.seen.length, 0);
    const { stdout, stderr } = await take("cert.pem");
    deepEqual([stdout, stderr], ["✓ Certificate for 'a.example' imported\n", "⚠ self-signed\n"]);
    const body = daemon.seen[0]!.body as Record<string, string>;
    deepEqual(Object.keys(body).sort(), ["cert_pem", "domain", "key_pem"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("helyos cert rm asks, and without a terminal wants -y", async () => {
  await using daemon = startFakeDaemon({ "DELETE /api/v1/certs/a.example": () => new Response(null) });
  const rm = (tokens: string[], keys?: string) =>
    helyos(["cert", "rm", "a.example", ...tokens, "--server", daemon.server], keys === undefined ? {} : { keys });
  equal((await rm([])).code, 1);
  equal((await rm([], "n")).code, 0);
  equal(daemon.seen.length, 0);
  equal((await rm(["-y"])).stdout, "✓ Certificate of 'a.example' removed\n");
});

Deno.test("helyos cert doctor exits with 1 when something stands in the way", async () => {
  const finding = (result: string) => ({ check: "dns", result, detail: "a.example is at 203.0.113.1." });
  await using well = startFakeDaemon({ "GET /api/v1/certs/a.example/doctor": [finding("ok"), finding("skipped")] });
  await using ill = startFakeDaemon({ "GET /api/v1/certs/a.example/doctor": [finding("ok"), finding("problem")] });
  const doctor = (server: string) => helyos(["cert", "doctor", "a.example", "--server", server]);
  const healthy = await doctor(well.server);
  const detail = "dns: a.example is at 203.0.113.1.\n";
  deepEqual([healthy.code, healthy.stdout], [0, `✓ ${detail}• ${detail}`]);
  const { code, stdout } = await doctor(ill.server);
  equal(code, 1);
  equal(stdout, `✓ ${detail}✗ ${detail}`);
});
