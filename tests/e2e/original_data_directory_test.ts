/**
 * Story: an operator replaces the original daemon. Its tokens, projects, pins and master key work after the first start, and none of
 * its files is changed.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { mkdir, readFile } from "node:fs/promises";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { fingerprintFiles, writeOriginalDataDir } from "../daemon/takeover/original_data_dir.ts";
import { helyos, startDaemon, temporaryFolder } from "../support/process.ts";

/** Argon2id of `nxa-api_` + "1f" * 32 with the original's parameters, made by another implementation (argon2-cffi). */
const TOKEN = "nxa-api_" + "1f".repeat(32);
const HASH = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$0E3EV25P0+VZ4rUDC8tSamALzicP0WFcN/DM2OA3X9E";

Deno.test("helyosd takes over an original's data directory and keeps its files unchanged", async () => {
  await using home = await temporaryFolder();
  const data = join(home.path, "data");
  await mkdir(data, { mode: 0o700 });
  const key = await generateKeyPair();
  const ca = await createRootCa({ commonName: "helyos CA", key, lifetimeDays: 3650 });
  const leafKey = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key },
    profile: "server",
    publicKey: leafKey.publicKey,
    commonName: "helyos",
    names: { dns: ["localhost", "helyos"], ip: ["127.0.0.1"] },
    lifetimeSeconds: 3000 * 86_400,
  });
  await writeOriginalDataDir(data, {
    tokens: [
      { name: "alice", token_hash: HASH, token_prefix: TOKEN.slice(0, 12) },
      { name: "bob", token_hash: HASH, token_prefix: "nxa-api_0000", revoked_at: "2026-02-01T00:00:00+00:00" },
    ],
    projects: [{ name: "shop", status: "active" }, { name: "old", status: "suspended" }],
    masterKey: randomBytes(32),
    tls: { ca: ca.pem, cert: leaf.pem, key: await exportPrivateKey(leafKey) },
    killed: true,
  });
  const before = await fingerprintFiles(data);

  for (let start = 0; start < 2; start++) {
    await using daemon = await startDaemon({ home: home.path, flags: ["--data-dir", data, "--tls", "on"] });
    equal(daemon.token, undefined, "no new token: the original's work");
    match(daemon.log(), /cannot (be )?renew/i);
    const env = { HELYOS_API_TOKEN: TOKEN };
    const server = daemon.url.replace("127.0.0.1", "localhost");
    if (start === 0) {
      const login = await helyos(["login", server, "--ca-file", join(data, "http-ca.pem"), "--name", "prod"], {
        home: home.path,
        env,
      });
      equal(login.code, 0, login.stderr);
      match(login.stdout, /as 'alice'/);
    } else {
      const set = await helyos(["context", "set", "prod", "--server", server], { home: home.path });
      equal(set.code, 0, set.stderr);
    }
    const projects = JSON.parse((await helyos(["project", "list", "--json"], { home: home.path, env })).stdout);
    deepEqual(projects.map((one: { name: string; status: string }) => [one.name, one.status]), [
      ["old", "suspended"],
      ["shop", "active"],
    ]);
    equal(await readFile(join(data, "http-ca.pem"), "utf8"), ca.pem);
  }
  const after = await fingerprintFiles(data, Object.keys(before));
  deepEqual(after, before);
});
