/**
 * Story: a client that is as strict as the original's CLI reads everything a daemon with data in it answers. Such a client gives up a
 * whole list for one missing field, one null where none may be, one unknown word, one date without a zone.
 */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { PinnedClient } from "@helyos/pinning";
import { freePort } from "../support/free_port.ts";
import { startDaemon, temporaryFolder } from "../support/process.ts";

/** Throws, naming `at`, for what is no such value. */
type Rule = (value: unknown, at: string) => void;

const must = (fits: boolean, at: string, value: unknown, what: string) =>
  ok(fits, `${at} is ${JSON.stringify(value)}, not ${what}`);
const text: Rule = (value, at) => must(typeof value === "string", at, value, "a string");
const pattern = (what: string, shape: RegExp): Rule => (value, at) =>
  must(typeof value === "string" && shape.test(value), at, value, what);
const uuid = pattern("a UUID", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const time: Rule = (value, at) =>
  must(typeof value === "string" && rfc3339.test(value) && !isNaN(Date.parse(value)), at, value, "a time with a zone");
const oneOf = (...words: string[]): Rule => (value, at) =>
  must(words.includes(value as string), at, value, `one of ${words.join(", ")}`);
/** Written as null, never left out. */
const orNull = (rule: Rule): Rule => (value, at) => value === null || rule(value, at);
const list = (rule: Rule): Rule => (value, at) => {
  must(Array.isArray(value), at, value, "an array");
  (value as unknown[]).forEach((one, index) => rule(one, `${at}[${index}]`));
};
/** Fields beyond these are skipped. */
const object = (fields: Readonly<Record<string, Rule>>): Rule => (value, at) => {
  must(typeof value === "object" && value !== null && !Array.isArray(value), at, value, "an object");
  for (const [name, rule] of Object.entries(fields)) rule((value as Record<string, unknown>)[name], `${at}.${name}`);
};

const project = object({ name: text, status: oneOf("active", "suspended"), created_at: time });
const identity = { name: text, scope: text, created_at: time, expires_at: orNull(time), last_used_at: orNull(time) };
const token = object({
  ...identity,
  id: uuid,
  token_prefix: pattern("12 characters", /^(nxa-api_.{4}|legacy)$/),
  revoked_at: orNull(time),
});
const newToken = object({
  id: uuid,
  name: text,
  token: pattern("a secret", /^nxa-api_[0-9a-f]{64}$/),
  scope: text,
  created_at: time,
  expires_at: orNull(time),
});
const route = object({
  domain: text,
  project: text,
  deployment: text,
  tls_mode: oneOf("none", "auto", "manual"),
  created_at: time,
});
const refusal = object({ error: pattern("a reason", /\S/) });
const proxy = { backend: text, acme_email: orNull(text) };

/** JSON as a decoder with whole numbers reads it: no decimal point, no exponent, no sign. */
function decode(body: string): unknown {
  // TypeScript does not know the third argument yet
  const wholeNumbers = (_: string, value: unknown, context: { source?: string } = {}) => {
    if (typeof value === "number") match(context.source!, /^\d+$/);
    return value;
  };
  return JSON.parse(body, wholeNumbers as (key: string, value: unknown) => unknown);
}

Deno.test("the strict client of these tests refuses what the original's CLI would", () => {
  const good = { name: "shop", status: "active", created_at: "2026-06-07T12:00:00.123456789Z" };
  list(project)([good], "projects");
  for (
    const bad of [{ name: null }, { status: "Active" }, { status: undefined }, { created_at: "2026-06-07T12:00:00" }]
  ) {
    throws(() => list(project)([good, { ...good, ...bad }], "projects"), /^AssertionError.*projects\[1\]\./s);
  }
  throws(() => decode('{"replicas": 1.0}'));
  throws(() => orNull(time)(undefined, "expires_at"));
});

Deno.test("helyosd answers a client as strict as the original's CLI, whatever it holds", async () => {
  await using home = await temporaryFolder();
  const [http, https] = [await freePort(), await freePort()];
  await using daemon = await startDaemon({
    home: home.path,
    flags: [
      ...["--tls", "on", "--proxy-backend", "embedded", "--acme-email", "ops@example.com"],
      ...["--acme-directory", `https://127.0.0.1:${await freePort()}/nobody`],
      ...["--http-listen", `127.0.0.1:${http}`, "--https-listen", `127.0.0.1:${https}`],
    ],
  });
  const ca = await Deno.readTextFile(`${home.path}/.helyos/data/http-ca.pem`);
  await using client = new PinnedClient({ origin: daemon.url, trust: { ca } });
  let secret = daemon.token!;
  const json = { "content-type": "application/json" };

  /** Sends one request, and holds what comes back against status and rule; without a rule the answer is empty. */
  async function ask(status: number, request: string, body?: unknown, rule?: Rule, type = json): Promise<unknown> {
    const [method, path] = request.split(" ") as [string, string];
    const response = await client.fetch(path, {
      method,
      headers: { ...(body === undefined ? {} : type), authorization: `Bearer ${secret}` },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const said = await response.text();
    equal(response.status, status, `${request}: ${said}`);
    if (rule === undefined) return void equal(said, "", request);
    match(response.headers.get("content-type") ?? "", /^application\/json\b/, request);
    const value = decode(said);
    rule(value, request);
    return value;
  }
  const get = (path: string, rule: Rule) => ask(200, `GET ${path}`, undefined, rule);

  // Tokens with every optional field, without any, used, rotated, revoked
  await ask(201, "POST /api/v1/tokens", { name: "ci", scope: "read", ttl_secs: 3600 }, newToken);
  await ask(201, "POST /api/v1/tokens", { name: "forever", scope: null, ttl_secs: null }, newToken);
  await ask(201, "POST /api/v1/tokens", { name: "forever ever", ttl_secs: -1 }, newToken);
  await ask(201, "POST /api/v1/tokens/ci/rotate", { overlap_secs: 60 }, newToken);
  await ask(204, "DELETE /api/v1/tokens/forever%20ever");
  const { token: used } = await ask(201, "POST /api/v1/tokens", { name: "me", ttl_secs: 60 }, newToken) as {
    token: string;
  };
  secret = used;
  await get("/api/v1/whoami", object(identity));
  const tokens = await get("/api/v1/tokens", list(token)) as Record<string, unknown>[];
  for (const field of ["expires_at", "last_used_at", "revoked_at"]) {
    deepEqual(new Set(tokens.map((one) => one[field] === null)), new Set([true, false]), field);
  }

  // Projects, active and suspended; the calls without a body carry no content type either
  await ask(201, "POST /api/v1/projects", { name: "shop" }, project);
  await ask(201, "POST /api/v1/projects", { name: "old" }, project);
  await ask(200, "POST /api/v1/projects/old/suspend");
  const projects = await get("/api/v1/projects", list(project)) as { status: string }[];
  deepEqual(projects.map((one) => one.status).sort(), ["active", "suspended"]);
  await ask(200, "POST /api/v1/projects/old/resume");
  await ask(200, "DELETE /api/v1/projects/old");

  // Routes of each mode, an imported certificate, the proxy
  const created = object({ domain: text, status: oneOf("created") });
  for (const tls_mode of ["none", "auto", "manual", undefined]) {
    const input = { domain: `${tls_mode ?? "plain"}.example.com`, project: "shop", deployment: "web", tls_mode };
    await ask(201, "POST /api/v1/routes", input, created);
  }
  const routes = await get("/api/v1/routes?project=shop", list(route)) as { tls_mode: string }[];
  deepEqual(routes.map((one) => one.tls_mode), ["auto", "manual", "none", "none"]);
  const keys = await generateKeyPair();
  const issuer = await createRootCa({ commonName: "Example CA", key: keys });
  const leaf = await generateKeyPair();
  const certificate = await issueCertificate({
    issuer: { certificate: issuer.pem, key: keys },
    profile: "server",
    publicKey: leaf.publicKey,
    commonName: "manual.example.com",
    names: { dns: ["manual.example.com"] },
  });
  const pair = { domain: "manual.example.com", cert_pem: certificate.pem, key_pem: await exportPrivateKey(leaf) };
  await ask(201, "POST /api/v1/certs/import", pair, object({ domain: text, status: oneOf("imported") }));
  await ask(200, "DELETE /api/v1/routes/plain.example.com");
  await get("/api/v1/cluster/config/proxy", object(proxy));
  await ask(200, "POST /api/v1/cluster/config/proxy", {}, object({ ...proxy, status: oneOf("updated") }));

  // What nothing runs yet is an empty list, never null
  for (const path of ["deployments", "pods", "nodes"]) deepEqual(await get(`/api/v1/${path}`, list(text)), []);
  await get("/api/v1/version", object({ version: text, api: oneOf("v1") }));
  await get("/api/v1/ca", object({ pem: oneOf(ca), sha256: pattern("hex pairs", /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/) }));

  // Refusals of every status
  const refused: readonly (readonly [number, string, unknown?])[] = [
    [400, "POST /api/v1/projects", "{"],
    [404, "GET /api/v1/nothing"],
    [404, "DELETE /api/v1/projects/nobody"],
    [404, "DELETE /api/v1/tokens/nobody"],
    [404, "DELETE /api/v1/routes/nobody.example.com"],
    [405, "DELETE /api/v1/projects"],
    [409, "POST /api/v1/projects", { name: "shop" }],
    [409, "POST /api/v1/tokens", { name: "me" }],
    [409, "POST /api/v1/routes", { domain: "none.example.com", project: "shop", deployment: "web" }],
    [413, "POST /api/v1/projects", { name: "x".repeat(3 << 20) }],
    [422, "POST /api/v1/tokens", { name: " " }],
    [422, "POST /api/v1/projects", { name: 1 }],
  ];
  for (const [status, request, body] of refused) await ask(status, request, body, refusal);
  await ask(415, "POST /api/v1/projects", "name=shop", refusal, { "content-type": "text/plain" });
  const { token: reader } = await ask(201, "POST /api/v1/tokens", { name: "reader", scope: "read" }, newToken) as {
    token: string;
  };
  secret = reader;
  await ask(403, "DELETE /api/v1/projects/shop", undefined, refusal);
  secret = "nxa-api_" + "0".repeat(64);
  for (let attempt = 0; attempt < 20; attempt++) await ask(401, "GET /api/v1/projects", undefined, refusal);
  await ask(429, "GET /api/v1/projects", undefined, refusal);
});
