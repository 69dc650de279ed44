/**
 * Traefik 3: a supervised child that watches the one file written here.
 *
 * @module
 */
import { makePrivateFolder, readFileIfAny } from "../../store/private_files.ts";
import { runProgram } from "../program/child.ts";
import { type Driver, type Plan, ProgramUnavailable, type Refusal, type Running } from "../program/driver.ts";
import { emptyFolder, replaceFile } from "../program/files.ts";
import { askLocal, pause } from "../program/local_http.ts";
import { freePortOf } from "../program/ports.ts";
import { type Control, CONTROL_HEADER, dynamicFile, routerNames, staticArgs } from "./render.ts";

/** The file's name in the original. */
const FILE = "helyos-dynamic.yml";
const PORT_FILE = "control-port";
const POLL_MS = 20;

/**
 * Opens it.
 *
 * @param program What to run.
 * @param folder Where its files go.
 * @throws {ProgramUnavailable} If it cannot be run, or is another version.
 */
export async function openTraefik(program: string, folder: string): Promise<Driver> {
  await makePrivateFolder(folder);
  const { ok, text } = await runProgram(program, ["version"], { cwd: folder });
  const version = /Version:\s*(\S+)/.exec(text)?.[1];
  if (!ok || version === undefined) throw new ProgramUnavailable(`${program} does not look like Traefik`);
  // Built from source it calls itself "dev"
  const major = /^v?(\d+)\./.exec(version)?.[1];
  if (major !== undefined && Number(major) < 3) {
    throw new ProgramUnavailable(`${program} is Traefik ${version}; Traefik 3 is needed`);
  }
  return new Traefik(folder, major === undefined ? "Traefik" : `Traefik ${version.replace(/^v/, "")}`);
}

class Traefik implements Driver {
  readonly name = "traefik";
  readonly supervised = true;
  readonly title: string;
  readonly #folder: string;
  readonly #secret = crypto.randomUUID();
  #control: Control | undefined;
  #controlPort = 0;

  constructor(folder: string, title: string) {
    this.#folder = folder;
    this.title = title;
  }

  get #file(): string {
    return `${this.#folder}/${FILE}`;
  }

  /**
   * A Traefik whose daemon is gone has nobody to write its log to, and ends when it tries (as Go programs do on SIGPIPE). A file that is no
   * YAML gives it something to write.
   */
  async endLeftover(): Promise<void> {
    const recorded = await readFileIfAny(`${this.#folder}/${PORT_FILE}`);
    const port = recorded && Number(new TextDecoder().decode(recorded));
    if (!port || !Number.isInteger(port)) return;
    const alive = () => askLocal({ port }, { path: "/", timeoutMs: 500 }).then(() => true, () => false);
    const deadline = Date.now() + 5_000;
    for (let round = 1; Date.now() < deadline && await alive(); round++) {
      await replaceFile(this.#file, `{{ ended ${round}\n`);
      await pause(250, AbortSignal.timeout(5_000));
    }
    await this.clear();
  }

  async prepare(plan: Plan): Promise<readonly Refusal[]> {
    if (this.#controlPort === 0) {
      this.#controlPort = await freePortOf("127.0.0.1");
      await replaceFile(`${this.#folder}/${PORT_FILE}`, String(this.#controlPort));
    }
    this.#control = { router: `helyos-${crypto.randomUUID()}`, secret: this.#secret };
    await replaceFile(this.#file, dynamicFile(plan, this.#control));
    return [];
  }

  args(plan: Plan): readonly string[] {
    return staticArgs(plan, { file: this.#file, controlPort: this.#controlPort });
  }

  async load(plan: Plan, _running: Running | undefined, signal: AbortSignal): Promise<readonly Refusal[]> {
    const { router } = this.#control!;
    while ((await this.#ask(`/api/http/routers/${router}@file`, signal))?.status !== 200) await pause(POLL_MS, signal);
    const answer = await this.#ask("/api/http/routers?status=disabled&per_page=1000", signal);
    if (answer?.status !== 200) return [];
    const domains = new Map(plan.sites.flatMap((site) => routerNames(site).map((name) => [name, site.domain])));
    const refusals = new Map<string, string>();
    for (const { name, error } of JSON.parse(answer.text) as { name: string; error?: string[] }[]) {
      const domain = domains.get(name.replace(/@file$/, ""));
      if (domain !== undefined) refusals.set(domain, error?.join("; ") ?? "Traefik does not serve it");
    }
    return [...refusals].map(([domain, reason]) => ({ domain, reason }));
  }

  async clear(): Promise<void> {
    this.#controlPort = 0;
    await emptyFolder(this.#folder);
  }

  #ask(path: string, signal: AbortSignal) {
    return askLocal({ port: this.#controlPort }, { path, signal, headers: { [CONTROL_HEADER]: this.#secret } })
      .catch(() => undefined); // It is still starting; when it ends, the signal says so
  }
}
