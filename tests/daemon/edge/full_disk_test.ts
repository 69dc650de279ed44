/**
 * A disk that is full when a certificate is to be saved: a real one, in a namespace that ends with the process.
 */
import { equal } from "node:assert/strict";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";

async function onSmallDisk(folder: string, script: string): Promise<{ code: number; stderr: string }> {
  const mount = `mount -t tmpfs -o size=2m tmpfs ${folder}`;
  try {
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["--map-root-user", "--mount", "sh", "-c", `${mount} && ${script}`],
      env: { DENO: Deno.execPath() },
      stdout: "null",
      stderr: "piped",
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  } catch {
    return { code: 1, stderr: "no unshare here" };
  }
}

await using probe = await temporaryFolder();
const isPossible = (await onSmallDisk(probe.path, "true")).code === 0;

Deno.test({
  name:
    "a disk that is full when a renewal is to be saved: the old one is served, cert ls and the doctor say why, and the CA is asked no more",
  ignore: !isPossible || lacking("pebble", "pebble-challtestsrv"),
  async fn() {
    await using folder = await temporaryFolder();
    const program = new URL("./full_disk.ts", import.meta.url).pathname;
    const { code, stderr } = await onSmallDisk(
      folder.path,
      `"$DENO" run --quiet --frozen --no-check --unstable-net -A ${program} ${folder.path}`,
    );
    equal(code, 0, stderr);
  },
});
