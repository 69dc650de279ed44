import { deepEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import { terminalIo } from "../../cli/terminal_io.ts";
import { temporaryFolder } from "../support/process.ts";

Deno.test("readFile() refuses what is larger than any file people name, and what never ends", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "large");
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(16 * 1024 * 1024 + 1);
  for (const large of [path, "/dev/zero"]) await rejects(terminalIo().readFile(large), /larger than 16777216 bytes/);
});

Deno.test("readFile() gives every byte, in order", async () => {
  await using folder = await temporaryFolder();
  const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => at * 7 % 251);
  const path = join(folder.path, "bytes");
  for (const part of [bytes, bytes.subarray(0, 0)]) {
    await Deno.writeFile(path, part);
    deepEqual(await terminalIo().readFile(path), new Uint8Array(part));
  }
});
