/**
 * nginx: a supervised child with a prefix of its own, one file per domain, and `nginx -t` before every reload.
 *
 * @module
 */
import { makePrivateFolder, readFileIfAny } from "../../store/private_files.ts";
import { runProgram } from "../program/child.ts";
import {
  type Driver,
  type Plan,
  ProgramDown,
  ProgramUnavailable,
  type Refusal,
  type Running,
} from "../program/driver.ts";
import { emptyFolder, removeFile, replaceFile } from "../program/files.ts";
import { askLocal, pause } from "../program/local_http.ts";
import { freePortOf } from "../program/ports.ts";
import { whyDown } from "../program/reasons.ts";
import { CHALLENGES_FILE, mainFile, siteFile, siteText } from "./render.ts";

const FILE = "nginx.conf";
const PORT_FILE = "control-port";
const GENERATION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const POLL_MS = 20;
/** After a reload the old workers accept connections for a moment still (the master waits 100 ms for the new ones). */
const STEADY_MS = 150;

/**
 * Opens it.
 *
 * @param program What to run.
 * @param folder Where its files go; becomes its prefix.
 * @throws {ProgramUnavailable} If it cannot be run, or is too old.
 */
export async function openNginx(program: string, folder: string): Promise<Driver> {
  await makePrivateFolder(folder);
  const { text } = await runProgram(program, ["-v"], { cwd: folder });
  const [, version, ...parts] = /nginx\/((\d+)\.(\d+)\.(\d+))/.exec(text) ?? [];
  if (version === undefined) throw new ProgramUnavailable(`${program} does not look like nginx`);
  const [major, minor, patch] = parts.map(Number) as [number, number, number];
  const number = major * 1e6 + minor * 1e3 + patch;
  // ssl_reject_handshake; without it a stranger's name would get somebody's certificate
  if (number < 1_019_004) throw new ProgramUnavailable(`${program} is nginx ${version}; 1.19.4 or later is needed`);
  return new Nginx(program, { folder, title: `nginx ${version}`, http2Directive: number >= 1_025_001 });
}

class Nginx implements Driver {
  readonly name = "nginx";
  readonly supervised = true;
  readonly title: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #http2Directive: boolean;
  /** What is in the files of the sites. */
  readonly #written = new Map<string, string>();
  #statusPort = 0;
  #generation = "";

  constructor(program: string, options: { readonly folder: string; title: string; http2Directive: boolean }) {
    this.#program = program;
    this.#folder = options.folder;
    this.title = options.title;
    this.#http2Directive = options.http2Directive;
  }

  async endLeftover(): Promise<void> {
    const recorded = await readFileIfAny(`${this.#folder}/${PORT_FILE}`);
    const port = recorded && Number(new TextDecoder().decode(recorded));
    if (!port || !Number.isInteger(port)) return;
    // Whether it is still there is asked of itself: the number in its pid file may be another program's by now
    const alive = () =>
      askLocal({ port }, { path: "/", timeoutMs: 500 }).then(({ text }) => GENERATION.test(text), () => false);
    if (await alive()) {
      // It reads its configuration before it signals, and that may be half of what it was
      await this.#writeBase("events {}\npid nginx.pid;\nerror_log stderr;\n");
      await this.#run("-s", "stop");
      const deadline = Date.now() + 5_000;
      while (Date.now() < deadline && await alive()) await pause(POLL_MS, AbortSignal.timeout(5_000));
    }
    await this.clear();
  }

  async prepare(plan: Plan): Promise<readonly Refusal[]> {
    if (this.#statusPort === 0) {
      for (const folder of ["sites", "temp"]) await makePrivateFolder(`${this.#folder}/${folder}`);
      await this.clear();
      this.#statusPort = await freePortOf("127.0.0.1");
      await replaceFile(`${this.#folder}/${PORT_FILE}`, String(this.#statusPort));
    }
    this.#generation = crypto.randomUUID();
    const facts = { statusPort: this.#statusPort, generation: this.#generation, http2Directive: this.#http2Directive };
    const wanted = new Map(plan.sites.map((site) => [siteFile(site), siteText(site, plan, facts)]));
    for (const [file, text] of wanted) {
      if (this.#written.get(file) === text) continue;
      await replaceFile(`${this.#folder}/${file}`, text);
      this.#written.set(file, text);
    }
    for (const file of this.#written.keys()) {
      if (wanted.has(file)) continue;
      await removeFile(`${this.#folder}/${file}`);
      this.#written.delete(file);
    }
    await replaceFile(`${this.#folder}/challenges.conf`, CHALLENGES_FILE);
    await this.#writeBase(mainFile(plan, facts));
    const { ok, text } = await this.#run("-t", "-q");
    if (ok) return [];
    const why = reasonOf(text, this.#folder);
    const domains = blame(text, plan);
    if (domains.length === 0) throw new ProgramDown(whyDown(this.title, [why], plan));
    return domains.map((domain) => ({ domain, reason: `nginx: ${why}` }));
  }

  args(): readonly string[] {
    return this.#where();
  }

  async load(_plan: Plan, running: Running | undefined, signal: AbortSignal): Promise<readonly Refusal[]> {
    if (!await this.#serves(signal)) {
      // Before it has its own handler this signal would end it; it answers once it has
      while (!await this.#answers(signal)) await pause(POLL_MS, signal);
      if (!await this.#serves(signal)) running?.signal("SIGHUP");
    }
    let since: number | undefined;
    while (since === undefined || Date.now() - since < STEADY_MS) {
      since = await this.#serves(signal) ? since ?? Date.now() : undefined;
      await pause(POLL_MS, signal);
    }
    return [];
  }

  async clear(): Promise<void> {
    this.#written.clear();
    this.#statusPort = 0;
    await emptyFolder(this.#folder, /\.(conf|pid)$|^control-port$/);
    await emptyFolder(`${this.#folder}/sites`);
  }

  #where(): readonly string[] {
    return ["-p", `${this.#folder}/`, "-e", "stderr", "-c", FILE];
  }

  #run(...args: readonly string[]) {
    return runProgram(this.#program, [...this.#where(), ...args], { cwd: this.#folder });
  }

  async #writeBase(text: string): Promise<void> {
    await replaceFile(`${this.#folder}/${FILE}`, text);
  }

  async #serving(signal: AbortSignal): Promise<string | undefined> {
    const answer = await askLocal({ port: this.#statusPort }, { path: "/", signal }).catch(() => undefined);
    signal.throwIfAborted();
    return answer?.text;
  }

  async #serves(signal: AbortSignal): Promise<boolean> {
    return await this.#serving(signal) === this.#generation;
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    return await this.#serving(signal) !== undefined;
  }
}

/** Its first complaint, without its own folder and the time. */
function reasonOf(text: string, folder: string): string {
  const line = text.split("\n").find((one) => /\[emerg\]/.test(one)) ?? text.trim().split("\n")[0] ?? "";
  const short = line.replace(/^.*\[emerg\]\s*(\d+#\d+:\s*)?/, "").replaceAll(`${folder}/`, "");
  return (short || "it refuses its configuration without a word").slice(0, 500);
}

/** The sites an error is about: it names their file, or that of their certificate. */
function blame(text: string, plan: Plan): readonly string[] {
  return plan.sites.filter((site) =>
    text.includes(`/${siteFile(site)}:`) ||
    (site.certificate !== undefined && text.includes(`/${site.certificate.tag}.`))
  ).map((site) => site.domain);
}
