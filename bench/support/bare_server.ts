/**
 * The least a TLS server on this platform can do: `Deno.serve` and the same answer to everybody. Prints its port.
 *
 *   bare_server.ts CERTIFICATE KEY ANSWER
 */
const [certificate = "", key = "", answer = ""] = Deno.args;
const headers = [["content-type", "application/json"], ["cache-control", "no-store"]] as [string, string][];
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  cert: Deno.readTextFileSync(certificate),
  key: Deno.readTextFileSync(key),
  onListen: ({ port }) => console.log(port),
}, () => new Response(answer, { headers }));
