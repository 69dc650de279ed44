import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, type KeyPair } from "@helyos/pki";
import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { temporaryFolder } from "../../support/process.ts";
import { helyos, type Outcome, startFakeDaemon, type TerminalOptions } from "../terminal.ts";

const TOKEN = "nxa-api_" + "ab".repeat(32);

interface Authority {
  readonly pem: string;
  readonly key: KeyPair;
}

async function makeCa(): Promise<Authority> {
  const key = await generateKeyPair();
  return { pem: (await createRootCa({ commonName: "test CA", key })).pem, key };
}

interface Daemon extends AsyncDisposable {
  readonly server: string;
  /** `METHOD /path authorization` of every request. */
  readonly seen: string[];
}

interface DaemonOptions {
  /** The CA it serves under. */
  readonly ca: Authority;
  /** What it answers to `GET /api/v1/ca`; its own CA by default. */
  readonly offer?: () => Response;
  readonly dns?: string;
}

async function startDaemon({ ca, offer, dns = "localhost" }: DaemonOptions): Promise<Daemon> {
  const key = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key: ca.key },
    profile: "server",
    publicKey: key.publicKey,
    commonName: dns,
    names: { dns: [dns] },
  });
  const seen: string[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen() {}, cert: leaf.pem, key: await exportPrivateKey(key) };
  const sha256 = await fingerprint(ca.pem);
  const server = Deno.serve(options, (request) => {
    const { pathname } = new URL(request.url);
    const authorization = request.headers.get("authorization");
    seen.push(`${request.method} ${pathname} ${authorization}`);
    if (pathname === "/api/v1/ca") return offer?.() ?? Response.json({ pem: ca.pem, sha256 });
    if (pathname === "/api/v1/version") return Response.json({ version: "0.4.0", api: "v1" });
    if (authorization !== `Bearer ${TOKEN}`) {
      return Response.json({ error: "missing or invalid bearer token", code: "unauthorized" }, { status: 401 });
    }
    return Response.json({ name: "alice", scope: "admin" });
  });
  return {
    server: `https://localhost:${server.addr.port}`,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function fingerprint(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return digest.toHex().replace(/..(?!$)/g, "$&:");
}

interface Person extends AsyncDisposable {
  readonly folder: string;
  run(args: readonly string[], options?: TerminalOptions): Promise<Outcome>;
  config(): Promise<string>;
}

async function person(): Promise<Person> {
  const home = await temporaryFolder();
  const path = `${home.path}/config.toml`;
  return {
    folder: home.path,
    run: (args, options) => helyos(args, { ...options, env: { HELYOS_CONFIG: path, ...options?.env } }),
    config: () => Deno.readTextFile(path).catch(() => "none"),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

const piped = { stdin: `${TOKEN}\n` };

Deno.test("helyos login refuses a server it cannot trust, sends it no token and writes nothing", async () => {
  const [ca, other] = [await makeCa(), await makeCa()];
  await using honest = await startDaemon({ ca });
  await using imposter = await startDaemon({ ca: other, offer: () => Response.json({ pem: ca.pem }) });
  await using renamed = await startDaemon({ ca, dns: "elsewhere.example" });
  await using broken = await startDaemon({ ca, offer: () => new Response("no", { status: 500 }) });
  await using bare = await startDaemon({ ca, offer: () => Response.json({ error: "no CA" }, { status: 404 }) });
  await using me = await person();
  const caFile = `${me.folder}/ca.pem`;
  const junk = `${me.folder}/junk.pem`;
  await Deno.writeTextFile(caFile, ca.pem);
  await Deno.writeTextFile(junk, "not a certificate");
  const right = await fingerprint(ca.pem);
  const wrong = "11:".repeat(31) + "11";
  const refusals: [string, Daemon, string[], RegExp][] = [
    [
      "unconfirmed",
      honest,
      [],
      /refusing to pin a CA non-interactively without --ca-fingerprint \(server .*, got (..:){31}/,
    ],
    [
      "mismatch",
      honest,
      ["--ca-fingerprint", wrong],
      /aborting \(possible MITM\)\n {2}expected: 11:.*\n {2}got: {6}[0-9a-f]{2}:.*\n {2}tried: .*PEM.*DER.*SPKI/,
    ],
    [
      "mismatch of one form",
      honest,
      ["--ca-fingerprint", `spki:${wrong}`],
      /\n {2}tried: {4}the SHA-256 of its public key \(SPKI\)\n/,
    ],
    ["mismatch of the file", honest, ["--ca-file", caFile, "--ca-fingerprint", wrong], /mismatch — aborting/],
    ["another CA", imposter, ["--ca-fingerprint", right], /Cannot trust /],
    ["another CA than the file's", imposter, ["--ca-file", caFile], /Cannot trust /],
    ["another name", renamed, ["--ca-fingerprint", right], /elsewhere\.example/],
    ["no file", honest, ["--ca-file", `${me.folder}/none.pem`], /read CA file .*none\.pem/],
    ["no certificate in the file", honest, ["--ca-file", junk], /holds no PEM certificate/],
    ["no CA endpoint", broken, ["--ca-fingerprint", right], /500/],
    ["no CA, and no root knows it", bare, [], /did not return a self-signed CA \(404 Not Found\)[^]*--ca-file/],
    ["no CA for the fingerprint", bare, ["--ca-fingerprint", right], /nothing that --ca-fingerprint could match/],
  ];
  const below = await me.run(["login", `${honest.server}/below`, "--token-stdin"], piped);
  match(below.stderr, /^✗ a server below a path is not asked for its CA, and this system's roots do not verify it/);
  for (const [title, daemon, flags, says] of refusals) {
    const outcome = await me.run(["login", daemon.server, "--token-stdin", ...flags], piped);
    equal(outcome.code, 1, `${title}: ${outcome.stdout}${outcome.stderr}`);
    match(outcome.stderr, says, title);
    equal(await me.config(), "none", title);
  }
  for (const daemon of [honest, imposter, renamed, broken, bare]) doesNotMatch(daemon.seen.join("\n"), /nxa-api/);
  const odd = await me.run(["login", honest.server, "--ca-fingerprint", "9f:86"], piped);
  deepEqual([odd.code, await me.config()], [2, "none"]);
});

Deno.test("helyos login refuses without a usable token, and tells why the daemon refused one", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const caFile = `${me.folder}/ca.pem`;
  await Deno.writeTextFile(caFile, ca.pem);
  const login = ["login", daemon.server, "--ca-file", caFile];
  const none = /no token provided \(use --token, --token-stdin, --token-file, or HELYOS_API_TOKEN\)/;
  match((await me.run(login)).stderr, none);
  match((await me.run([...login, "--token-stdin"], { stdin: "\n" })).stderr, none);
  match((await me.run([...login, "--token-stdin"], { stdin: "\n", env: { HELYOS_API_TOKEN: TOKEN } })).stderr, none);
  match((await me.run([...login, "--token-file", "/nonexistent"])).stderr, /read token file \/nonexistent/);
  match((await me.run([...login, "--token-stdin"], { stdin: "two words" })).stderr, /no HTTP header can carry/);
  const unknown = await me.run([...login, "--token-stdin"], { stdin: "nxa-api_wrong" });
  match(
    unknown.stderr,
    /^✗ could not validate the token \(GET \/api\/v1\/whoami failed\): missing or invalid bearer token\n {2}hint: /,
  );
  doesNotMatch(unknown.stderr, /nxa-api_wrong/);
  equal(await me.config(), "none");
});

Deno.test("helyos login refuses plain HTTP to another machine unless told otherwise", async () => {
  await using me = await person();
  for (const server of ["http://192.0.2.1:6443", "http://cluster.example", "http://127.0.0.1.evil.example"]) {
    const outcome = await me.run(["login", server, "--token-stdin"], piped);
    equal(outcome.code, 1);
    match(outcome.stderr, /refusing to send a token to http:.* over plain HTTP\n {2}hint: .*--insecure-http/);
  }
});

Deno.test("helyos login saves exactly what it pinned, and names contexts as it always did", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const sha256 = await fingerprint(ca.pem);
  const flags = ["login", daemon.server, "--ca-fingerprint", sha256.toUpperCase(), "--token-stdin"];
  const first = await me.run([...flags, "--project", "web"], piped);
  equal(first.stdout, `✓ Logged in to ${daemon.server} as 'alice'. Context 'localhost' is now active.\n`);
  equal(
    await me.config(),
    `# Managed by \`helyos\`. Edit with \`helyos context\` / \`helyos login\`.
current-context = "localhost"

[context.localhost]
server = "${daemon.server}"
token = "${TOKEN}"
project = "web"
token-name = "alice"
ca = "${new TextEncoder().encode(ca.pem).toBase64()}"
ca-sha256 = "${sha256}"
`,
  );
  const second = await me.run([...flags, "--no-set-current"], piped);
  equal(
    second.stdout,
    `✓ Logged in to ${daemon.server} as 'alice'. ` +
      "Context 'localhost-2' was saved; switch to it with: helyos context use localhost-2\n",
  );
  match(await me.config(), /current-context = "localhost"\n/);
  const named = await me.run([...flags, "--name", "prod", "--json"], piped);
  deepEqual(JSON.parse(named.stdout), {
    active: true,
    context: "prod",
    server: daemon.server,
    status: "ok",
    tls: "pinned",
    token_name: "alice",
  });
  equal((await me.run(["whoami"])).stdout, "name:  alice\nscope: admin\n");
});

Deno.test("helyos login works for a token whose name the file cannot carry", async () => {
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": { name: 'ci "7"\x1b', scope: "read" } });
  await using me = await person();
  const outcome = await me.run(["login", daemon.server, "--token-stdin"], piped);
  equal(outcome.stdout, `✓ Logged in to ${daemon.server} as 'ci "7"\\x1b'. Context '127-0-0-1' is now active.\n`);
  doesNotMatch(await me.config(), /token-name/);
  equal((await me.run(["whoami"])).code, 0);
});

Deno.test("helyos login comes back to a context that was logged out of, without asking about its CA again", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const flags = ["login", daemon.server, "--token-stdin"];
  equal((await me.run([...flags, "--ca-fingerprint", await fingerprint(ca.pem), "-pweb"], piped)).code, 0);
  equal((await me.run(["logout"])).code, 0);
  const back = await me.run(flags, piped);
  match(back.stdout, /Context 'localhost' is now active/);
  match(await me.config(), /project = "web"/);
});

Deno.test("helyos login warns on a terminal of a CA that is not the one any context pins for this server", async () => {
  const [ca, other] = [await makeCa(), await makeCa()];
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const flags = [
    "login",
    daemon.server,
    "--token-stdin",
    "--ca-fingerprint",
    await fingerprint(ca.pem),
    "--name",
    "prod",
  ];
  equal((await me.run(flags, piped)).code, 0);
  const again = ["login", daemon.server, "--name", "second"];
  const same = await me.run(again, { keys: "n" });
  match(same.stderr, /^The server /);
  const file = `${me.folder}/config.toml`;
  const base64 = (pem: string) => new TextEncoder().encode(pem).toBase64();
  for (
    const [pin, shown] of [[base64(other.pem), await fingerprint(other.pem)], ["%%%", "unreadable"]] as const
  ) {
    await Deno.writeTextFile(file, (await me.config()).replace(/^ca = .*$/m, `ca = "${pin}"`));
    const changed = await me.run(again, { keys: "n" });
    match(changed.stderr, /^WARNING: this is NOT the CA pinned for this server before/, pin);
    match(changed.stderr, new RegExp(`\\n {2}pinned: {2}${shown}\\n`));
  }
});

Deno.test("helyos login asks on a terminal, shows the fingerprint, and reads the token hidden", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const no = await me.run(["login", daemon.server], { keys: "n" });
  match(
    no.stderr,
    /presented a self-signed CA:\n {2}SHA-256: (..:){31}..\nTrust and pin this CA\? \[y\/N\] no\n✗ aborted: CA not trusted/,
  );
  equal(await me.config(), "none");
  const yes = await me.run(["login", daemon.server], { keys: `y${TOKEN}\r` });
  equal(yes.code, 0, yes.stderr);
  match(yes.stderr, /Paste a HELYOS API token for https:\/\/localhost:\d+: \n/);
  doesNotMatch(yes.stderr + yes.stdout, /nxa-api/);
});

Deno.test("helyos login takes the token from flag, input, file and variable, in this order", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca });
  await using me = await person();
  const file = `${me.folder}/token`;
  const caFile = `${me.folder}/ca.pem`;
  await Deno.writeTextFile(file, `${TOKEN}\nsecond line\n`);
  await Deno.writeTextFile(caFile, ca.pem);
  const login = ["login", daemon.server, "--ca-file", caFile];
  const wrong = { HELYOS_API_TOKEN: "wrong" };
  const flag = await me.run([...login, "--token", TOKEN, "--token-stdin"], { stdin: "wrong", env: wrong });
  equal(flag.code, 0, flag.stderr);
  match(flag.stderr, /⚠ a token on the command line is visible to other users/);
  equal((await me.run([...login, "--token-stdin", "--token-file", "/nonexistent"], { ...piped, env: wrong })).code, 0);
  equal((await me.run([...login, "--token-file", file], { env: wrong })).code, 0);
  equal((await me.run(login, { env: { HELYOS_API_TOKEN: TOKEN } })).code, 0);
});

Deno.test("helyos login --insecure-skip-tls-verify warns, pins nothing and marks the context", async () => {
  const ca = await makeCa();
  await using daemon = await startDaemon({ ca, dns: "elsewhere.example" });
  await using me = await person();
  const flags = ["--insecure-skip-tls-verify", "--ca-file", "/nonexistent", "--token-stdin"];
  const outcome = await me.run(["login", daemon.server, ...flags], piped);
  equal(outcome.code, 0, outcome.stderr);
  match(outcome.stderr, /^⚠ --insecure-skip-tls-verify: the server certificate will NOT be verified\n$/);
  match(await me.config(), /insecure = true\n$/);
  doesNotMatch(daemon.seen.join("\n"), /\/api\/v1\/ca/);
});

Deno.test("helyos names the real cause of every failed connection", async () => {
  const [ca, other] = [await makeCa(), await makeCa()];
  await using daemon = await startDaemon({ ca });
  await using renamed = await startDaemon({ ca, dns: "elsewhere.example" });
  await using plain = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response("{}"));
  await using me = await person();
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const closed = listener.addr.port;
  listener.close();
  const base64 = (authority: Authority) => new TextEncoder().encode(authority.pem).toBase64();
  const cases: [string, string | undefined, RegExp, string][] = [
    [
      `https://localhost:${closed}`,
      base64(ca),
      /Cannot connect to helyosd at .*refused.*\n {2}hint: Is helyosd running\?/,
      "refused",
    ],
    [daemon.server, base64(other), /Cannot trust .*\n {2}hint: Somebody may be in between/, "unknown_ca"],
    [daemon.server, undefined, /Cannot trust .*\n {2}hint: Pin its CA with: helyos login/, "unknown_ca"],
    [renamed.server, base64(ca), /elsewhere\.example\n {2}hint: .*--tls-san localhost/, "wrong_name"],
    [`https://localhost:${plain.addr.port}`, base64(ca), /plain HTTP/, "not_tls"],
    [daemon.server.replace("https", "http"), undefined, /TLS.*\n {2}hint: Use https:/, "tls_required"],
  ];
  for (const [server, pin, says, code] of cases) {
    const section = `[context.a]\nserver = "${server}"\ntoken = "${TOKEN}"\n${pin ? `ca = "${pin}"\n` : ""}`;
    await Deno.writeTextFile(`${me.folder}/config.toml`, section, { mode: 0o600 });
    const outcome = await me.run(["whoami"]);
    equal(outcome.code, 1, server);
    match(outcome.stderr, says);
    equal(JSON.parse((await me.run(["whoami", "--json"])).stderr).code, code);
  }
  for (const { seen } of [daemon, renamed]) deepEqual(seen, [], "no request left before the server was verified");
});
