/**
 * Serves `old.test` by a proxy until somebody kills this process: abandon.ts PROXY PROGRAM FOLDER
 */
import { openProgramProxy, type ProgramName } from "../../../../daemon/proxy/program/open.ts";

const [name, program, proxyDir] = Deno.args as [ProgramName, string, string];
const proxy = await openProgramProxy(name, { proxyDir, program });
await proxy.apply({
  sites: [{ domain: "old.test", upstreams: [], tls: "none", redirectToHttps: false }],
  certificates: [],
  httpListen: { host: "127.0.0.1", port: 0 },
  httpsListen: { host: "127.0.0.1", port: 0 },
  challenges: { answer: () => undefined, address: { host: "127.0.0.1", port: 9 } },
});
console.log(JSON.stringify(proxy.status().http));
setInterval(() => {}, 60_000);
