import { whoamiRequest } from "@helyos/api/identity";
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { GLOBAL_OPTIONS, type Globals } from "../../cli/command.ts";
import { openConnection, resolveTarget, tlsLabel } from "../../cli/connect.ts";
import { Contexts, formatContexts } from "../../cli/context.ts";
import type { Io } from "../../cli/io.ts";
import { temporaryFolder } from "../support/process.ts";
import { startFakeDaemon } from "./terminal.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n";
const CA = new TextEncoder().encode(PEM).toBase64();
const PROD = { name: "prod", server: "https://prod:6443", token: "prod-token", project: "web", ca: CA };
const LAB = { name: "lab", server: "https://lab:6443", token: "lab-token", insecure: true };

interface Given {
  readonly contexts?: Contexts;
  readonly flags?: Partial<Globals>;
  readonly env?: Record<string, string>;
}

async function resolve({ contexts = new Contexts([PROD, LAB], "prod"), flags, env }: Given) {
  await using home = await temporaryFolder();
  const path = `${home.path}/config.toml`;
  await Deno.writeTextFile(path, formatContexts(contexts), { mode: 0o600 });
  const all: Record<string, string> = { HELYOS_CONFIG: path, ...env };
  const io = { env: (name: string) => all[name], stderr: { write() {} } } as unknown as Io;
  const none = Object.fromEntries(
    Object.entries(GLOBAL_OPTIONS).map(([name, option]) => [name, "value" in option ? undefined : false]),
  );
  return await resolveTarget({ globals: { ...none, ...flags } as Globals, io });
}

Deno.test("resolveTarget() keeps a context's token and CA from any other origin, and says so", async () => {
  const elsewhere = [
    "https://evil:6443",
    "https://prod",
    "https://prod:7000",
    "http://prod:6443",
    "https://prod.evil:6443",
    "https://sub.prod:6443",
  ];
  for (const server of elsewhere) {
    for (const given of [{ flags: { server } }, { env: { HELYOS_SERVER: server } }]) {
      const target = await resolve(given);
      equal(target.token, undefined, server);
      equal(target.ca, undefined, server);
      match(target.heldBack ?? "", /the token of context 'prod' is for https:\/\/prod:6443 and was held back from/);
    }
  }
  const insecure = await resolve({ flags: { context: "lab", server: "https://evil:6443" } });
  equal(insecure.tls, "system", "nor is the insecure mark of a context for other servers");
  match((await resolve({ flags: { server: "https://lab:6443" } })).heldBack ?? "", /use --context lab$/);
  const given = await resolve({ flags: { server: "https://evil:6443", token: "mine" } });
  deepEqual([given.token, given.ca, given.tls], ["mine", undefined, "system"]);
  match(given.heldBack ?? "", /the pinned CA of context 'prod'/);
});

Deno.test("resolveTarget() uses them for the same origin however it is written", async () => {
  for (const server of ["https://prod:6443", "https://PROD:6443/", "https://prod:6443/behind"]) {
    const target = await resolve({ flags: { server } });
    deepEqual([target.token, target.ca, target.tls, target.heldBack], ["prod-token", PEM, "pinned", undefined], server);
  }
});

Deno.test("resolveTarget() stops at a damaged pin instead of trusting other roots", async () => {
  const pem = (text: string) => new TextEncoder().encode(text).toBase64();
  for (const ca of ["%%%", "QUJD", pem("-----BEGIN CERTIFICATE-----\n"), pem("\xff"), CA.slice(0, -3)]) {
    const contexts = new Contexts([{ ...PROD, ca }], "prod");
    await rejects(() => resolve({ contexts }), { code: "damaged_ca" }, ca);
  }
  const contexts = new Contexts([{ ...PROD, caSha256: "00:".repeat(31) + "00" }], "prod");
  await rejects(() => resolve({ contexts }), { code: "damaged_ca", message: /fingerprint/ });
});

Deno.test("resolveTarget() refuses tokens no header can carry, and addresses that are none", async () => {
  for (const token of ["a b", "a\nb", "töken", "a\0"]) {
    await rejects(() => resolve({ flags: { token } }), { code: "invalid_token" }, JSON.stringify(token));
  }
  await rejects(() => resolve({ flags: { server: "prod" } }), { code: "invalid_server" });
  await rejects(() => resolve({ flags: { context: "x" } }), { message: "no context named 'x'" });
});

Deno.test("resolveTarget() takes flags before variables before the context before the default", async () => {
  const env = { HELYOS_SERVER: "https://env:1", HELYOS_API_TOKEN: "env-token" };
  const both = await resolve({ flags: { server: "https://flag:1", token: "flag-token" }, env });
  deepEqual([both.server, both.token], ["https://flag:1", "flag-token"]);
  const variables = await resolve({ env });
  deepEqual([variables.server, variables.token], ["https://env:1", "env-token"]);
  const context = await resolve({ flags: { context: "lab" }, env: { HELYOS_SERVER: "" } });
  deepEqual([context.server, context.token, context.tls, context.ca], [
    "https://lab:6443",
    "lab-token",
    "insecure",
    undefined,
  ]);
  const current = await resolve({});
  deepEqual([current.context, current.project], ["prod", "web"]);
  const nothing = await resolve({ contexts: new Contexts() });
  deepEqual([nothing.server, nothing.token, nothing.tls, nothing.context], [
    "http://localhost:6443",
    undefined,
    "http",
    undefined,
  ]);
});

Deno.test("resolveTarget() says so when there are contexts and none is chosen", async () => {
  const contexts = new Contexts([PROD, LAB], "gone");
  const chosen = await resolve({ contexts });
  deepEqual([chosen.server, chosen.token, chosen.context], ["http://localhost:6443", undefined, undefined]);
  match(chosen.heldBack ?? "", /^no context is active, .* helyos context use <name>$/);
  equal((await resolve({ contexts, env: { HELYOS_SERVER: "https://env:1" } })).heldBack, undefined);
  equal((await resolve({ contexts: new Contexts() })).heldBack, undefined);
  match((await resolve({ contexts: new Contexts([{ name: "bare", token: "t" }]) })).heldBack ?? "", /is for no server/);
});

Deno.test("openConnection() gives up an answer that comes drop by drop", async () => {
  let drops: ReturnType<typeof setInterval> | undefined;
  const drip = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        drops = setInterval(() => controller.enqueue(new Uint8Array([32])), 10);
      },
      cancel: () => clearInterval(drops),
    });
  await using daemon = startFakeDaemon({ "GET /api/v1/whoami": () => new Response(drip()) });
  const none = { ca: undefined, token: undefined, context: undefined, project: undefined, heldBack: undefined };
  await using connection = openConnection({ server: daemon.server, tls: "http", ...none }, undefined, {
    answerTimeoutMs: 100,
  });
  await rejects(() => connection.call(whoamiRequest, {}), { name: "CliError", code: "timeout" });
});

Deno.test("tlsLabel() says how a server is trusted", () => {
  equal(tlsLabel({ server: "http://h", ca: CA, insecure: true }), "http");
  equal(tlsLabel({ server: "https://h", ca: CA, insecure: true }), "insecure");
  equal(tlsLabel({ server: "https://h", ca: CA }), "pinned");
  equal(tlsLabel({ server: "https://h" }), "system");
  equal(tlsLabel({}), "http");
});
