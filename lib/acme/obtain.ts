/**
 * From names to a certificate: order, prove, finalize, fetch.
 *
 * @module
 */
import { createRequest, type KeyPair } from "@helyos/pki";
import type { AcmeClient, Authorization, Challenge, Identifier, Order } from "./client.ts";
import { AcmeError } from "./errors.ts";
import { problemError, readProblem } from "./problem.ts";
import { challengeAnswer, type Solver } from "./solver.ts";

/** Options of {@linkcode obtainCertificate}. */
export interface ObtainOptions {
  /** A client whose account is registered. */
  readonly client: AcmeClient;
  /** The names, the first of which becomes the common name: DNS names, wildcards, IP addresses. */
  readonly names: readonly string[];
  /** The certificate's key. Save it before you call, so that an order can be taken up again. */
  readonly key: KeyPair;
  /** Ways to prove the names, the preferred one first. */
  readonly solvers: readonly Solver[];
  /** The certificate profile. */
  readonly profile?: string;
  /** ARI identifier of the certificate this one replaces (RFC 9773 §5). */
  readonly replaces?: string;
  /** Common name of the issuer at the top of the chain to choose. */
  readonly preferredIssuer?: string;
  /** An order that was placed for the same names and key and not finished: it is taken up again when it still lives. */
  readonly orderUrl?: string;
  /** Called with the order's address before anything else is done with it: save it. */
  readonly onOrder?: (url: string) => Promise<void>;
  /** Stops the work. The order stays and can be taken up again. */
  readonly signal?: AbortSignal;
  /**
   * How long to wait for the CA to check and sign, in milliseconds.
   * @default {300000}
   */
  readonly patienceMs?: number;
}

/** A certificate just obtained. */
export interface ObtainedCertificate {
  /** PEM: the leaf, then what leads from it to a root. */
  readonly chainPem: string;
  /** Address of the order. */
  readonly orderUrl: string;
}

/**
 * Obtains a certificate (RFC 8555 §7).
 *
 * Safe to repeat after a crash: with the same key and the saved `orderUrl` it goes on where it was, and an order that was signed
 * already is only fetched.
 *
 * @example
 * ```ts ignore
 * const { chainPem } = await obtainCertificate({ client, names: ["example.com"], key, solvers: [httpSolver()] });
 * ```
 * @param options Names, key, and ways to prove the names.
 * @returns The chain and the order.
 * @throws {AcmeError} If the CA refuses, cannot be reached, or does not find the answers: see the codes.
 */
export async function obtainCertificate(options: ObtainOptions): Promise<ObtainedCertificate> {
  const { client, names } = options;
  if (names.length === 0) throw new TypeError("Cannot obtain a certificate for no name");
  const signal = AbortSignal.any([
    AbortSignal.timeout(options.patienceMs ?? 300_000),
    ...(options.signal ? [options.signal] : []),
  ]);
  try {
    let order = await openOrder(options);
    if (order.status === "pending") {
      await Promise.all(order.authorizations.map((url) => prove(url, options, signal)));
      order = await waitForOrder(client, order, ["ready", "valid"], signal);
    }
    if (order.status === "ready") {
      const request = await createRequest({ key: options.key, commonName: names[0]!, names: subjectNames(names) });
      order = await client.finalize(order, request.der);
    }
    order = await waitForOrder(client, order, ["valid"], signal);
    if (!order.certificate) {
      throw new AcmeError("protocol", "Cannot fetch the certificate: the CA did not say where it is");
    }
    const preferred = options.preferredIssuer === undefined ? {} : { preferredIssuer: options.preferredIssuer };
    return { chainPem: await client.certificate(order.certificate, preferred), orderUrl: order.url };
  } catch (error) {
    if (signal.aborted && error === signal.reason && !options.signal?.aborted) {
      throw new AcmeError("unavailable", `Cannot obtain a certificate for ${names.join(", ")}: the CA took too long`, {
        cause: error,
      });
    }
    throw error;
  }
}

async function openOrder(options: ObtainOptions): Promise<Order> {
  const { client } = options;
  if (options.orderUrl !== undefined) {
    const old = await client.order(options.orderUrl).catch((error: unknown) => {
      if (error instanceof AcmeError && error.code === "order_lost") return undefined;
      throw error;
    });
    if (old && old.status !== "invalid" && sameNames(old, options.names)) return old;
  }
  const order = await client.newOrder({
    identifiers: options.names.map(identifierOf),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
  }).catch((error: unknown) => {
    // RFC 9773 §5: another order replaces that certificate already. This one is wanted all the same.
    if (!(error instanceof AcmeError && error.code === "already_replaced")) throw error;
    return client.newOrder({
      identifiers: options.names.map(identifierOf),
      ...(options.profile === undefined ? {} : { profile: options.profile }),
    });
  });
  await options.onOrder?.(order.url);
  return order;
}

async function prove(url: string, options: ObtainOptions, signal: AbortSignal): Promise<void> {
  const { client } = options;
  const authorization = await client.authorization(url);
  if (authorization.status === "valid") return;
  const { solver, challenge } = choose(authorization, options.solvers);
  if (challenge.status === "invalid") throw failedChallenge(authorization, challenge);
  const answer = challengeAnswer(
    authorization.identifier.value,
    challenge.token,
    await client.keyAuthorization(challenge.token),
  );
  await solver.present(answer, signal);
  try {
    if (challenge.status === "pending") await client.respond(challenge.url);
    for await (const _ of looks(undefined, signal)) {
      // The challenge itself is looked at: it says why it failed, and servers put no Retry-After on it.
      const now = await client.challenge(challenge.url);
      if (now.status === "valid") return;
      if (now.status === "invalid") throw failedChallenge(authorization, now);
    }
  } finally {
    await solver.cleanUp(answer);
  }
}

function choose(authorization: Authorization, solvers: readonly Solver[]): { solver: Solver; challenge: Challenge } {
  for (const solver of solvers) {
    const challenge = authorization.challenges.find((one) => one.type === solver.type);
    if (challenge) return { solver, challenge };
  }
  const name = `${authorization.wildcard ? "*." : ""}${authorization.identifier.value}`;
  const offered = authorization.challenges.map((one) => one.type).join(", ");
  throw new AcmeError(
    "unsupported",
    `Cannot prove ${name}: the CA offers ${offered || "nothing"}, and ${
      authorization.wildcard
        ? "a wildcard needs a solver for dns-01"
        : `the solvers are ${solvers.map((one) => one.type).join(", ")}`
    }`,
  );
}

function failedChallenge(authorization: Authorization, challenge: Challenge): AcmeError {
  return problemError(`Cannot prove ${authorization.identifier.value}`, readProblem(challenge.error, 403));
}

async function waitForOrder(
  client: AcmeClient,
  order: Order,
  wanted: readonly Order["status"][],
  signal: AbortSignal,
): Promise<Order> {
  let now = order;
  for await (const _ of looks(() => now.retryAt, signal)) {
    if (wanted.includes(now.status)) return now;
    if (now.status === "invalid") {
      const problem = readProblem(now.error, 400);
      throw problem.detail === "" && problem.type === "about:blank"
        ? new AcmeError("order_lost", "Cannot finish the order: the CA gave it up")
        : problemError("Cannot finish the order", problem);
    }
    now = await client.order(order.url);
  }
  throw signal.reason;
}

/** The first looks come quickly, as most orders are done in milliseconds; later ones keep to what the server asked for. */
const EARLY_LOOKS_MS: readonly number[] = [0, 10, 20, 40, 80, 160, 320];

/** Longest pause between two looks, in milliseconds. */
const MAX_PAUSE_MS = 30_000;

async function* looks(retryAt: (() => Date | undefined) | undefined, signal: AbortSignal): AsyncGenerator<void> {
  for (let look = 0;; look++) {
    const early = EARLY_LOOKS_MS[look];
    const asked = (retryAt?.()?.getTime() ?? 0) - Date.now();
    const pause = early ?? Math.min(MAX_PAUSE_MS, Math.max(asked, 1000, 500 * 2 ** (look - EARLY_LOOKS_MS.length)));
    await pauseFor(pause, signal);
    yield;
  }
}

function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (milliseconds === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}

const IP = /^[\d.]+$|:/;

function identifierOf(name: string): Identifier {
  return { type: IP.test(name) ? "ip" : "dns", value: name };
}

function subjectNames(names: readonly string[]): { dns: string[]; ip: string[] } {
  return { dns: names.filter((name) => !IP.test(name)), ip: names.filter((name) => IP.test(name)) };
}

function sameNames(order: Order, names: readonly string[]): boolean {
  const wanted = new Set(names);
  return order.identifiers.length === wanted.size && order.identifiers.every((one) => wanted.has(one.value));
}
