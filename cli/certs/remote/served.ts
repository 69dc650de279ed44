/**
 * What a service really serves: *deployed* is not *served* until seen.
 *
 * @module
 */
import { connect } from "node:tls";
import { isIP } from "node:net";
import { CliError } from "../../failure.ts";
import { fingerprint } from "../store.ts";

/** How to look. */
export interface LookOptions {
  /** The name to ask for (SNI); the probe's host by default. */
  readonly name?: string;
  /** A pair to show if the server asks for one. */
  readonly pair?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * How long it may take, in milliseconds.
   * @default {5000}
   */
  readonly timeoutMs?: number;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Splits a `certs.probe`.
 *
 * @param probe `host:port`, with an IPv6 address in brackets.
 * @returns Its parts.
 * @throws {CliError} If it is no such thing.
 */
export function parseProbe(probe: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})$/.exec(probe) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65535) return { host, port };
  throw new CliError(`not an address to look at: ${JSON.stringify(probe)}`, {
    code: "bad_registry",
    hint: "certs.probe is host:port",
  });
}

/**
 * Looks which certificate is served. Nothing is trusted and nothing sent: who serves it is what the caller is about to compare.
 *
 * @param probe `host:port`
 * @param options How to look.
 * @returns SHA-256 of the certificate's DER, in hex.
 * @throws {CliError} `not_served` if nobody answers there, or not in TLS.
 */
export function lookAt(probe: string, options: LookOptions = {}): Promise<string> {
  const { host, port } = parseProbe(probe);
  const { name = host, pair, timeoutMs = 5000, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(pair ?? {}),
      rejectUnauthorized: false,
    });
    const end = (done: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.destroy();
      done();
    };
    const fail = (why: string): void =>
      end(() => reject(new CliError(`cannot see what ${probe} serves: ${why}`, { code: "not_served" })));
    const abort = (): void => end(() => reject(signal?.reason));
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs / 1000} seconds`), timeoutMs);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) return abort();
    socket.once("error", (error) => fail(error.message));
    socket.once("close", () => fail("it closed the connection"));
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate(true);
      if (raw === undefined) return fail("it showed no certificate");
      end(() => resolve(fingerprint(new Uint8Array(raw))));
    });
  });
}

/**
 * Waits until a service serves a certificate: reloading takes its time.
 *
 * @param probe `host:port`
 * @param sha256 What it must serve.
 * @param options How to look, and for how long.
 * @throws {CliError} `not_served` if it does not in time.
 */
export async function untilServed(
  probe: string,
  sha256: string,
  options: LookOptions & { readonly patienceMs?: number } = {},
): Promise<void> {
  const { patienceMs = 15_000, signal } = options;
  const end = performance.now() + patienceMs;
  for (let pauseMs = 50;; pauseMs = Math.min(pauseMs * 2, 1000)) {
    let failure: unknown;
    try {
      if (await lookAt(probe, options) === sha256) return;
      failure = new CliError(`${probe} does not serve the new certificate but another one`, {
        code: "not_served",
        hint: "Let certs.reload in the registry name what makes the service take it",
      });
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
    if (performance.now() + pauseMs > end) throw failure;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    signal?.throwIfAborted();
  }
}
