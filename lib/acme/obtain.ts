/**
 * From names to a certificate: order, prove, finalize, fetch.
 *
 * @module
 */
import { createRequest, type KeyPair, parseCertificates } from "@helyos/pki";
import type { AcmeClient } from "./client.ts";
import { AcmeError } from "./errors.ts";
import { identifiersOf, sameNames, subjectOf } from "./identifier.ts";
import { Patience } from "./patience.ts";
import { problemError, readProblem } from "./problem.ts";
import type { Authorization, Challenge, Order } from "./resources.ts";
import { type ChallengeAnswer, challengeAnswer, type Solver } from "./solver.ts";

/** Options of {@linkcode obtainCertificate}. */
export interface ObtainOptions {
  /** A client whose account is registered. */
  readonly client: AcmeClient;
  /** The names: DNS names, wildcards, IP addresses. The first DNS name of at most 64 characters becomes the common name. */
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
  /** Told of an answer to a challenge that could not be taken away again. The certificate is obtained all the same. */
  readonly onLeftover?: (error: unknown, answer: ChallengeAnswer) => void;
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
 * @throws {TypeError} If there is no name, or one is neither a DNS name nor an IP address.
 * @throws {AcmeError} If the CA refuses, cannot be reached, or does not find the answers: see the codes.
 */
export async function obtainCertificate(options: ObtainOptions): Promise<ObtainedCertificate> {
  if (options.names.length === 0) throw new TypeError("Cannot obtain a certificate for no name");
  const identifiers = identifiersOf(options.names);
  const what = `Cannot obtain a certificate for ${options.names.join(", ")}`;
  const patience = new Patience(what, options);
  const work: Work = { options, identifiers, patience };
  try {
    const old = await oldOrder(work);
    if (old) {
      const obtained = await finish(work, old);
      if (await holdsKey(obtained.chainPem, options.key)) return obtained;
      // It was finalized with a key that is gone: of no use to anybody.
    }
    const obtained = await finish(work, await placeOrder(work));
    if (await holdsKey(obtained.chainPem, options.key)) return obtained;
  } catch (error) {
    throw patience.judge(error);
  }
  throw new AcmeError("protocol", `${what}: the CA signed another key`);
}

interface Work {
  readonly options: ObtainOptions;
  readonly identifiers: Order["identifiers"];
  readonly patience: Patience;
}

async function finish(work: Work, placed: Order): Promise<ObtainedCertificate> {
  const { options: { client, key, preferredIssuer }, identifiers, patience } = work;
  const { signal } = patience;
  let order = placed;
  if (order.status === "pending") {
    await proveAll(work, order.authorizations);
    order = await waitForOrder(work, order, ["ready", "processing", "valid"]);
  }
  if (order.status === "ready") {
    const request = await createRequest({ key, ...subjectOf(identifiers) });
    order = await client.finalize(order, request.der, { signal }).catch((error: unknown) => {
      // An earlier attempt, whose answer was lost, has arrived: the order is past that.
      if (!(error instanceof AcmeError && error.problem?.type === "orderNotReady")) throw error;
      return client.order(order.url, { signal });
    });
  }
  order = await waitForOrder(work, order, ["valid"]);
  if (!order.certificate) {
    throw new AcmeError("protocol", "Cannot fetch the certificate: the CA did not say where it is");
  }
  const preferred = preferredIssuer === undefined ? {} : { preferredIssuer };
  return { chainPem: await client.certificate(order.certificate, { ...preferred, signal }), orderUrl: order.url };
}

async function holdsKey(chainPem: string, key: KeyPair): Promise<boolean> {
  const { spki } = parseCertificates(chainPem)[0]!;
  const ours = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
  return spki.length === ours.length && spki.every((octet, i) => octet === ours[i]);
}

/** The order of an earlier attempt, where it is still of use. */
async function oldOrder({ options: { client, orderUrl }, identifiers, patience }: Work): Promise<Order | undefined> {
  if (orderUrl === undefined) return undefined;
  try {
    const old = await client.order(orderUrl, { signal: patience.signal });
    return old.status !== "invalid" && sameNames(old.identifiers, identifiers) ? old : undefined;
  } catch (error) {
    // Gone, or of another account (RFC 8555 §7.1.3).
    if (!(error instanceof AcmeError)) throw error;
    if (error.code === "order_lost" || error.problem?.type === "unauthorized") return undefined;
    throw error;
  }
}

async function placeOrder({ options, identifiers, patience: { signal } }: Work): Promise<Order> {
  const { client, profile, replaces } = options;
  const wish = { identifiers, ...(profile === undefined ? {} : { profile }) };
  let order: Order;
  try {
    order = await client.newOrder(replaces === undefined ? wish : { ...wish, replaces }, { signal });
  } catch (error) {
    if (replaces === undefined || !mayBeTheLink(error)) throw error;
    order = await client.newOrder(wish, { signal });
  }
  await options.onOrder?.(order.url);
  return order;
}

/**
 * Whether an order may have been refused for what it replaces: because another one does so already (RFC 9773 §5), or because the server
 * cannot make anything of that. The certificate is wanted all the same.
 */
function mayBeTheLink(error: unknown): boolean {
  if (!(error instanceof AcmeError && error.problem !== undefined) || error.problem.status === 503) return false;
  return ["already_replaced", "refused", "order_lost", "unavailable"].includes(error.code);
}

/** Proves all names at once. The first failure stops the others, and nothing goes on in the background afterwards. */
async function proveAll(work: Work, authorizations: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([work.patience.signal, stop.signal]);
  const results = await Promise.allSettled(authorizations.map((url) =>
    prove(work, url, signal).catch((error) => {
      if (!stop.signal.aborted) stop.abort(error);
      throw error;
    })
  ));
  // The first failure is what stopped the others, and what they therefore all failed with.
  if (results.some((one) => one.status === "rejected")) throw stop.signal.reason;
}

async function prove({ options, patience }: Work, url: string, signal: AbortSignal): Promise<void> {
  const { client } = options;
  const authorization = await client.authorization(url, { signal });
  if (authorization.status === "valid") return;
  const { solver, challenge } = choose(authorization, options.solvers);
  if (challenge.status === "invalid") throw failedChallenge(authorization, challenge);
  const answer = challengeAnswer(
    authorization.identifier.value,
    challenge.token,
    await client.keyAuthorization(challenge.token),
  );
  try {
    await solver.present(answer, signal);
    if (challenge.status === "pending") await client.respond(challenge.url, { signal });
    let now = challenge;
    for await (const _ of patience.looks(() => now.retryAt, signal)) {
      // The challenge itself is looked at, as it says why it failed.
      now = await client.challenge(challenge.url, { signal });
      if (now.status === "valid") return;
      if (now.status === "invalid") throw failedChallenge(authorization, now);
    }
  } finally {
    await solver.cleanUp(answer).catch((error) => options.onLeftover?.(error, answer));
  }
}

function choose(authorization: Authorization, solvers: readonly Solver[]): { solver: Solver; challenge: Challenge } {
  for (const solver of solvers) {
    const challenge = authorization.challenges.find((one) => one.type === solver.type && one.token !== "");
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
  { options: { client }, patience }: Work,
  order: Order,
  wanted: readonly Order["status"][],
): Promise<Order> {
  const { signal } = patience;
  let now = order;
  for await (const _ of patience.looks(() => now.retryAt, signal)) {
    if (wanted.includes(now.status)) return now;
    if (now.status === "invalid") {
      const problem = readProblem(now.error, 400);
      throw problem.detail === "" && problem.type === "about:blank"
        ? new AcmeError("order_lost", "Cannot finish the order: the CA gave it up")
        : problemError("Cannot finish the order", problem);
    }
    now = await client.order(order.url, { signal });
  }
  throw signal.reason;
}
