/**
 * The least a TLS server on this platform can do: `Deno.serve` and one answer to everybody. Prints its port.
 *
 *   bare_server.ts CERTIFICATE KEY [ANSWER]
 *
 * Without an answer it says `ok`, which Deno makes fastest; with one it sends that JSON and the headers of the API.
 */
const [certificate = "", key = "", answer] = Deno.args;
const headers = [["content-type", "application/json"], ["cache-control", "no-store"]] as [string, string][];
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  cert: Deno.readTextFileSync(certificate),
  key: Deno.readTextFileSync(key),
  onListen: ({ port }) => console.log(port),
}, answer === undefined ? () => new Response("ok") : () => new Response(answer, { headers }));
