// Holds a data directory until it is killed.
import { holdDataDir } from "../../../daemon/store/hold.ts";

await holdDataDir(Deno.args[0]!, { pid: Deno.pid, host: "child" });
Deno.stdout.writeSync(new TextEncoder().encode("held\n"));
setInterval(() => {}, 1000);
