/**
 * Tells whom a presented token belongs to: Argon2id once, then a keyed digest in memory for some minutes.
 *
 * @module
 */
import type { Caller } from "../server/bind.ts";
import { type Origin, unauthorized } from "../server/exchange.ts";
import type { Entry, Operation, Store } from "../store/store.ts";
import { FailureLimit } from "./attempts.ts";
import { FIRST_RANK, type Hasher } from "./hasher.ts";
import { keyedDigest } from "./keyed_digest.ts";
import { KnownToken } from "./known_token.ts";
import { type StoredToken, tokenKey, tokenPrefixKey } from "./records.ts";
import { expiryOf, isActive, prefixOf, UNKNOWN_PREFIX } from "./secret.ts";

/** What a verifier needs. */
export interface VerifierDeps {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly now: () => Date;
  /** Told what failed in the background. */
  readonly onError: (error: unknown) => void;
  /** Waits. */
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds that only ever grow. */
  readonly clock?: () => number;
  readonly limit?: FailureLimit;
}

/** How long a verified token is remembered. */
const REMEMBER_MS = 5 * 60_000;

/** A remembered token that is used in this last part of the time is verified again in the background. */
const RENEW_MS = 2 * 60_000;

/** `last_used_at` is written at most so often. */
const LAST_USED_STEP_MS = 60_000;

/** Remembered tokens at most; the oldest is forgotten first. */
const MAX_REMEMBERED = 10_000;

/** How long a refusal for too many failures is held back. */
const REFUSAL_MS = 250;

/** So many are held back at most: holding costs memory. */
const MAX_HELD = 2_000;

/** How often a background write is tried when others change the same record at the same time. */
const BACKGROUND_ATTEMPTS = 5;

/** Verifies tokens and remembers the good ones. */
export class TokenVerifier implements AsyncDisposable {
  readonly #deps: VerifierDeps;
  readonly #clock: () => number;
  readonly #limit: FailureLimit;
  readonly #known = new Map<string, KnownToken>();
  readonly #pending = new Map<string, Promise<KnownToken | undefined>>();
  /** What is in memory is no token, and finding an entry tells nothing about how much of a token was right. */
  readonly #digest = keyedDigest(crypto.getRandomValues(new Uint8Array(64)));
  readonly #watching = new AbortController();
  readonly #watch: Promise<void>;
  /** Grows whenever something is forgotten: what was read before may be outdated. */
  #generation = 0;
  #held = 0;

  constructor(deps: VerifierDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? (() => performance.now());
    this.#limit = deps.limit ?? new FailureLimit({ clock: this.#clock });
    this.#watch = this.#follow();
  }

  /**
   * Whom a token belongs to: at once when it is remembered, else after Argon2id.
   *
   * @param token What was presented.
   * @param origin When and where from; the address is asked for only for a token that is not remembered.
   * @throws {Failure} `unauthorized`; `rate_limited` or `unavailable` for a token that is not remembered.
   */
  authenticate(token: string, origin: Origin): Caller | Promise<Caller> {
    const digest = this.#digest(token);
    const known = this.#known.get(digest);
    if (known === undefined) return this.#authenticate(token, digest, origin.address);
    const { receivedMs } = origin;
    const nowMs = this.#deps.now().getTime();
    if (known.untilMs <= receivedMs || known.expiresAtMs <= nowMs) {
      this.#known.delete(digest);
      return this.#authenticate(token, digest, origin.address);
    }
    if (nowMs - known.lastUsedMs >= LAST_USED_STEP_MS) this.#used(known, nowMs);
    if (known.untilMs - receivedMs < RENEW_MS && !known.renewing) this.#renew(known, token);
    return known;
  }

  /** Forgets tokens at once: they were revoked, replaced, or their end was moved. */
  forget(ids: Iterable<string>): void {
    const gone = new Set(ids);
    this.#generation++;
    for (const [digest, known] of this.#known) if (gone.has(known.tokenId)) this.#known.delete(digest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watching.abort();
    this.#known.clear();
    await this.#watch;
  }

  async #authenticate(token: string, digest: string, address: string): Promise<Caller> {
    try {
      this.#limit.admit(address);
    } catch (refusal) {
      await this.#hold();
      throw refusal;
    }
    // Requests that present one token at once share one verification
    let pending = this.#pending.get(digest);
    if (pending === undefined) {
      pending = this.#verify(token, digest, address).finally(() => this.#pending.delete(digest));
      this.#pending.set(digest, pending);
    }
    const known = await pending;
    if (known !== undefined) return known;
    this.#limit.fail(address);
    throw unauthorized();
  }

  /** Answers those who failed too often late, so that who floods on a few connections asks a few times a second. */
  async #hold(): Promise<void> {
    if (this.#held >= MAX_HELD) return;
    this.#held++;
    await this.#deps.pause(REFUSAL_MS);
    this.#held--;
  }

  async #verify(token: string, digest: string, address: string): Promise<KnownToken | undefined> {
    const turn = { key: address, rank: this.#limit.failures(address), admit: () => this.#limit.admit(address) };
    for (const id of await this.#candidates(token)) {
      const entry = await this.#deps.store.get<StoredToken>(tokenKey(id));
      if (entry === undefined || !isActive(entry.value, this.#deps.now())) continue;
      if (!await this.#deps.hasher.verify(token, entry.value.hash, turn)) continue;
      const known = await this.#remember(entry.value, digest);
      if (known === undefined) return undefined; // revoked while we looked
      if (entry.value.prefix === UNKNOWN_PREFIX && prefixOf(token) !== UNKNOWN_PREFIX) {
        this.#learnPrefix(id, prefixOf(token));
      }
      return known;
    }
    return undefined;
  }

  /** Records the token may match: those of its prefix, and those whose prefix nobody knows. */
  async #candidates(token: string): Promise<string[]> {
    const ids: string[] = [];
    for (const prefix of new Set([prefixOf(token), UNKNOWN_PREFIX])) {
      const start = tokenPrefixKey(prefix, "");
      for (const { key } of await this.#deps.store.list(start)) ids.push(key.slice(start.length));
    }
    return ids;
  }

  /** Looks again, then remembers: whatever changed while Argon2id ran counts. */
  async #remember(verified: StoredToken, digest: string): Promise<KnownToken | undefined> {
    for (;;) {
      const generation = this.#generation;
      const entry = await this.#deps.store.get<StoredToken>(tokenKey(verified.id));
      if (generation !== this.#generation) continue;
      if (entry?.value.hash !== verified.hash || !isActive(entry.value, this.#deps.now())) return undefined;
      const known = new KnownToken(entry.value, this.#clock() + REMEMBER_MS);
      this.#known.delete(digest);
      this.#known.set(digest, known);
      if (this.#known.size > MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
      const nowMs = this.#deps.now().getTime();
      if (nowMs - known.lastUsedMs >= LAST_USED_STEP_MS) this.#used(known, nowMs);
      return known;
    }
  }

  /** Verifies a remembered token anew, so that whoever uses one steadily never waits for it. */
  #renew(known: KnownToken, token: string): void {
    known.renewing = true;
    this.#deps.hasher.verify(token, known.hash, { key: "renewal", rank: FIRST_RANK }).then((good) => {
      if (good) known.untilMs = this.#clock() + REMEMBER_MS;
    }).catch(this.#deps.onError).finally(() => known.renewing = false);
  }

  #used(known: KnownToken, nowMs: number): void {
    const lastUsedAt = new Date(nowMs).toISOString();
    known.seen(lastUsedAt);
    this.#change(known.tokenId, (token) => [{ put: tokenKey(token.id), value: { ...token, lastUsedAt } }]);
  }

  /** From the first good use on, other tokens need not be tried against the record. */
  #learnPrefix(id: string, prefix: string): void {
    this.#change(id, (token) =>
      token.prefix !== UNKNOWN_PREFIX || token.revokedAt !== null ? [] : [
        { put: tokenKey(id), value: { ...token, prefix } },
        { delete: tokenPrefixKey(UNKNOWN_PREFIX, id) },
        { put: tokenPrefixKey(prefix, id), value: null },
      ]);
  }

  /** Writes a change that nobody waits for, of the record as it is at that moment. */
  async #change(id: string, change: (token: StoredToken) => Operation[]): Promise<void> {
    try {
      for (let attempt = 0; attempt < BACKGROUND_ATTEMPTS; attempt++) {
        const entry = await this.#deps.store.get<StoredToken>(tokenKey(id));
        const operations = entry === undefined ? [] : change(entry.value);
        if (operations.length === 0 || await this.#deps.store.commit(operations, [entry!])) return;
      }
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  /** Looks at what others change: a revocation by another process is noticed like one of ours. */
  async #follow(): Promise<void> {
    const start = tokenKey("");
    try {
      for await (const { key } of this.#deps.store.watch(start, this.#watching.signal)) {
        if (key === start) this.#forgetAll(); // too much changed to say what
        else await this.#look(key.slice(start.length));
      }
    } catch (error) {
      if (!this.#watching.signal.aborted) this.#deps.onError(error);
      this.#forgetAll();
    }
  }

  async #look(id: string): Promise<void> {
    const affected = [...this.#known.values()].filter((known) => known.tokenId === id);
    if (affected.length === 0) {
      this.#generation++; // a verification may have read it just before
      return;
    }
    const entry: Entry<StoredToken> | undefined = await this.#deps.store.get<StoredToken>(tokenKey(id));
    const { value: token } = entry ?? {};
    const same = token !== undefined && isActive(token, this.#deps.now()) &&
      affected.every((known) => known.hash === token.hash && known.expiresAtMs === expiryOf(token));
    if (!same) this.forget([id]);
    else for (const known of affected) known.seen(token.lastUsedAt);
  }

  #forgetAll(): void {
    this.#generation++;
    this.#known.clear();
  }
}
