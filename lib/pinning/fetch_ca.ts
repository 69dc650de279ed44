/**
 * The one unverified request: asks a server for its CA, and sees whether it is really the server's.
 *
 * @module
 */
import { nameCause } from "./cause.ts";
import { openConnection } from "./connection.ts";
import { type FingerprintForm, PinningError } from "./errors.ts";
import {
  type Fingerprint,
  fingerprintForms,
  fingerprintOfPem,
  matchFingerprint,
  parseFingerprint,
} from "./fingerprint.ts";
import { judgeFor } from "./judge.ts";
import { proxyOf } from "./proxy.ts";
import { shownTarget, targetOf } from "./target.ts";

/** Where a daemon offers its CA. */
const PATH = "/api/v1/ca";

/** Largest answer that is read, in bytes: a hundred times what a CA needs. */
const MAX_ANSWER = 64 * 1024;

/** How long everything may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** How long the connection may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Options for {@linkcode fetchCa}. */
export interface FetchCaOptions {
  /** Refuse any CA but the one with this fingerprint, in any spelling `parseFingerprint` reads. */
  readonly expected?: string;
  /**
   * How long everything may take, in milliseconds.
   * @default {10000}
   */
  readonly timeoutMs?: number;
  /** Stops it. */
  readonly signal?: AbortSignal;
  /** Goes through this HTTP proxy. No environment variable ever names one. */
  readonly proxy?: string | URL;
  /**
   * The clock certificates are judged by.
   * @default {() => new Date()}
   */
  readonly now?: () => Date;
}

/** A CA that a server offered. */
export interface FetchedCa {
  /** Its certificate, exactly as the server wrote it. */
  readonly pem: string;
  /** What is pinned: SHA-256 of that text. */
  readonly fingerprint: Fingerprint;
  /** In which spelling the expected fingerprint matched; undefined if none was expected. */
  readonly form?: FingerprintForm;
}

/**
 * Asks a server for its CA over a connection that is encrypted but not verified.
 *
 * No token, no cookie and no body is sent, and no redirect is followed. What comes back is judged before it is returned:
 * it is exactly one CA certificate, it has the expected fingerprint if one was given, and the certificate that the server
 * presented on this very connection comes from it, for the name that was asked for.
 *
 * Without `expected` this does not tell the server from somebody in between who answers with a CA of his own: show the
 * fingerprint to a person who can compare it, and pin it only then. Speak to the server over a new, pinned connection.
 *
 * @example
 * ```ts
 * import { fetchCa } from "@helyos/pinning";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(() => fetchCa("http://127.0.0.1:6443"), TypeError);
 * ```
 * @param server Its origin, `https:`.
 * @param options What to expect, and limits.
 * @returns The CA.
 * @throws {PinningError} `no_ca` if it has none to offer (404), `fingerprint_mismatch` if it is not the expected one,
 * `invalid_ca` if it is no CA, `unknown_ca` if it is not the CA of this server, or what else went wrong.
 * @throws {TypeError} If `server` is no `https:` origin.
 * @throws {SyntaxError} If `expected` is no fingerprint.
 */
export async function fetchCa(server: string | URL, options: FetchCaOptions = {}): Promise<FetchedCa> {
  const target = targetOf(server);
  if (!target.secure) throw new TypeError(`A CA is fetched over https: alone, not from ${target.origin}`);
  if (options.expected !== undefined) parseFingerprint(options.expected);
  const now = options.now ?? (() => new Date());
  const limit = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;

  const place = shownTarget(target);
  // What is needed in the middle is loaded then: the clients of this library start with this module.
  const { BrokenExchange, exchange } = await import("./exchange.ts");
  const connection = await openConnection(target, {
    judge: judgeFor("insecure", now),
    proxy: options.proxy === undefined ? undefined : proxyOf(options.proxy),
    timeoutMs: Math.min(CONNECT_TIMEOUT_MS, options.timeoutMs ?? TIMEOUT_MS),
    signal,
  });
  try {
    const outgoing = {
      url: new URL(PATH, target.origin),
      method: "GET",
      headers: new Headers({ accept: "application/json" }),
      body: null,
      redirect: "manual",
      signal,
    } as const;
    const limits = { timeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS, maxHeaderBytes: 16_384 };
    const response = await exchange(connection, outgoing, { target, ...limits });
    const { pem, sha256 } = await readAnswer(response, place);
    // First what the caller was told: the answer's own word comes after.
    const found = await compare(pem, options.expected, place);
    if (sha256 !== undefined && String(sha256).toLowerCase() !== found.fingerprint) {
      throw new PinningError("invalid_ca", `${place} offers a CA with a fingerprint that is not the CA's`);
    }
    await prove(pem, connection.presented, { place, target, now, serverDate: dateOf(response) });
    return found;
  } catch (error) {
    if (signal.aborted && signal.reason === limit.reason) {
      throw new PinningError("timeout", `${place} did not offer its CA in time`, { cause: error });
    }
    throw error instanceof BrokenExchange ? nameCause(error.cause, place) : error;
  } finally {
    connection.socket.destroy();
  }
}

async function readAnswer(response: Response, place: string): Promise<{ pem: string; sha256: unknown }> {
  const { status } = response;
  if (status === 404) throw new PinningError("no_ca", `${place} offers no CA to pin`, { status });
  if (status !== 200) {
    throw new PinningError("protocol", `${place} answered ${status} when asked for its CA`, { status });
  }
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await readLimited(response, place)));
  } catch (cause) {
    if (cause instanceof PinningError) throw cause;
    throw new PinningError("protocol", `${place} offers a CA that is not JSON`, { cause });
  }
  const { pem, sha256 } = (answer ?? {}) as { pem?: unknown; sha256?: unknown };
  if (typeof pem !== "string") throw new PinningError("protocol", `${place} offers a CA without "pem"`);
  // Text beside the certificate would be pinned along with it, unseen.
  if (!/^-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*$/.test(pem)) {
    throw new PinningError("invalid_ca", `${place} offers a CA that is not exactly one certificate`);
  }
  const { readCertificates, whyNoCa } = await import("./certificates.ts");
  const reason = whyNoCa(readCertificates(pem, { exactly: 1 })[0]!);
  if (reason) throw new PinningError("invalid_ca", `Cannot trust the CA of ${place}: its certificate ${reason}`);
  return { pem, sha256 };
}

async function readLimited(response: Response, place: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER) throw new PinningError("too_large", `${place} offers a CA of more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function compare(pem: string, expected: string | undefined, place: string): Promise<FetchedCa> {
  const fingerprint = await fingerprintOfPem(pem);
  if (expected === undefined) return { pem, fingerprint };
  const match = await matchFingerprint(expected, pem);
  if (match) return { pem, fingerprint, form: match.form };
  const wanted = parseFingerprint(expected);
  const tried = fingerprintForms(expected);
  const message = `Cannot trust the CA of ${place}: expected ${wanted}, got ${fingerprint} (tried: ${
    tried.join(", ")
  })`;
  throw new PinningError("fingerprint_mismatch", message, { expected: wanted, got: fingerprint, tried });
}

/** The CA must be the one behind the certificate of this very connection, or pinning it would lock everybody out. */
async function prove(
  pem: string,
  presented: readonly Uint8Array[],
  { place, target, now, serverDate }: {
    readonly place: string;
    readonly target: ReturnType<typeof targetOf>;
    readonly now: () => Date;
    readonly serverDate: Date | undefined;
  },
): Promise<void> {
  // The platform has not been asked yet: it is when the first pinned connection is made.
  const occasion = { place, name: target.name, authorized: true, serverDate };
  await judgeFor({ ca: pem }, now)!.judge(presented, occasion);
}

function dateOf(response: Response): Date | undefined {
  const date = new Date(response.headers.get("date") ?? NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
