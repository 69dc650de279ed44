/**
 * Story: the control plane's certificate comes to a third of its life while people work. The daemon renews it by itself, and
 * nobody notices: no request fails, no pin changes.
 */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { join } from "node:path";
import { connect } from "node:tls";
import type { AuditRecord } from "@helyos/api";
import { parseCertificate } from "@helyos/pki";
import { PinnedClient } from "@helyos/pinning";
import { openSealer } from "../../daemon/secrets/mod.ts";
import { openSqliteStore } from "../../daemon/store/sqlite.ts";
import { openTrust } from "../../daemon/trust/mod.ts";
import { startDaemon, temporaryFolder } from "../support/process.ts";

/** From the start of the daemon to the instant at which its certificate is due: the start must be done by then. */
const LEAD_MS = 10_000;

const WORKERS = 12;

/** A data directory as a daemon that started at `now` left it. */
async function startedAt(dataDir: string, now: Date): Promise<{ ca: string; due: Date; serial: string }> {
  await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 });
  const sealer = await openSealer(dataDir);
  await using store = await openSqliteStore(join(dataDir, "state.db"));
  const log = { info() {}, warn() {}, error() {} };
  const names = { host: "127.0.0.1", hostname: Deno.hostname() };
  await using trust = await openTrust({ dataDir, sealer, store, now: () => now, log }, { tls: true, names });
  const { serial, notBefore, notAfter } = parseCertificate(trust.current().cert);
  const due = new Date(notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 3);
  return { ca: trust.ca!.pem, due, serial };
}

/** The serial number of what a new connection is shown. */
function servedSerial(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: [ca], rejectUnauthorized: true }, () => {
      resolve(socket.getPeerCertificate().serialNumber.toLowerCase());
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

Deno.test("helyosd renews its certificate under load, and no request fails", async () => {
  await using home = await temporaryFolder();
  const trial = await startedAt(join(home.path, "trial"), new Date());
  const age = trial.due.getTime() - Date.now();
  const { ca, due, serial } = await startedAt(join(home.path, "data"), new Date(Date.now() + LEAD_MS - age));

  const token = "nxa-api_" + "5e".repeat(32);
  await using daemon = await startDaemon({
    home: home.path,
    flags: ["--tls", "on", "--data-dir", join(home.path, "data")],
    env: { HELYOS_API_TOKEN: token },
  });
  equal(new Date() < due, true, "the daemon started too late for this test");
  const port = Number(new URL(daemon.url).port);
  equal(await servedSerial(port, ca), serial);

  let working = true;
  const answered = { read: 0, changed: 0 };
  const failures: string[] = [];
  const headers = { authorization: `Bearer ${token}` };
  const workers = Array.from({ length: WORKERS }, async (_, index) => {
    await using client = new PinnedClient({ origin: daemon.url, trust: { ca } });
    const project = `p${index}`;
    const create = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
    const steps: [string, RequestInit, number, keyof typeof answered][] = index % 3 > 0
      ? [["/api/v1/whoami", { headers }, 200, "read"]]
      : [
        ["/api/v1/projects", { ...create, body: JSON.stringify({ name: project }) }, 201, "changed"],
        [`/api/v1/projects/${project}`, { method: "DELETE", headers }, 200, "changed"],
      ];
    while (working) {
      for (const [path, init, status, kind] of steps) {
        try {
          const response = await client.fetch(path, init);
          await response.arrayBuffer(); // so that the connection is kept
          if (response.status !== status) failures.push(`${init.method ?? "GET"} ${path}: ${response.status}`);
          answered[kind]++;
        } catch (error) {
          failures.push(`${init.method ?? "GET"} ${path}: ${error}`);
        }
      }
    }
  });

  await daemon.waitForLog(/control-plane certificate renewed \(a third of its lifetime is left/);
  await daemon.waitForLog(/serving the new certificate/);
  const [reads, changes] = [answered.read, answered.changed];
  while (answered.read < reads + 500 || answered.changed < changes + 50) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  working = false;
  await Promise.all(workers);
  deepEqual(failures, []);

  const renewed = await servedSerial(port, ca);
  notEqual(renewed, serial, "a new connection is shown the new certificate, under the CA that was pinned");
  await using client = new PinnedClient({ origin: daemon.url, trust: { ca } });
  equal((await (await client.fetch("/api/v1/ca")).json()).pem, ca);

  await daemon.stop();
  await using store = await openSqliteStore(join(home.path, "data", "state.db"));
  const trail = (await store.list<AuditRecord>("audit/")).map(({ value }) => value);
  deepEqual(
    trail.filter(({ action }) => action === "certificate.issue").map(({ actor, target }) => [actor, target]),
    [serial, renewed].map((number) => ["helyosd", `control plane, serial ${number}`]),
  );
});
