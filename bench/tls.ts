/**
 * What @helyos/tls costs: requests and full handshakes of `serveTls` with mutual TLS, beside a bare node:https server with the
 * same options, in turns; and whether reloading under open connections drops any.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { generateTestCertificates } from "@helyos/tls";
import { findTool } from "../tests/support/tools.ts";

const ROUNDS = 7;
const TURN_MS = 1200;
const LEAST = { requests: 0.8, handshakes: 0.9 } as const;
const OPEN = 500;
const RELOADS = 5;

const path = (name: string) => fileURLToPath(new URL(`support/${name}`, import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "helyos-bench-"));
await generateTestCertificates(folder);

/** A child that is asked by lines and answers by lines. */
class Child implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  constructor(program: string, args: readonly string[]) {
    this.#child = new Deno.Command(program, { args: [...args], stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#writer = this.#child.stdin.getWriter();
  }

  async number(): Promise<number> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("A process of the benchmark ended early");
      this.#rest += value;
    }
    const [line, ...rest] = this.#rest.split("\n");
    this.#rest = rest.join("\n");
    return Number(line);
  }

  async say(): Promise<void> {
    await this.#writer.write(new TextEncoder().encode("go\n"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#lines.cancel();
    await this.#child.status;
  }
}

function serve(kind: "ours" | "plain"): Child {
  return new Child(Deno.execPath(), [
    ...[
      "run",
      "--quiet",
      "--allow-net",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      path("tls_server.ts"),
      kind,
      folder,
    ],
  ]);
}

// Node's own client leaves more of the machine to the server than Deno's.
const node = findTool("node");
function load(kind: string, port: number, connections: number): Child {
  const args = [path("tls_load.mjs"), kind, folder, String(port), String(connections), String(TURN_MS)];
  if (node !== undefined) return new Child(node, args);
  return new Child(Deno.execPath(), ["run", "--quiet", "--allow-net", "--allow-read", "--allow-env", ...args]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

let failed = false;
function report(text: string, isGood: boolean): void {
  // deno-lint-ignore no-console
  console.log(`${isGood ? "ok  " : "LOW "}${text}`);
  failed ||= !isGood;
}

{
  await using ours = serve("ours");
  await using plain = serve("plain");
  const ports = { ours: await ours.number(), plain: await plain.number() };
  for (const [kind, connections] of [["requests", 32], ["handshakes", 8]] as const) {
    const rates = { ours: [] as number[], plain: [] as number[] };
    for (let round = -1; round < ROUNDS; round++) {
      // The order changes, so that neither always follows the other.
      for (const name of round % 2 === 0 ? ["ours", "plain"] as const : ["plain", "ours"] as const) {
        await using client = load(kind, ports[name], connections);
        const rate = await client.number();
        if (round >= 0) rates[name].push(rate);
      }
    }
    const ratio = median(rates.ours.map((rate, round) => rate / rates.plain[round]!));
    const shown = `${Math.round(median(rates.ours))} against ${Math.round(median(rates.plain))} ${kind}/s`;
    report(`${kind}: ${ratio.toFixed(2)} of bare node:https (at least ${LEAST[kind]}); ${shown}`, ratio >= LEAST[kind]);
  }
}

{
  await using ours = serve("ours");
  await using client = load("open", await ours.number(), OPEN);
  let served = await client.number();
  for (let reload = 0; reload < RELOADS; reload++) {
    await ours.say();
    await client.say();
    served = Math.min(served, await client.number());
  }
  report(`reload: ${OPEN - served} of ${OPEN} open connections dropped by ${RELOADS} reloads`, served === OPEN);
}

await rm(folder, { recursive: true });
if (failed) Deno.exit(1);
