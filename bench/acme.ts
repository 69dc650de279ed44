/**
 * 100 certificates from one pebble, wall time: ours, eight orders at a time; a bare client, one after the other; Caddy and lego where
 * they are installed. Each must be slower than ours. lego is run once for each name and waits seconds for each: it is measured with ten
 * names, which must take it longer than ours take for all, and with HELYOS_BENCH_LONG=1 with all of them.
 */
import { createServer } from "node:http";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AcmeClient, httpSolver, obtainCertificate } from "@helyos/acme";
import { createRequest, generateKeyPair } from "@helyos/pki";
import { type Pebble, startPebble } from "../tests/support/pebble.ts";
import { temporaryFolder } from "../tests/support/process.ts";
import { findTool } from "../tests/support/tools.ts";

const CERTIFICATES = 100;
const AT_ONCE = 8;
const LEGO_CERTIFICATES = Deno.env.get("HELYOS_BENCH_LONG") === "1" ? CERTIFICATES : 10;
const CADDY_PATIENCE_MS = 180_000;

const domains = (label: string) => Array.from({ length: CERTIFICATES }, (_, i) => `${label}-${i}.example.com`);

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function clientOf(pebble: Pebble): Promise<AcmeClient> {
  const { directoryUrl, ca } = pebble;
  const client = new AcmeClient({ directoryUrl, ca, accountKey: await generateKeyPair() });
  await client.register({ emails: ["ops@example.com"] });
  return client;
}

const solver = httpSolver();

async function ours(pebble: Pebble): Promise<void> {
  await using client = await clientOf(pebble);
  const names = domains("ours").values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const name of names) {
      await obtainCertificate({ client, names: [name], key: await generateKeyPair(), solvers: [solver] });
    }
  }));
}

/** The steps of RFC 8555 §7 in a row, a look every 10 ms: nothing that could be left out. */
async function bare(pebble: Pebble): Promise<void> {
  await using client = await clientOf(pebble);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
  for (const name of domains("bare")) {
    const key = await generateKeyPair();
    let order = await client.newOrder({ identifiers: [{ type: "dns", value: name }] });
    const { challenges } = await client.authorization(order.authorizations[0]!);
    const { token, url } = challenges.find(({ type }) => type === "http-01")!;
    const answer = {
      name,
      token,
      keyAuthorization: await client.keyAuthorization(token),
      recordName: "",
      recordValue: "",
    };
    await solver.present(answer, AbortSignal.timeout(60_000));
    await client.respond(url);
    while ((order = await client.order(order.url)).status === "pending") await pause();
    order = await client.finalize(order, (await createRequest({ key, names: { dns: [name] } })).der);
    while (order.status !== "valid") {
      await pause();
      order = await client.order(order.url);
    }
    await client.certificate(order.certificate!);
    await solver.cleanUp(answer);
  }
}

async function lego(program: string, { pebble, folder }: { pebble: Pebble; folder: string }): Promise<void> {
  await writeFile(join(folder, "ca.pem"), pebble.ca);
  for (const name of domains("lego").slice(0, LEGO_CERTIFICATES)) {
    const { success, stderr } = await new Deno.Command(program, {
      args: [
        ...["--server", pebble.directoryUrl, "--accept-tos", "--email", "ops@example.com", "--path", folder],
        ...["--http", "--http.port", `127.0.0.1:${pebble.httpPort}`, "--domains", name, "run"],
      ],
      env: { LEGO_CA_CERTIFICATES: join(folder, "ca.pem") },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  }
}

async function caddy(program: string, { pebble, folder }: { pebble: Pebble; folder: string }): Promise<void> {
  await writeFile(join(folder, "ca.pem"), pebble.ca);
  const config = {
    admin: { disabled: true },
    storage: { module: "file_system", root: join(folder, "caddy") },
    apps: {
      tls: {
        certificates: { automate: domains("caddy") },
        automation: {
          policies: [{
            issuers: [{
              module: "acme",
              ca: pebble.directoryUrl,
              email: "ops@example.com",
              trusted_roots_pem_files: [join(folder, "ca.pem")],
              challenges: { http: { alternate_port: pebble.httpPort }, "tls-alpn": { disabled: true } },
            }],
          }],
        },
      },
    },
  };
  await writeFile(join(folder, "caddy.json"), JSON.stringify(config));
  const child = new Deno.Command(program, {
    args: ["run", "--config", join(folder, "caddy.json")],
    env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const end = Date.now() + CADDY_PATIENCE_MS;
    while (await certificatesIn(join(folder, "caddy")) < CERTIFICATES) {
      if (Date.now() > end) throw new Error("Caddy did not get its certificates in time");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

async function certificatesIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  return files.filter((file) => file.endsWith(".crt")).length;
}

await using folder = await temporaryFolder();
await using pebble = await startPebble();
const server = createServer((request, response) => {
  const answer = solver.answer(request.url ?? "");
  response.writeHead(answer === undefined ? 404 : 200).end(answer);
});
await new Promise<void>((resolve) => server.listen(pebble.httpPort, "127.0.0.1", resolve));
const mine = await seconds(() => ours(pebble));
let failed = false;
function compare(name: string, theirs: number, count = CERTIFICATES): void {
  const isFaster = mine < theirs;
  failed ||= !isFaster;
  const times = count === CERTIFICATES
    ? `ours ${mine.toFixed(2)} s, ${name} ${theirs.toFixed(2)} s = ${(theirs / mine).toFixed(1)}`
    : `ours ${mine.toFixed(2)} s, ${name} ${theirs.toFixed(2)} s for ${count} of them`;
  console.log(`${isFaster ? "ok  " : "SLOW"} ${CERTIFICATES} certificates: ${times}`);
}
compare("a bare sequential client", await seconds(() => bare(pebble)));
server.closeAllConnections();
await new Promise((resolve) => server.close(resolve)); // The others answer challenges themselves.

const context = { pebble, folder: folder.path };
const [legoProgram, caddyProgram] = [findTool("lego"), findTool("caddy")];
if (legoProgram !== undefined) {
  compare("lego", await seconds(() => lego(legoProgram, context)), LEGO_CERTIFICATES);
}
if (caddyProgram !== undefined) compare("Caddy", await seconds(() => caddy(caddyProgram, context)));
if (failed) Deno.exit(1);
