/**
 * Caddy 2, by its admin API: a supervised child whose API is a socket in a private folder, or one that runs already.
 *
 * @module
 */
import { makePrivateFolder } from "../../store/private_files.ts";
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
import { askLocal, type ControlAddress, type LocalAnswer, pause } from "../program/local_http.ts";
import { whyDown } from "../program/reasons.ts";
import { caddyConfig, type CaddyFacts, emptyConfig } from "./render.ts";

const FILE = "caddy.json";
const SOCKET = "admin.sock";
const POLL_MS = 20;
/** What the name of a socket may be long (unix(7)), with its final zero. */
const SOCKET_PATH = 108;

/**
 * Opens a Caddy that is to be a child.
 *
 * @param program What to run.
 * @param folder Where its files go.
 * @throws {ProgramUnavailable} If it cannot be run, or its socket cannot be there.
 */
export async function openCaddy(program: string, folder: string): Promise<Driver> {
  await makePrivateFolder(folder);
  const { ok, text } = await runProgram(program, ["version"], { cwd: folder });
  if (!ok) throw new ProgramUnavailable(`${program} does not look like Caddy`);
  // Built from source it may not know its version
  const [, version, major, minor] = /^v?((\d+)\.(\d+)\.\d+)/m.exec(text) ?? [];
  if (major !== undefined && major !== "2") {
    throw new ProgramUnavailable(`${program} is Caddy ${version}; Caddy 2 is needed`);
  }
  const socketPath = `${folder}/${SOCKET}`;
  if (new TextEncoder().encode(socketPath).length >= SOCKET_PATH) {
    throw new ProgramUnavailable(`the path ${socketPath} is too long for a socket; choose a shorter --data-dir`);
  }
  return new Caddy({
    title: version === undefined ? "Caddy" : `Caddy ${version}`,
    control: { socketPath },
    folder,
    facts: {
      // Relative to its working folder, which is its own
      admin: `unix/${SOCKET}`,
      storage: `${folder}/storage`,
      closesStreamsLate: minor === undefined || Number(minor) >= 7,
    },
  });
}

/**
 * Opens a Caddy that runs already. All of its configuration becomes ours; it must be able to read the certificates in `folder`.
 *
 * @param admin Its admin API, for example `http://localhost:2019`.
 * @param folder Where certificates go.
 * @throws {ProgramUnavailable} If it does not answer.
 */
export async function openRunningCaddy(admin: URL, folder: string): Promise<Driver> {
  await makePrivateFolder(folder);
  const control = { url: admin };
  const answer = await askLocal(control, { path: "/config/" }).catch((cause) => {
    throw new ProgramUnavailable(`no Caddy answers at ${admin.href}`, { cause });
  });
  if (answer.status !== 200) throw new ProgramUnavailable(`no Caddy answers at ${admin.href}`);
  const facts: CaddyFacts = { admin: admin.host, closesStreamsLate: true };
  return new Caddy({ title: `Caddy at ${admin.host}`, control, folder, facts });
}

interface CaddyOptions {
  readonly title: string;
  readonly control: ControlAddress;
  readonly folder: string;
  readonly facts: CaddyFacts;
}

class Caddy implements Driver {
  readonly name = "caddy";
  readonly title: string;
  readonly #control: ControlAddress;
  readonly #folder: string;
  #facts: CaddyFacts;

  constructor({ title, control, folder, facts }: CaddyOptions) {
    this.title = title;
    this.#control = control;
    this.#folder = folder;
    this.#facts = facts;
  }

  get supervised(): boolean {
    return "socketPath" in this.#control;
  }

  async endLeftover(): Promise<void> {
    if (!("socketPath" in this.#control)) return;
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline) {
      const answer = await this.#ask("/stop", "").catch(() => undefined);
      if (answer === undefined) break;
      await pause(POLL_MS, AbortSignal.timeout(5_000));
    }
    await removeFile(this.#control.socketPath);
  }

  async prepare(): Promise<readonly Refusal[]> {
    if (this.supervised) await replaceFile(`${this.#folder}/${FILE}`, JSON.stringify(emptyConfig(this.#facts)));
    return [];
  }

  args(): readonly string[] {
    return ["run", "--config", FILE];
  }

  async load(plan: Plan, _running: Running | undefined, signal: AbortSignal): Promise<readonly Refusal[]> {
    const config = JSON.stringify(caddyConfig(plan, this.#facts));
    let answer: LocalAnswer | undefined;
    while ((answer = await this.#load(config, signal)) === undefined) await pause(POLL_MS, signal);
    if (answer.status === 200) return [];
    if (this.#facts.closesStreamsLate && answer.text.includes("stream_close_delay")) {
      this.#facts = { ...this.#facts, closesStreamsLate: false }; // older than 2.7, and did not say so
      return await this.load(plan, _running, signal);
    }
    const why = reasonOf(answer);
    const domains = blame(why, plan);
    if (domains.length === 0) throw new ProgramDown(whyDown(this.title, [why], plan));
    return domains.map((domain) => ({ domain, reason: `Caddy: ${why}` }));
  }

  async clear(): Promise<void> {
    if (this.supervised) {
      await emptyFolder(this.#folder);
      await removeFile(`${this.#folder}/${SOCKET}`);
    } else {
      // Best effort: a Caddy that does not answer serves nothing either
      await this.#ask("/load", JSON.stringify(emptyConfig(this.#facts))).catch(() => {});
    }
  }

  /** The answer; undefined while it is still starting. */
  async #load(config: string, signal: AbortSignal): Promise<LocalAnswer | undefined> {
    try {
      return await this.#ask("/load", config, signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (this.supervised) return undefined;
      throw new ProgramDown(`${this.title} does not answer: ${(cause as Error).message}`, { cause });
    }
  }

  #ask(path: string, body: string, signal?: AbortSignal): Promise<LocalAnswer> {
    return askLocal(this.#control, {
      path,
      body,
      method: "POST",
      headers: { "content-type": "application/json" },
      timeoutMs: 60_000,
      ...(signal ? { signal } : {}),
    });
  }
}

/** What Caddy says, without the modules it names on the way. */
function reasonOf({ status, text }: LocalAnswer): string {
  let error = text.trim();
  try {
    error = (JSON.parse(text) as { error?: string }).error ?? error;
  } catch {
    // Not JSON: as it is
  }
  const short = error.replace(/^(loading (new )?config: )+/, "").replace(/^loading \w+ app module: /, "");
  return (short || `its admin API answered ${status}`).slice(0, 500);
}

/** The sites an error is about: nothing of a judged site can be wrong to Caddy but its certificate, which it names by its file. */
function blame(error: string, plan: Plan): readonly string[] {
  return plan.sites.filter(({ certificate }) => certificate !== undefined && error.includes(`${certificate.tag}.`))
    .map(({ domain }) => domain);
}
