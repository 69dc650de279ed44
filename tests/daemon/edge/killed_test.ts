/**
 * A daemon killed at each step of an order: in the end there is exactly one certificate, and it is served.
 */
import { equal, ok } from "node:assert/strict";
import { join } from "node:path";
import type { StoredCertificate } from "../../../daemon/certificates/records.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { type AcmeFaults, startFaults } from "../../support/acme_faults.ts";
import { type Pebble, startPebble } from "../../support/pebble.ts";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const CRASHER = new URL("./crasher.ts", import.meta.url).pathname;

interface Scene extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly faults: AcmeFaults;
  /** Runs the crasher to its end, whichever that is. */
  run(domain: string, options?: { commit?: number; killAfter?: number }): Promise<"served" | "killed">;
  /** What is stored for a domain. */
  stored(domain: string): Promise<StoredCertificate | undefined>;
}

async function setScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble({ env: { PEBBLE_WFE_NONCEREJECT: "0" } }));
  const faults = stack.use(await startFaults(pebble));
  const folder = stack.use(await temporaryFolder());
  const ca = join(folder.path, "ca.pem");
  await Deno.writeTextFile(ca, faults.ca);
  const key = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const owned = stack.move();
  return {
    pebble,
    faults,
    async run(domain, { commit, killAfter } = {}) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--frozen", "--no-check", "--unstable-net", "-A", CRASHER],
          ...[folder.path, faults.directoryUrl, ca, String(pebble.httpPort), key, domain],
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
      const said = new TextDecoder().decode(stdout).trim();
      if (signal === "SIGKILL") return "killed";
      equal(said, "served");
      return "served";
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
  options: { readonly name: string; readonly at: (step: number) => { commit?: number; killAfter?: number } },
): Promise<number> {
  for (let step = 0;; step++) {
    const domain = `${options.name}-${step}.example.com`;
    const before = scene.faults.finalized();
    const end = await scene.run(domain, options.at(step));
    if (end === "killed") equal(await scene.run(domain), "served", `step ${step}`);
    ok(await scene.stored(domain), `step ${step}: a certificate is stored`);
    equal(scene.faults.finalized() - before, 1, `step ${step}: exactly one certificate was signed`);
    if (end === "served") return step;
    ok(step < 40, "it always dies");
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
