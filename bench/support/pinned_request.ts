/** What `helyos whoami` does and nothing else: one request with a token to a server whose CA is pinned. */
import { readFileSync } from "node:fs";
import { request } from "node:https";

const { url, ca, token } = JSON.parse(readFileSync(Deno.args[0]!, "utf8"));
const sent = request(`${url}/api/v1/whoami`, {
  ca: [ca],
  agent: false,
  rejectUnauthorized: true,
  headers: { authorization: `Bearer ${token}` },
}, (response) => {
  let body = "";
  response.setEncoding("utf8");
  response.on("data", (chunk) => body += chunk);
  response.on("end", () => {
    const { name, scope } = JSON.parse(body);
    console.log(`name:  ${name}\nscope: ${scope}`);
  });
});
sent.setNoDelay(true);
sent.end();
