/**
 * Story: an attacker on the wire between the CLI and its cluster. He gets nothing: not the token, not a request.
 */
import { doesNotMatch, equal, match, notEqual } from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, type IssuedCertificate } from "@helyos/pki";
import { type HostileServer, httpAnswer, startHostileServer } from "../support/hostile_server.ts";
import { helyos, type Outcome, temporaryFolder } from "../support/process.ts";
import { lacking } from "../support/tools.ts";

/** A test that asks programs of the system to judge. */
const judged = lacking("openssl") ? Deno.test.ignore : Deno.test;

const CANARY = "nxa-api_" + "ca".repeat(32);
const DAY_MS = 86_400_000;

async function makeCa(commonName: string, now = new Date(), lifetimeDays = 30) {
  const key = await generateKeyPair();
  return { certificate: await createRootCa({ commonName, key, now, lifetimeDays }), key };
}
type Ca = Awaited<ReturnType<typeof makeCa>>;

async function makeLeaf(ca: Ca, options: { dns?: string[]; now?: Date; lifetimeSeconds?: number } = {}) {
  const key = await generateKeyPair();
  const certificate = await issueCertificate({
    issuer: { certificate: ca.certificate.pem, key: ca.key },
    profile: "server",
    publicKey: key.publicKey,
    commonName: "helyos",
    names: { dns: options.dns ?? ["localhost"], ip: options.dns ? [] : ["127.0.0.1"] },
    ...(options.now ? { now: options.now } : {}),
    ...(options.lifetimeSeconds ? { lifetimeSeconds: options.lifetimeSeconds } : {}),
  });
  return { certificate, key, pem: await exportPrivateKey(key) };
}

/** A home whose context `prod` pins `ca` and holds the canary. */
async function homeWithPin(home: string, server: string, ca: IssuedCertificate): Promise<void> {
  await mkdir(join(home, ".helyos"), { mode: 0o700 });
  const config = `current-context = "prod"\n\n[context.prod]\nserver = "${server}"\ntoken = "${CANARY}"\nca = "${
    btoa(ca.pem)
  }"\n`;
  await writeFile(join(home, ".helyos/config.toml"), config, { mode: 0o600 });
}

/** The canary is where the user put it, and nowhere else. */
async function assertCanaryIsSafe(home: string, attacker: HostileServer, outcome: Outcome): Promise<void> {
  doesNotMatch(attacker.received(), /nxa-api_/i);
  doesNotMatch(outcome.stdout + outcome.stderr, /nxa-api_caca/i);
  for (const name of await readdir(join(home, ".helyos"))) {
    if (name !== "config.toml") doesNotMatch(await readFile(join(home, ".helyos", name), "utf8"), /nxa-api_caca/i);
  }
}

interface Attack {
  readonly title: string;
  readonly says: RegExp;
  /** What the attacker shows to a victim that pins the CA he is given. */
  readonly show: (pinned: Ca) => Promise<{ cert?: string; key?: string; env?: Record<string, string> }>;
  /** Pins this CA instead of a good one. */
  readonly pin?: () => Promise<Ca>;
}

const ATTACKS: readonly Attack[] = [
  {
    title: "a certificate of a CA that the process's default roots trust, but not the pinned one",
    says: /CA/,
    async show() {
      const foreign = await makeCa("helyos CA");
      const leaf = await makeLeaf(foreign);
      const roots = await Deno.makeTempFile({ suffix: ".pem" });
      await writeFile(roots, foreign.certificate.pem);
      return {
        cert: leaf.certificate.pem,
        key: leaf.pem,
        env: { DENO_CERT: roots, NODE_EXTRA_CA_CERTS: roots, SSL_CERT_FILE: roots, NODE_TLS_REJECT_UNAUTHORIZED: "0" },
      };
    },
  },
  {
    title: "a certificate of the pinned CA for another host",
    says: /elsewhere\.example/,
    async show(pinned) {
      const leaf = await makeLeaf(pinned, { dns: ["elsewhere.example"] });
      return { cert: leaf.certificate.pem, key: leaf.pem };
    },
  },
  {
    title: "an expired certificate",
    says: /expired/,
    pin: () => makeCa("helyos CA", new Date(Date.now() - 20 * DAY_MS), 60),
    async show(pinned) {
      const leaf = await makeLeaf(pinned, { now: new Date(Date.now() - 10 * DAY_MS), lifetimeSeconds: 86_400 });
      return { cert: leaf.certificate.pem, key: leaf.pem };
    },
  },
  {
    title: "a certificate that is not valid yet",
    says: /not valid (yet|before|until)|not yet valid/,
    async show(pinned) {
      const leaf = await makeLeaf(pinned, { now: new Date(Date.now() + 10 * DAY_MS), lifetimeSeconds: 86_400 });
      return { cert: leaf.certificate.pem, key: leaf.pem };
    },
  },
  {
    title: "a certificate signed by a leaf of the pinned CA",
    says: /CA|verif|trust|chain|issuer/i,
    async show(pinned) {
      // openssl signs whatever it is told to; our own issuing refuses an issuer that is no CA.
      const middle = await makeLeaf(pinned);
      await using folder = await temporaryFolder();
      const path = (name: string) => join(folder.path, name);
      await writeFile(path("ca.pem"), middle.certificate.pem);
      await writeFile(path("ca.key"), middle.pem);
      await writeFile(path("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
      const openssl = async (...args: string[]) => {
        const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder.path }).output();
        if (!success) throw new Error(new TextDecoder().decode(stderr));
      };
      await openssl(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "leaf.key",
        "-out",
        "leaf.csr",
        "-subj",
        "/CN=helyos",
      );
      await openssl(
        "x509",
        "-req",
        "-in",
        "leaf.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "5",
        "-extfile",
        "ext",
        "-out",
        "leaf.pem",
      );
      return {
        cert: await readFile(path("leaf.pem"), "utf8") + middle.certificate.pem,
        key: await readFile(path("leaf.key"), "utf8"),
      };
    },
  },
  {
    title: "plain HTTP where TLS was pinned",
    says: /TLS|HTTP/,
    show: () => Promise.resolve({}),
  },
];

for (const attack of ATTACKS) {
  judged(`helyos refuses ${attack.title}`, async () => {
    const pinned = await (attack.pin?.() ?? makeCa("helyos CA"));
    const shown = await attack.show(pinned);
    await using attacker = await startHostileServer(shown);
    await using home = await temporaryFolder();
    await homeWithPin(home.path, `https://localhost:${attacker.port}`, pinned.certificate);
    for (const args of [["whoami"], ["status"], ["project", "create", "shop"], ["whoami", "--json"]]) {
      const outcome = await helyos(args, { home: home.path, env: shown.env ?? {} });
      equal(outcome.code, 1, outcome.stderr);
      match(outcome.stderr, attack.says);
      await assertCanaryIsSafe(home.path, attacker, outcome);
      equal(attacker.received().includes("/api/v1/"), false, "a request left before the peer was verified");
    }
    notEqual(attacker.connections(), 0);
  });
}

Deno.test("helyos takes no redirect to another origin along with its token", async () => {
  await using elsewhere = await startHostileServer();
  const ca = await makeCa("helyos CA");
  const leaf = await makeLeaf(ca);
  for (const location of [`http://127.0.0.1:${elsewhere.port}/`, `https://127.0.0.1:${elsewhere.port}/api/v1/whoami`]) {
    await using cluster = await startHostileServer({
      cert: leaf.certificate.pem,
      key: leaf.pem,
      answer: () => httpAnswer("307 Temporary Redirect", "", { location }),
    });
    await using home = await temporaryFolder();
    await homeWithPin(home.path, `https://localhost:${cluster.port}`, ca.certificate);
    const outcome = await helyos(["whoami"], { home: home.path });
    equal(outcome.code, 1);
    match(outcome.stderr, /points to http.*nothing was sent there/);
    await assertCanaryIsSafe(home.path, elsewhere, outcome);
    equal(elsewhere.connections(), 0);
  }
});

Deno.test("helyos login refuses a CA that is not the one the server serves under", async () => {
  const [served, offered] = [await makeCa("helyos CA"), await makeCa("helyos CA")];
  const leaf = await makeLeaf(served);
  const body = JSON.stringify({ pem: offered.certificate.pem, sha256: "00" });
  await using attacker = await startHostileServer({
    cert: leaf.certificate.pem,
    key: leaf.pem,
    answer: () => httpAnswer("200 OK", body, { "content-type": "application/json" }),
  });
  await using home = await temporaryFolder();
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(offered.certificate.pem)),
  );
  const outcome = await helyos([
    "login",
    `https://localhost:${attacker.port}`,
    "--ca-fingerprint",
    digest.toHex(),
    "--token-stdin",
  ], { home: home.path, stdin: `${CANARY}\n` });
  equal(outcome.code, 1, outcome.stdout);
  doesNotMatch(attacker.received(), /nxa-api_/i);
  doesNotMatch(outcome.stderr, /nxa-api_caca/);
});

Deno.test("helyos login sends no token to a server whose fingerprint differs", async () => {
  const ca = await makeCa("helyos CA");
  const leaf = await makeLeaf(ca);
  const body = JSON.stringify({ pem: ca.certificate.pem, sha256: "00" });
  await using attacker = await startHostileServer({
    cert: leaf.certificate.pem,
    key: leaf.pem,
    answer: () => httpAnswer("200 OK", body, { "content-type": "application/json" }),
  });
  await using home = await temporaryFolder();
  const outcome = await helyos([
    "login",
    `https://localhost:${attacker.port}`,
    "--ca-fingerprint",
    "ab".repeat(32),
    "--token-stdin",
  ], { home: home.path, stdin: `${CANARY}\n` });
  equal(outcome.code, 1);
  match(outcome.stderr, /CA fingerprint mismatch — aborting \(possible MITM\)/);
  match(outcome.stderr, /expected: (ab){32}/);
  match(outcome.stderr, /got: {6}[0-9a-f]{2}:/);
  doesNotMatch(attacker.received(), /nxa-api_/i);
  doesNotMatch(attacker.received(), /whoami/);
});
