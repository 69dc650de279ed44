/** A proxy in a process of its own, which can be given few open files: prints its port. */
import { site, startCore } from "./support.ts";

// As the daemon does; Deno panics when it needs its own first file for signals while there is none
Deno.addSignalListener("SIGTERM", () => Deno.exit());
const proxy = await startCore([site("a", [])], { limits: { headMs: 60_000 } });
await Deno.stdout.write(new TextEncoder().encode(`${proxy.http}\n`));
