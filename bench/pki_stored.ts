/**
 * How fast certificates are issued that are still there after a power cut, for 8 clients at once: ours with key, certificate
 * and record in SQLite (WAL, synchronous=FULL, one commit for all that wait), step-ca 0.30 over its API with its own store.
 *
 * The peer is spared what ours is not: its clients have their keys, requests and tokens ready before the clock starts, and its
 * store does not wait for the disk. It answers over TLS on connections that stay open; ours is called as a library, as the
 * commands call it.
 */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createRequest, createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { freePort } from "../tests/support/free_port.ts";
import { temporaryFolder } from "../tests/support/process.ts";
import { findTool } from "../tests/support/tools.ts";

const CLIENTS = 8;
const CERTIFICATES = 480;
const WARM_UP = 80;

await using folder = await temporaryFolder();
const at = (name: string) => join(folder.path, name);

const rootKey = await generateKeyPair();
const root = await createRootCa({ commonName: "Bench Root", key: rootKey, pathLength: 1 });
const caKey = await generateKeyPair();
const ca = await issueCertificate({
  issuer: { certificate: root.pem, key: rootKey },
  profile: "intermediate",
  publicKey: caKey.publicKey,
  commonName: "Bench CA",
});
const issuer = { certificate: ca.pem, key: caKey };

/** Lets clients take turns at numbers until there are no more, and says how many a second were done. */
async function perSecond(count: number, work: (number: number) => Promise<void>): Promise<number> {
  let next = 0;
  const start = performance.now();
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < count) await work(next++);
  }));
  return count / ((performance.now() - start) / 1000);
}

function ourStore() {
  const database = new DatabaseSync(at("ours.db"));
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  database.exec(
    "CREATE TABLE issued (serial TEXT PRIMARY KEY, service TEXT, certificate TEXT, key TEXT, until INTEGER)",
  );
  const insert = database.prepare("INSERT INTO issued VALUES (?, ?, ?, ?, ?)");
  type Row = [serial: string, service: string, certificate: string, key: string, until: number];
  let waiting: { row: Row; done: () => void }[] = [];
  let scheduled = false;
  function flush(): void {
    const batch = waiting;
    waiting = [];
    scheduled = false;
    database.exec("BEGIN");
    for (const { row } of batch) insert.run(...row);
    database.exec("COMMIT");
    for (const { done } of batch) done();
  }
  return {
    /** Resolves once the row is on the disk. */
    save(row: Row): Promise<void> {
      return new Promise((done) => {
        waiting.push({ row, done });
        if (!scheduled) setTimeout(flush, 0);
        scheduled = true;
      });
    },
    count: () => Number(database.prepare("SELECT count(*) AS n FROM issued").get()?.n),
    close: () => database.close(),
  };
}

async function ours(): Promise<number> {
  const store = ourStore();
  const one = async (number: number) => {
    const service = `service-${number}.internal`;
    const key = await generateKeyPair();
    const names = { dns: [service, "localhost"] };
    const issued = await issueCertificate({
      issuer,
      profile: "server",
      publicKey: key.publicKey,
      commonName: service,
      names,
      lifetimeSeconds: 86_400,
    });
    await store.save([issued.serial, service, issued.pem, await exportPrivateKey(key), issued.notAfter.valueOf()]);
  };
  await perSecond(WARM_UP, one);
  const rate = await perSecond(CERTIFICATES, one);
  if (store.count() !== WARM_UP + CERTIFICATES) throw new Error("certificates were lost");
  store.close();
  return rate;
}

const base64url = (bytes: Uint8Array) => bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const json = (value: unknown) => base64url(new TextEncoder().encode(JSON.stringify(value)));

async function stepCa(program: string): Promise<number> {
  const port = await freePort();
  const provisioner = await generateKeyPair();
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", provisioner.publicKey);
  await mkdir(at("db"));
  await writeFile(at("root.pem"), root.pem);
  await writeFile(at("ca.pem"), ca.pem);
  await writeFile(at("ca-key.pem"), await exportPrivateKey(caKey));
  await writeFile(
    at("ca.json"),
    JSON.stringify({
      root: at("root.pem"),
      crt: at("ca.pem"),
      key: at("ca-key.pem"),
      address: `127.0.0.1:${port}`,
      dnsNames: ["localhost"],
      logger: { format: "text" },
      db: { type: "badgerv2", dataSource: at("db") },
      authority: {
        provisioners: [{ type: "JWK", name: "bench", key: { use: "sig", kid: "bench", alg: "ES256", kty, crv, x, y } }],
      },
    }),
  );

  const token = async (service: string, sans: readonly string[]) => {
    const now = Math.ceil(Date.now() / 1000);
    const claims = {
      iss: "bench",
      aud: `https://localhost:${port}/1.0/sign`,
      sub: service,
      sans,
      jti: crypto.randomUUID(),
    };
    const head = json({ alg: "ES256", kid: "bench", typ: "JWT" });
    const body = `${head}.${json({ ...claims, iat: now, nbf: now - 60, exp: now + 3600 })}`;
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    const signature = await crypto.subtle.sign(algorithm, provisioner.privateKey, new TextEncoder().encode(body));
    return `${body}.${base64url(new Uint8Array(signature))}`;
  };
  const child = spawn(program, [at("ca.json")], { stdio: "ignore", env: { HOME: folder.path, STEPPATH: folder.path } });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS, ca: [root.pem], servername: "localhost" });
  const ask = (method: string, path: string, body = "") =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": String(body.length) };
      const asked = request({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk) => text += chunk).on("end", () => {
          resolve({ status: response.statusCode ?? 0, text });
        });
      });
      asked.on("error", reject).end(body);
    });
  try {
    const deadline = Date.now() + 20_000;
    while ((await ask("GET", "/health").catch(() => undefined))?.status !== 200) {
      if (Date.now() > deadline) throw new Error("step-ca does not start");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // After the start: tokens from before it are refused.
    const bodies: string[] = [];
    for (let i = 0; i < WARM_UP + CERTIFICATES; i++) {
      const service = `service-${i}.internal`;
      const sans = [service, "localhost"];
      const { pem } = await createRequest({ key: await generateKeyPair(), commonName: service, names: { dns: sans } });
      bodies.push(JSON.stringify({ csr: pem, ott: await token(service, sans) }));
    }
    const sign = async (body: string) => {
      const { status, text } = await ask("POST", "/1.0/sign", body);
      if (status !== 201) throw new Error(`step-ca answered ${status}: ${text}`);
    };
    await perSecond(WARM_UP, (i) => sign(bodies[i]!));
    return await perSecond(CERTIFICATES, (i) => sign(bodies[WARM_UP + i]!));
  } finally {
    agent.destroy();
    child.kill("SIGKILL");
    await ended;
  }
}

const program = findTool("step-ca");
const mine = await ours();
if (program === undefined) {
  console.log(`Stored issuance: ${mine.toFixed(0)}/s; step-ca is not installed, nothing to compare with`);
} else {
  const theirs = await stepCa(program);
  const ratio = mine / theirs;
  console.log(
    `Stored issuance with ${CLIENTS} clients: ${mine.toFixed(0)}/s, step-ca ${theirs.toFixed(0)}/s = ${
      ratio.toFixed(2)
    }`,
  );
}
