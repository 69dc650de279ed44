import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { deepEqual, equal, match } from "node:assert/strict";
import { temporaryFolder } from "../support/process.ts";
import { helyos, startFakeDaemon } from "./terminal.ts";

const HTTP_WARNING = "Warning: communicating over unencrypted HTTP. Secrets and tokens may be exposed.\n" +
  "  Use --server https://... for production environments.\n\n";

async function config(text: string) {
  const home = await temporaryFolder();
  const path = `${home.path}/config.toml`;
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  return {
    env: { HELYOS_CONFIG: path },
    text: () => Deno.readTextFile(path),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

Deno.test("helyos warns of plain HTTP to another machine, also with --json, and not on this one", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": { name: "a", scope: "read" } });
  const abroad = daemon.server.replace("127.0.0.1", "0.0.0.0"); // Reaches this machine, and does not look like it.
  await using home = await config(`[context.a]\nserver = "${abroad}"\ntoken = "t"\n`);
  equal((await helyos(["whoami"], { env: home.env })).stderr, HTTP_WARNING);
  equal((await helyos(["whoami", "--json"], { env: home.env })).stderr, HTTP_WARNING);
  equal((await helyos(["context", "ls"], { env: home.env })).stderr, "");
  equal(
    (await helyos(["whoami", "--server", daemon.server, "--context", "a", "--json"], { env: home.env })).stderr,
    "",
  );
  deepEqual(daemon.seen.map(({ authorization }) => authorization), ["Bearer t", "Bearer t", null]);
});

Deno.test("helyos says whose token it held back, and a refusal for the lack of it says so again", async () => {
  const refusal = () => Response.json({ error: "missing or invalid bearer token" }, { status: 401 });
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": refusal });
  await using home = await config('[context.prod]\nserver = "https://prod:6443"\ntoken = "t"\n');
  const outcome = await helyos(["whoami"], { env: { ...home.env, HELYOS_SERVER: daemon.server } });
  const held = `the token of context 'prod' is for https://prod:6443 and was held back from ${daemon.server}`;
  equal(outcome.stderr, `⚠ ${held}\n✗ missing or invalid bearer token\n  hint: ${held}\n`);
  const json = await helyos(["whoami", "--json", "--server", daemon.server], { env: home.env });
  equal(JSON.parse(json.stderr).hint, held);
  deepEqual(daemon.seen.map(({ authorization }) => authorization), [null, null]);
});

Deno.test("helyos goes through no proxy but the one that --proxy names", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": { name: "a", scope: "read" } });
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const nobody = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const env = Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].map((name) => [name, nobody]),
  );
  equal((await helyos(["whoami", "--server", daemon.server], { env })).code, 0);
  const named = await helyos(["whoami", "--server", daemon.server, "--proxy", nobody]);
  equal(named.code, 1);
  match(named.stderr, /^✗ Cannot connect to the proxy 127\.0\.0\.1:\d+: nothing listens there/);
  match(named.stderr, /hint: Check the proxy given with --proxy: 127\.0\.0\.1:/);
  const junk = await helyos(["whoami", "--server", daemon.server, "--proxy", "socks5://u:secret@h"]);
  equal(junk.code, 1);
  match(junk.stderr, /^✗ Invalid proxy: an address like http:/);
  equal(junk.stderr.includes("secret"), false);
  equal(daemon.seen.length, 1);
});

Deno.test("helyos never follows a redirect elsewhere with a token", async () => {
  await using elsewhere = startFakeDaemon({ "GET /api/v1/whoami": { name: "mallory", scope: "admin" } });
  await using daemon = startFakeDaemon({
    "GET /api/v1/whoami": () => Response.redirect(`${elsewhere.server}/api/v1/whoami`),
  });
  const outcome = await helyos(["whoami", "--server", daemon.server, "--json"], { env: { HELYOS_API_TOKEN: "t" } });
  equal(JSON.parse(outcome.stderr).code, "redirect_off_origin");
  deepEqual(elsewhere.seen, []);
});

Deno.test("helyos lets no stranger fill the terminal with a complaint", async () => {
  const flood = "x".repeat(1_000_000);
  await using daemon = startFakeDaemon({
    "GET /api/v1/whoami": () => new Response(flood, { status: 418 }),
    "GET /api/v1/projects": () => Response.json({ error: flood }, { status: 400 }),
  });
  for (const line of [["whoami"], ["whoami", "--json"], ["project", "list"]]) {
    const outcome = await helyos([...line, "--server", daemon.server]);
    deepEqual([outcome.code, outcome.stdout], [1, ""]);
    equal(outcome.stderr.length < 5_000, true, line.join(" "));
  }
});

const base64 = (pem: string) => new TextEncoder().encode(pem).toBase64();

/** A daemon whose CA was renewed: it serves under the new one, and shows what the old one signed for it. */
async function renewed(options: { readonly vouchedFor: boolean }) {
  const [oldKey, newKey, leafKey, strangerKey] = await Promise.all([0, 1, 2, 3].map(() => generateKeyPair()));
  const old = await createRootCa({ commonName: "helyos CA", key: oldKey!, pathLength: 1 });
  const next = await createRootCa({ commonName: "helyos CA 2", key: newKey! });
  const stranger = await createRootCa({ commonName: "helyos CA 2", key: strangerKey! });
  const link = await issueCertificate({
    issuer: { certificate: old.pem, key: oldKey! },
    profile: "intermediate",
    publicKey: newKey!.publicKey,
    commonName: "helyos CA 2",
  });
  const leaf = await issueCertificate({
    issuer: { certificate: next.pem, key: newKey! },
    profile: "server",
    publicKey: leafKey!.publicKey,
    commonName: "localhost",
    names: { dns: ["localhost"] },
  });
  const offered = options.vouchedFor ? next.pem : stranger.pem;
  const asked: string[] = [];
  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen() {},
    cert: leaf.pem + link.pem,
    key: await exportPrivateKey(leafKey!),
  }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return Response.json(pathname === "/api/v1/ca" ? { pem: offered, sha256: "" } : { name: "a", scope: "admin" });
  });
  return {
    old: old.pem,
    offered,
    asked,
    server: `https://localhost:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("helyos keeps its pin when nobody vouches for the CA on offer", async () => {
  await using daemon = await renewed({ vouchedFor: false });
  await using home = await config(
    `[context.a]\nserver = "${daemon.server}"\ntoken = "t"\nca = "${base64(daemon.old)}"\n`,
  );
  const before = await home.text();
  const outcome = await helyos(["whoami"], { env: home.env });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(await home.text(), before);
});

Deno.test("helyos moves its pin to the CA that the pinned one signed for, once", async () => {
  await using daemon = await renewed({ vouchedFor: true });
  await using home = await config(
    `[context.a]\nserver = "${daemon.server}"\ntoken = "t"\nca = "${base64(daemon.old)}"\n`,
  );
  const outcome = await helyos(["whoami"], { env: home.env });
  equal(outcome.code, 0);
  match(
    outcome.stderr,
    /^⚠ the daemon of context 'a' has a new CA, signed for by the old one; pinned it: (..:){31}..\n$/,
  );
  match(await home.text(), new RegExp(`^ca = "${base64(daemon.offered).replaceAll("+", "\\+")}"\nca-sha256 = `, "m"));
  const again = await helyos(["whoami"], { env: home.env });
  deepEqual([again.code, again.stderr], [0, ""]);
  deepEqual(daemon.asked, ["/api/v1/whoami", "/api/v1/ca", "/api/v1/whoami"]);
});
