import { equal, rejects, throws } from "node:assert/strict";
import { contextFileText, localServer, writeFirstContext } from "../../daemon/first_context.ts";
import { temporaryFolder } from "../support/process.ts";

const base = { host: "127.0.0.1", port: 6443, tls: false, token: "nxa-api_x" };
const ca = { pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", sha256: "9f:86" };

Deno.test("localServer() dials an address the daemon listens on", () => {
  equal(localServer(base), "http://localhost:6443");
  equal(localServer({ ...base, host: "0.0.0.0", tls: true, ca }), "https://localhost:6443");
  equal(localServer({ ...base, host: "192.0.2.1", tls: true, ca }), "https://192.0.2.1:6443");
  equal(localServer({ ...base, host: "::1", port: 7 }), "http://[::1]:7");
  equal(localServer({ ...base, host: "0.0.0.0", tls: true, advertiseAddr: "api.example" }), "https://api.example:6443");
});

Deno.test("contextFileText() writes what the CLI writes", () => {
  equal(
    contextFileText({ ...base, host: "0.0.0.0", tls: true, ca }),
    `# Managed by \`helyos\`. Edit with \`helyos context\` / \`helyos login\`.
current-context = "local"

[context.local]
server = "https://localhost:6443"
token = "nxa-api_x"
project = "default"
ca = "${btoa(ca.pem)}"
ca-sha256 = "9f:86"
`,
  );
  throws(() => contextFileText({ ...base, token: 'a"b' }), TypeError);
});

Deno.test("writeFirstContext() never replaces a file, not even through a link", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/config.toml`;
  await Deno.writeTextFile(path, "mine");
  equal(await writeFirstContext(path, "new"), false);
  equal(await Deno.readTextFile(path), "mine");
  await Deno.symlink("/nowhere", `${folder.path}/link.toml`);
  equal(await writeFirstContext(`${folder.path}/link.toml`, "new"), false);
});

Deno.test("writeFirstContext() makes folder and file for the owner alone", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/.helyos/config.toml`;
  equal(await writeFirstContext(path, "text"), true);
  equal(await Deno.readTextFile(path), "text");
  equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  equal((await Deno.stat(`${folder.path}/.helyos`)).mode! & 0o777, 0o700);
  const names = [...Deno.readDirSync(`${folder.path}/.helyos`)].map((entry) => entry.name);
  equal(names.join(), "config.toml");
});

Deno.test("writeFirstContext() says when the folder is a file", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  await rejects(() => writeFirstContext(`${folder.path}/file/config.toml`, "text"));
});
