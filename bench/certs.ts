/**
 * How fast `helyos certs generate-all` issues to a registry of 500 services, started and ended as an operator does, beside
 * what people script for it: three `openssl` processes per service (key, request, certificate). Both with EC P-256; both write
 * key and certificate; ours is also on the disk (fsync) and in the ledger when it says so.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { helyos, temporaryFolder } from "../tests/support/process.ts";
import { findTool } from "../tests/support/tools.ts";

const SERVICES = 500;
/** The peer is slow, and as fast with the hundredth as with the first. */
const PEER_SERVICES = 100;
const ROUNDS = 3;

await using folder = await temporaryFolder();
const at = (...names: string[]) => join(folder.path, ...names);
const names = Array.from({ length: SERVICES }, (_, i) => `service-${i}`);
await writeFile(
  at("registry.yml"),
  `services:\n${names.map((name) => `  ${name}: {aliases: [${name}.lan]}\n`).join("")}`,
);

async function certs(...words: string[]): Promise<void> {
  const { code, stderr } = await helyos(["certs", ...words], { home: folder.path });
  if (code !== 0) throw new Error(stderr);
}

/** As people script it: a shell that starts three processes a service. */
const SCRIPT = `
set -e
for name; do
  "$openssl" ecparam -name prime256v1 -genkey -noout -out "$name.key"
  "$openssl" req -new -key "$name.key" -subj "/CN=$name.internal" -out "$name.csr"
  "$openssl" x509 -req -in "$name.csr" -CA "$ca/ca-cert.pem" -CAkey "$ca/ca-key.pem" -CAcreateserial -days 365 -out "$name.pem"
done`;

async function ours(): Promise<number> {
  const start = performance.now();
  await certs("generate-all");
  return SERVICES / ((performance.now() - start) / 1000);
}

async function theirs(program: string): Promise<number> {
  const start = performance.now();
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", SCRIPT, "sh", ...names.slice(0, PEER_SERVICES)],
    cwd: at("peer"),
    env: { openssl: program, ca: at(".helyos/pki/ca") },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return PEER_SERVICES / ((performance.now() - start) / 1000);
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

await mkdir(at("peer"));
await certs("init-ca");
await certs("generate-all"); // Everything after this is a rotation: the folders are there, the disk is warm.
const program = findTool("openssl");
const [mine, peers]: [number[], number[]] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  mine.push(await ours());
  if (program !== undefined) peers.push(await theirs(program));
}
const rate = `generate-all of ${SERVICES} services, process start and fsync included: ${median(mine).toFixed(0)}/s`;
if (program === undefined) console.log(`${rate}; openssl is not installed, nothing to compare with`);
else {
  const ratio = median(mine) / median(peers);
  console.log(`${rate}, three openssl processes each ${median(peers).toFixed(0)}/s = ${ratio.toFixed(1)}`);
}
