import { equal, match } from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../support/process.ts";

/** What a unit says, by key; a key that repeats holds all of its values. */
async function unit(name: string): Promise<Map<string, string[]>> {
  const settings = new Map<string, string[]>();
  for (const line of (await readFile(join(ROOT, "scripts/systemd", name), "utf8")).split("\n")) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) settings.set(key, [...settings.get(key) ?? [], value!]);
  }
  return settings;
}

Deno.test("no unit kills Deno for a system call: V8 starts by one that is on no list (pkey_alloc)", async () => {
  for (const name of await readdir(join(ROOT, "scripts/systemd"))) {
    const settings = await unit(name);
    if (settings.has("SystemCallFilter")) equal(settings.get("SystemCallErrorNumber")?.[0], "EPERM", name);
    equal(settings.has("MemoryDenyWriteExecute"), false, name);
  }
});

Deno.test("helyosd.service is told by the daemon that it serves, and may bind the ports that routes are served on", async () => {
  const settings = await unit("helyosd.service");
  equal(settings.get("Type")?.[0], "notify");
  for (const key of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
    equal(settings.get(key)?.join(), "CAP_NET_BIND_SERVICE");
  }
  match(settings.get("ExecStart")![0]!, /--data-dir \/var\/lib\/helyos$/);
  equal(settings.get("StateDirectoryMode")?.[0], "0700");
  equal(settings.get("UMask")?.[0], "0077");
  equal(settings.get("NoNewPrivileges")?.[0], "yes");
});
