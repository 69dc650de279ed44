/** What surrounds the process must not widen what a pin trusts, and `--allow-net` must be enough. */
import { fingerprintOfPem } from "@helyos/pinning";
import { deepEqual, equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { httpAnswer, startHostileServer } from "../../support/hostile_server.ts";
import { forgeCa, type Forged, forgeServer } from "./forge.ts";

const CANARY = "nxa-api_canary";
const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

interface Outcome {
  readonly out: string;
  readonly err: string;
}

/** Runs a script in a process of its own, with these permissions and this environment. */
async function run(
  script: string,
  { flags = ["--allow-net"], env = {} }: { flags?: string[]; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", "--quiet", "--config", CONFIG, ...flags, file],
      // The runtime itself would ask for a newer version half a second after its start, through the proxies of `env`.
      env: { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { out: decode(stdout).trim(), err: decode(stderr).trim() };
  } finally {
    await Deno.remove(file);
  }
}

/** A script that sends the canary and prints what came of it. */
function sender(origin: string, trust: unknown): string {
  return `
    import { PinnedClient } from "@helyos/pinning";
    const client = new PinnedClient({ origin: ${JSON.stringify(origin)}, trust: ${JSON.stringify(trust)} });
    const headers = { authorization: "Bearer ${CANARY}" };
    await client.fetch("/", { headers }).then(
      async (response) => console.log("answer", await response.text()),
      (error) => console.log(error.code, error.message),
    );
  `;
}

/** Writes a CA where an environment variable can name it. */
async function asFile(ca: Forged): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(path, ca.pem);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("PinnedClient trusts no root that the process was started with", async () => {
  const [pinned, other] = [await forgeCa("pinned"), await forgeCa("other")];
  const { pem, keyPem } = await forgeServer(other);
  await using attacker = await startHostileServer({ cert: pem, key: keyPem });
  await using root = await asFile(other);
  const script = sender(`https://localhost:${attacker.port}`, { ca: pinned.pem });
  const surroundings: Parameters<typeof run>[1][] = [
    { env: { DENO_CERT: root.path } },
    { env: { SSL_CERT_FILE: root.path } },
    { env: { NODE_EXTRA_CA_CERTS: root.path }, flags: ["--allow-net", "--allow-env", "--allow-read", "--allow-sys"] },
    { flags: ["--allow-net", `--cert=${root.path}`] },
    { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, flags: ["--allow-net", "--allow-env"] },
    { flags: ["--allow-net", "--unsafely-ignore-certificate-errors"] },
    { flags: ["--allow-net", "--unsafely-ignore-certificate-errors=localhost"] },
  ];
  for (const surrounding of surroundings) {
    const { out, err } = await run(script, surrounding);
    match(out, /^unknown_ca |^invalid_certificate /, JSON.stringify({ surrounding, out, err }));
    equal(attacker.received(), "");
  }
});

Deno.test("PinnedClient refuses another name and a dead certificate whatever the process was told to ignore", async () => {
  const ca = await forgeCa("CA");
  for (const server of [await forgeServer(ca, { dns: ["other"] }), await forgeServer(ca, { until: -1 })]) {
    await using attacker = await startHostileServer({ cert: server.pem, key: server.keyPem });
    const { out } = await run(sender(`https://localhost:${attacker.port}`, { ca: ca.pem }), {
      flags: ["--allow-net", "--allow-env", "--unsafely-ignore-certificate-errors"],
      env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    });
    match(out, /^(?:wrong_name|expired) /);
    equal(attacker.received(), "");
  }
});

Deno.test("PinnedClient does not use a proxy that the environment names", async () => {
  const ca = await forgeCa("CA");
  const { pem, keyPem } = await forgeServer(ca);
  await using proxy = await startHostileServer();
  await using server = await startHostileServer({
    cert: pem,
    key: keyPem,
    answer: () => httpAnswer("200 OK", "hello"),
  });
  const url = `http://127.0.0.1:${proxy.port}`;
  const env = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, http_proxy: url, https_proxy: url, all_proxy: url };
  const flags = ["--allow-net", "--allow-env"];
  const { out } = await run(sender(`https://localhost:${server.port}`, { ca: ca.pem }), { env, flags });
  equal(out, "answer hello");
  equal(proxy.connections(), 0);
});

Deno.test("@helyos/pinning works with --allow-net alone, and leaves nothing behind that keeps a program running", async () => {
  const ca = await forgeCa("CA");
  const { pem, keyPem } = await forgeServer(ca);
  await using server = await startHostileServer({
    cert: pem,
    key: keyPem,
    answer: () => httpAnswer("200 OK", JSON.stringify({ pem: ca.pem })),
  });
  const origin = `https://localhost:${server.port}`;
  const { out, err } = await run(`
    import { fetchCa, fingerprintOfPem, matchFingerprint, pinnedFetch } from "@helyos/pinning";
    const ca = await fetchCa("${origin}");
    const fetch = pinnedFetch({ origin: "${origin}", trust: { ca: ca.pem } });
    const response = await fetch("/api/v1/ca", { headers: { authorization: "Bearer ${CANARY}" } });
    const { pem } = await response.json();
    console.log(await matchFingerprint(ca.fingerprint, pem), await fingerprintOfPem(pem) === ca.fingerprint);
    await fetch("/unread");
    // Neither a kept connection nor an answer nobody reads holds the program.
  `);
  deepEqual({ out, err }, { out: '{ form: "pem" } true', err: "" });
  equal(server.received().split(CANARY).length, 2);
});

Deno.test("PinnedClient without permission for the network says so", async () => {
  const { pem } = await forgeCa("CA");
  const { out } = await run(sender("https://127.0.0.1:1", { ca: pem }), { flags: [] });
  match(out, /^unreachable Cannot connect to 127\.0\.0\.1:1: this program has no permission to connect there$/);
});

Deno.test("PinnedClient with trust system believes the roots of the system, SSL_CERT_FILE included, and no others", async () => {
  const [ca, other] = [await forgeCa("company"), await forgeCa("other")];
  const { pem, keyPem } = await forgeServer(ca);
  await using server = await startHostileServer({
    cert: pem,
    key: keyPem,
    answer: () => httpAnswer("200 OK", "hello"),
  });
  await using right = await asFile(ca);
  await using wrong = await asFile(other);
  const script = sender(`https://localhost:${server.port}`, "system");
  const flags = ["--allow-net", "--allow-sys"];
  equal((await run(script, { flags, env: { SSL_CERT_FILE: right.path } })).out, "answer hello");
  const before = server.received();
  match((await run(script, { flags, env: { SSL_CERT_FILE: wrong.path } })).out, /^unknown_ca /);
  match((await run(script, { flags })).out, /^unknown_ca /);
  match((await run(script, { flags: ["--allow-net"] })).out, /^unknown_ca /);
  match(
    (await run(script, { flags, env: { SSL_CERT_FILE: "/nowhere.pem" } })).out,
    /^invalid_ca Cannot read the system's roots/,
  );
  equal(server.received(), before);
});

Deno.test("PinnedClient with trust system is as strict about names as with a pin", async () => {
  const ca = await forgeCa("company");
  await using root = await asFile(ca);
  for (const dns of [["evil.example, DNS:localhost"], ["local*"], ["other"]]) {
    const { pem, keyPem } = await forgeServer(ca, { subject: "localhost", dns, ip: [] });
    await using server = await startHostileServer({ cert: pem, key: keyPem });
    const { out } = await run(sender(`https://localhost:${server.port}`, "system"), {
      flags: ["--allow-net", "--allow-sys"],
      env: { SSL_CERT_FILE: root.path },
    });
    match(out, /^wrong_name /);
    equal(server.received(), "");
  }
});

Deno.test("README of @helyos/pinning: its example runs as it stands, with --allow-net alone", async () => {
  const readme = await Deno.readTextFile(new URL("../../../lib/pinning/README.md", import.meta.url));
  const example = /```ts ignore\n([\s\S]+?)```/.exec(readme)![1]!;
  const ca = await forgeCa("CA");
  const { pem, keyPem } = await forgeServer(ca);
  await using server = await startHostileServer({
    cert: pem,
    key: keyPem,
    answer: (request) =>
      httpAnswer("200 OK", JSON.stringify(request.includes("/api/v1/ca") ? { pem: ca.pem } : { name: "alice" })),
  });
  const script = example
    .replace("https://cluster.example:6443", `https://localhost:${server.port}`)
    .replace(/expected: "[^"]+"/, `expected: "${await fingerprintOfPem(ca.pem)}"`);
  const { out, err } = await run(`const token = "${CANARY}";\n${script}`);
  deepEqual({ out, err }, { out: '{ name: "alice" }', err: "" });
});
