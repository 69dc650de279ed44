/**
 * A certificate the operator supplies, reloaded when its files change.
 *
 * @module
 */
import { EndAnnouncer, looseKeyWarning } from "./announce.ts";
import { TrustError } from "./errors.ts";
import { type JudgedPair, judgePair, refuseOutOfDate } from "./judge.ts";
import { record, type RecordDeps } from "./record.ts";
import type { TrustState } from "./trust.ts";

/** Which files. */
export interface SuppliedFiles {
  /** `--tls-cert`. */
  readonly certFile: string;
  /** `--tls-key`. */
  readonly keyFile: string;
}

/** No certificate chain or key is this large; a device or a log file given by mistake is. */
const MAX_FILE_BYTES = 1024 * 1024;
/**
 * Reads and judges the two files, and changes nothing.
 *
 * @throws {TrustError} Any code but `damaged`, `invalid_name` and `one_alone`.
 */
export async function readSupplied(files: SuppliedFiles, now: Date): Promise<JudgedPair> {
  return judgeSupplied(await readTexts(files), files, now);
}

/**
 * Serves the supplied pair.
 *
 * @throws {TrustError} As {@linkcode readSupplied}.
 */
export async function openSupplied(
  deps: RecordDeps,
  files: SuppliedFiles,
): Promise<TrustState> {
  const texts = await readTexts(files);
  const pair = judgeSupplied(texts, files, deps.now());
  const loose = await looseKeyWarning(files.keyFile);
  if (loose !== undefined) deps.log.warn(loose);
  return new SuppliedTrust(deps, files, texts, pair);
}

interface Texts {
  readonly cert: string;
  readonly key: string;
}

class SuppliedTrust implements TrustState {
  readonly mode = "supplied";
  readonly #deps: RecordDeps;
  readonly #files: SuppliedFiles;
  readonly #listeners: (() => void)[] = [];
  /** The files as last looked at, good or bad: each content is judged and logged once. */
  #seen: string;
  #pair: JudgedPair;
  readonly #end: EndAnnouncer;
  #ticking: Promise<void> = Promise.resolve();

  constructor(
    deps: RecordDeps,
    files: SuppliedFiles,
    texts: Texts,
    pair: JudgedPair,
  ) {
    this.#deps = deps;
    this.#end = new EndAnnouncer(deps);
    this.#files = files;
    this.#seen = identify(texts);
    this.#pair = pair;
    this.#warn();
  }

  current(): JudgedPair {
    return this.#pair;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  tick(): Promise<void> {
    return this.#ticking = this.#ticking.then(() => this.#look());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.length = 0;
    return this.#ticking;
  }

  async #look(): Promise<void> {
    // Content, not dates or events: it is the same for a rewrite, a rename and a symbolic link that points elsewhere
    let identity: string;
    let pair: JudgedPair;
    try {
      const texts = await readTexts(this.#files).catch((error: Error) => error);
      identity = texts instanceof Error ? texts.message : identify(texts);
      if (identity === this.#seen) return this.#announceEnd();
      this.#seen = identity;
      if (texts instanceof Error) throw texts;
      pair = judgeSupplied(texts, this.#files, this.#deps.now());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#deps.log.warn(
        `the supplied certificate was replaced by one that cannot be served, so the old one stays: ${why}`,
      );
      return;
    }
    if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) return;
    this.#pair = pair;
    this.#deps.log.info(`supplied certificate reloaded; it ends ${pair.notAfter.toISOString()}`);
    this.#warn();
    for (const listener of this.#listeners) listener();
    await record(this.#deps, "certificate.reload", `control plane, serial ${pair.leaf.serial}`);
  }

  #warn(): void {
    for (const warning of this.#pair.warnings) {
      this.#deps.log.warn(`the supplied certificate will trouble clients: ${warning}`);
    }
    this.#announceEnd();
  }

  #announceEnd(): void {
    this.#end.announce("the supplied certificate", this.#pair.notAfter, `replace ${this.#files.certFile}`);
  }
}

function judgeSupplied(texts: Texts, files: SuppliedFiles, now: Date): JudgedPair {
  const certLabel = `--tls-cert ${files.certFile}`;
  const pair = judgePair({ ...texts, certLabel, keyLabel: `--tls-key ${files.keyFile}` });
  refuseOutOfDate(pair, certLabel, now);
  return pair;
}

async function readTexts(files: SuppliedFiles): Promise<Texts> {
  return {
    cert: await readText(files.certFile, `--tls-cert ${files.certFile}`),
    key: await readText(files.keyFile, `--tls-key ${files.keyFile}`),
  };
}

async function readText(path: string, label: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw new Error("it is not a file");
    if (size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : (cause as Error).message;
    throw new TrustError("unreadable", `Cannot read ${label}: ${why}`, { cause });
  }
}

/** Both texts as one, for comparing; kept in memory only. */
function identify(texts: Texts): string {
  return `${texts.cert}\0${texts.key}`;
}
