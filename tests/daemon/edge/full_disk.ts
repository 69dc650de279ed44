/**
 * A daemon's edge whose state lies in FOLDER, a small disk of its own, which is full when a renewed certificate is to be saved:
 * `full_disk.ts FOLDER`. Fails when anything is lost.
 */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { renewCertificate } from "../../../daemon/certificates/certificates.ts";
import { diagnose } from "../../../daemon/certificates/doctor.ts";
import { servedFingerprint } from "../../../daemon/proxy/leaf.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { add, BY, one, setScene, until } from "./support.ts";

const [folder] = Deno.args;
const filler = `${folder}/filler`;
const domain = "disk.example.com";

function fill(): void {
  using file = Deno.openSync(filler, { create: true, append: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch { /* It is full. */ }
}

await using scene = await setScene({ store: (now) => openSqliteStore(`${folder}/state.db`, { now }) });
const { bench, faults, time } = scene;
const served = () => servedFingerprint(bench.proxy.status().https!, domain);
const DISK_IS_FULL = /^The disk is full: .*; free some space and try again$/;

// No room for the account, even
faults.after = ({ path }) => void (path === "/sign-me-up" && fill());
await add(bench, domain);
await bench.edge.keeper.settled();
const none = await one(bench);
equal(none.state, "failed");
match(none.last_error!, DISK_IS_FULL);
faults.after = () => {};
await Deno.remove(filler);
time.pass(61_000);
await until(async () => (bench.edge.tick(), (await one(bench)).state === "served"), "service");
const { fingerprint } = await one(bench);
const stored = await bench.store.list("certificates/");

// The CA has signed it, and now there is no room for it
faults.after = ({ path }) => void (path.startsWith("/finalize") && fill());
await renewCertificate(bench.deps, { domain, dryRun: false }, BY);
await bench.edge.keeper.settled();
faults.after = () => {};
equal(faults.finalized(), 2);
deepEqual(await bench.store.list("certificates/"), stored);
const full = await one(bench);
deepEqual([full.fingerprint, full.state], [fingerprint, "served"]);
match(full.last_error!, DISK_IS_FULL);
const findings = await diagnose(bench.deps, domain);
match(findings.find(({ check }) => check === "last order")!.detail, /^The disk is full: .*The next attempt is at /);
equal(await served(), fingerprint);

const asked = faults.seen.length;
for (let minute = 0; minute < 3; minute++) {
  time.pass(61_000);
  await bench.edge.keeper.settled();
}
equal(faults.seen.length, asked, "nobody asks the CA for what cannot be stored");
equal(await served(), fingerprint);

await Deno.remove(filler);
time.pass(Date.parse((await one(bench)).next_attempt!) - time.now().getTime() + 1000);
await bench.edge.keeper.settled();
await bench.edge.proxy.settled();
const renewed = await one(bench);
notEqual(renewed.fingerprint, fingerprint);
deepEqual(
  [renewed.state, renewed.failures, renewed.last_error, renewed.next_attempt],
  ["served", 0, null, null],
);
equal(await served(), renewed.fingerprint);
equal(faults.finalized(), 2, "the same one was fetched again");
