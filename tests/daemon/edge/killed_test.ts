/**
 * A daemon killed at each step of an order, the first one or a renewal: in the end there is exactly one certificate, and it is served.
 */
import { equal, notEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import type { StoredCertificate } from "../../../daemon/certificates/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { type AcmeFaults, startFaults } from "../../support/acme_faults.ts";
import { type Pebble, startPebble } from "../../support/pebble.ts";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const CRASHER = new URL("./crasher.ts", import.meta.url).pathname;

/** When to kill: before a commit, or after a request to the CA. */
interface Moment {
  readonly commit?: number;
  readonly killAfter?: number;
}

interface Scene extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly faults: AcmeFaults;
  /** Runs the crasher to its end, whichever that is: fingerprints of what was served at first and in the end. */
  run(domain: string, what?: "go on" | "renew", moment?: Moment): Promise<"killed" | [first: string, last: string]>;
  /** What is stored for a domain. */
  stored(domain: string): Promise<StoredCertificate | undefined>;
}

async function setScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" } }));
  const faults = stack.use(await startFaults(pebble));
  const folder = stack.use(await temporaryFolder());
  const ca = join(folder.path, "ca.pem");
  await Deno.writeTextFile(ca, faults.ca);
  const key = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const owned = stack.move();
  return {
    pebble,
    faults,
    async run(domain, what = "go on", { commit, killAfter } = {}) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--frozen", "--no-check", "--unstable-net", "-A", CRASHER],
          ...[folder.path, faults.directoryUrl, ca, String(pebble.httpPort), key, domain, what],
          ...(commit === undefined ? [] : [String(commit)]),
        ],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      let posts = 0;
      faults.after = ({ method }) => {
        // The CA has done it, and the daemon never hears of it
        if (killAfter !== undefined && method === "POST" && posts++ === killAfter) child.kill("SIGKILL");
      };
      const { signal, stdout } = await child.output();
      faults.after = () => {};
      return signal === "SIGKILL" ? "killed" : JSON.parse(new TextDecoder().decode(stdout));
    },
    async stored(domain) {
      await using store = await openSqliteStore(`${folder.path}/state.db`);
      return (await store.get<StoredCertificate>(`certificates/${domain}`))?.value;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function killAtEach(
  scene: Scene,
  options: { readonly name: string; readonly at: (step: number) => Moment },
): Promise<number> {
  for (let step = 0;; step++) {
    const domain = `${options.name}-${step}.example.com`;
    const before = scene.faults.finalized();
    const end = await scene.run(domain, "go on", options.at(step));
    const [, served] = end === "killed" ? await scene.run(domain) : end;
    equal((await scene.stored(domain))!.fingerprint, served, `step ${step}: the certificate is stored`);
    equal(scene.faults.finalized() - before, 1, `step ${step}: exactly one certificate was signed`);
    if (end !== "killed") return step;
    ok(step < 40, "it always dies");
  }
}

async function killRenewalAtEach(scene: Scene, at: (step: number) => Moment): Promise<number> {
  const domain = "renewal.example.com";
  let [, old] = await scene.run(domain);
  for (let step = 0;; step++) {
    const before = scene.faults.finalized();
    const end = await scene.run(domain, "renew", at(step));
    const kept = (await scene.stored(domain))!.fingerprint;
    if (scene.faults.finalized() === before) equal(kept, old, `step ${step}: the old one is kept`);
    const [first, last] = end === "killed" ? await scene.run(domain) : end;
    equal(first, end === "killed" ? kept : old, `step ${step}: what is stored is served meanwhile`);
    notEqual(last, old, `step ${step}: there is a new one`);
    equal((await scene.stored(domain))!.fingerprint, last, `step ${step}: it is stored`);
    equal(scene.faults.finalized() - before, 1, `step ${step}: exactly one certificate was signed`);
    if (end !== "killed") return step;
    ok(step < 40, "it always dies");
    old = last;
  }
}

Deno.test({
  name: "killed after each request to the CA, the daemon ends up with exactly one certificate",
  ignore,
  async fn() {
    await using scene = await setScene();
    const steps = await killAtEach(scene, { name: "request", at: (killAfter) => ({ killAfter }) });
    ok(steps >= 6, `${steps} steps`);
  },
});

Deno.test({
  name: "killed before each commit, the daemon ends up with exactly one certificate",
  ignore,
  async fn() {
    await using scene = await setScene();
    const steps = await killAtEach(scene, { name: "commit", at: (commit) => ({ commit }) });
    ok(steps >= 4, `${steps} steps`);
  },
});

Deno.test({
  name: "killed at each step of a renewal, the daemon serves the old certificate and ends up with exactly one new one",
  ignore,
  async fn() {
    await using scene = await setScene();
    const requests = await killRenewalAtEach(scene, (killAfter) => ({ killAfter }));
    ok(requests >= 6, `${requests} requests`);
    const commits = await killRenewalAtEach(scene, (commit) => ({ commit }));
    ok(commits >= 3, `${commits} commits`);
  },
});
