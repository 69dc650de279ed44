/**
 * Keeps certificates alive: takes what is due from the index, a few at a time, one daemon at a time for each name.
 *
 * Nothing here counts on a timer having run: what is due is judged by the wall clock, so a machine that slept catches up.
 *
 * @module
 */
import { AcmeError, type RenewalInfo } from "@helyos/acme";
import type { Entry, Lock } from "../store/store.ts";
import {
  certificateKey,
  domainOfDue,
  DUE,
  dueUntil,
  forgetPlan,
  type Plan,
  planKey,
  type StoredCertificate,
  storePlan,
  type Trouble,
} from "./records.ts";
import { isWanted, orderCertificate, type OrderDeps, type Progress, Superseded } from "./order.ts";
import {
  afterFailure,
  askAgainAt,
  bounded,
  chooseDirectory,
  orderDue,
  pausedUntil,
  renewalAt,
  watchDue,
  wishOf,
  wishUnknown,
  withQuiet,
} from "./schedule.ts";

/** What the keeper needs. */
export interface KeeperDeps extends OrderDeps {
  readonly log: KeeperLog;
  /** Whether ACME is on. */
  readonly enabled: () => boolean;
  /**
   * How long a daemon that died keeps a name from others.
   * @default {20000}
   */
  readonly lockMs?: number;
  readonly meter: { attempt(domain: string): void; failure(domain: string): void };
}

/** Where the keeper says what it does. */
export interface KeeperLog {
  info(text: string, facts?: Record<string, unknown>): void;
  warn(text: string, facts?: Record<string, unknown>): void;
  error(text: string, facts?: Record<string, unknown>): void;
}

/** Orders at once. */
const CONCURRENCY = 8;
const LOCK_MS = 20_000;
/** How long to wait for another daemon that holds a name, before looking at others. */
const LOCK_WAIT_MS = 1_000;
/** How long to leave a name alone after something failed that could not even be stored. */
const HOLD_MS = 60_000;
/** How long to wait for orders to stop. */
const STOP_MS = 3_000;
/** Keys read from the index by one call. */
const PAGE = 64;

/** Until when a name is left alone. */
interface Hold {
  /** Milliseconds since 1970. */
  readonly until: number;
  /** What failed, where not even that could be stored, as on a full disk. */
  readonly trouble?: string;
}

/** Works until it is closed. Closing stops orders where they are; they are taken up again by the next start. */
export class CertificateKeeper implements AsyncDisposable {
  readonly #deps: KeeperDeps;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  /** Names left alone for now. One in trouble stays here for as long again, until its next attempt tells how it fares. */
  readonly #held = new Map<string, Hold>();
  /** CAs that asked everybody for patience, by directory, until when. */
  readonly #quiet = new Map<string, string>();
  /** Whether it was told that ACME is off although routes want it. */
  #toldOff = false;
  #ticking: Promise<void> = Promise.resolve();
  /** The look that has not begun yet: whoever asks for one meanwhile gets this. */
  #queued: Promise<void> | undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
  }

  /** Starts following the index, so that what becomes due now is done now. {@linkcode tick} does the rest. */
  start(): void {
    const changes = this.#deps.store.watch(DUE, this.#stopping.signal);
    this.#following = (async () => {
      for await (const _ of changes) void this.tick();
    })();
    void this.tick();
  }

  /** Begins what is due. Call it every few seconds. */
  tick(): Promise<void> {
    return this.#queued ??= this.#ticking = this.#ticking.then(async () => {
      this.#queued = undefined;
      try {
        await this.#begin();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#deps.log.error("cannot look for certificates that are due", facts(error));
      }
    });
  }

  /** What keeps a name from being looked after although its plan says nothing of it. */
  trouble(domain: string): Trouble | undefined {
    const { until, trouble } = this.#held.get(domain) ?? {};
    return trouble === undefined ? undefined : { message: trouble, retryAt: new Date(until!) };
  }

  /** Waits until nothing that is due is left to begin, and what was begun has ended. */
  async settled(): Promise<void> {
    for (;;) {
      await this.tick();
      if (this.#running.size === 0) return;
      await Promise.all(this.#running.values());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#ticking;
    await this.#following;
    // A CA that does not answer keeps nobody from stopping: what it was asked is asked again by the next start
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, STOP_MS);
    await Promise.race([promise, Promise.all(this.#running.values())]);
    clearTimeout(timer);
  }

  async #begin(): Promise<void> {
    const now = this.#deps.now();
    for (const [domain, { until, trouble }] of this.#held) {
      const kept = until + (trouble === undefined ? 0 : HOLD_MS);
      if (kept <= now.getTime() && !this.#running.has(domain)) this.#held.delete(domain);
    }
    let after: string | undefined;
    while (this.#running.size < CONCURRENCY && !this.#stopping.signal.aborted) {
      const page = await this.#deps.store.list(DUE, {
        limit: PAGE,
        until: dueUntil(now),
        ...(after === undefined ? {} : { after }),
      });
      for (const { key } of page) {
        const domain = domainOfDue(key);
        if (this.#running.size >= CONCURRENCY) return;
        if (!this.#running.has(domain) && !this.#isHeld(domain, now)) this.#run(domain);
      }
      if (page.length < PAGE) return;
      after = page.at(-1)!.key;
    }
  }

  #isHeld(domain: string, now: Date): boolean {
    return (this.#held.get(domain)?.until ?? 0) > now.getTime();
  }

  #run(domain: string): void {
    const work = this.#lookAfter(domain).then(() => {
      if (this.#held.get(domain)?.trouble !== undefined) this.#held.delete(domain); // that of an earlier attempt
    }, (error) => {
      if (this.#stopping.signal.aborted) return;
      this.#held.set(domain, { until: this.#deps.now().getTime() + HOLD_MS, trouble: facts(error).cause });
      this.#deps.log.error(`cannot look after the certificate of ${domain}; trying again in a minute`, facts(error));
    }).finally(() => {
      this.#running.delete(domain);
      if (!this.#stopping.signal.aborted) void this.tick();
    });
    this.#running.set(domain, work);
  }

  async #lookAfter(domain: string): Promise<void> {
    const { store, lockMs: ttlMs = LOCK_MS } = this.#deps;
    const patience = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(LOCK_WAIT_MS)]);
    let lock: Lock;
    try {
      lock = await store.lock(certificateKey(domain), { ttlMs, signal: patience });
    } catch (error) {
      if (!patience.aborted) throw error;
      this.#held.set(domain, { until: this.#deps.now().getTime() + LOCK_WAIT_MS }); // another daemon is at it
      return;
    }
    await using held = lock;
    const lost = new AbortController();
    const renewing = setInterval(() => held.renew().catch((error) => lost.abort(error)), ttlMs / 3);
    try {
      const [plan, certificate] = await Promise.all([
        store.get<Plan>(planKey(domain)),
        store.get<StoredCertificate>(certificateKey(domain)),
      ]);
      // Look again: another daemon may have done it while we waited
      if (plan === undefined || new Date(plan.value.due) > this.#deps.now()) return;
      const job = { plan, certificate, lock, signal: AbortSignal.any([this.#stopping.signal, lost.signal]) };
      if (plan.value.kind === "watch") await this.#announce(job);
      else if (!await isWanted(store, domain)) await this.#rest(job);
      else await this.#keepAlive(job);
    } finally {
      clearInterval(renewing);
    }
  }

  /** An import: nobody but its owner can renew it. */
  async #announce({ plan, certificate, lock }: Job): Promise<void> {
    const now = this.#deps.now();
    if (certificate === undefined) return await this.#forget({ plan, lock });
    const due = watchDue(certificate.value, now);
    const days = Math.floor((Date.parse(certificate.value.notAfter) - now.getTime()) / 86_400_000);
    if (await this.#replan({ plan, lock }, { ...plan.value, due: due.toISOString() })) {
      this.#deps.log.warn(
        days < 0
          ? `the imported certificate of ${plan.value.domain} has expired; import a new one`
          : `the imported certificate of ${plan.value.domain} ends in ${days} days; import a new one`,
        { ends: certificate.value.notAfter },
      );
    }
  }

  /** No route wants it: keep it until it ends, in case the route comes back. */
  async #rest({ plan, certificate, lock }: Job): Promise<void> {
    const end = certificate && new Date(certificate.value.notAfter);
    if (certificate === undefined || end === undefined || end <= this.#deps.now()) {
      await this.#deps.store.commit(
        [...forgetPlan(plan.value), ...(certificate ? [{ delete: certificate.key }] : [])],
        [lock.guard, plan, ...(certificate ? [certificate] : [])],
      );
      return;
    }
    const { order: _, forced: __, ...rest } = plan.value;
    await this.#replan({ plan, lock }, { ...rest, due: end.toISOString() });
  }

  async #keepAlive(job: Job): Promise<void> {
    const { plan, certificate, lock } = job;
    const { now, log, enabled, settings } = this.#deps;
    const { domain } = plan.value;
    if (!enabled()) {
      this.#held.set(domain, { until: now().getTime() + HOLD_MS });
      if (!this.#toldOff) log.warn(`no certificate can be ordered for ${domain}; start helyosd with --acme-email`);
      this.#toldOff = true;
      return;
    }
    if (certificate !== undefined && !plan.value.forced && renewalAt(certificate.value, plan.value) > now()) {
      if (askAgainAt(certificate.value, plan.value) <= now()) return await this.#askWish(job, certificate);
      const { nextAttempt: _, ...rest } = plan.value;
      return void await this.#replan({ plan, lock }, {
        ...rest,
        due: orderDue(rest, certificate.value, now()).toISOString(),
      });
    }
    const patient = withQuiet(plan.value, this.#quiet);
    const directory = chooseDirectory(settings, patient, now());
    if (directory === undefined) {
      const until = pausedUntil(settings, patient)!.toISOString();
      return void await this.#replan({ plan, lock }, { ...patient, nextAttempt: until, due: until });
    }
    await this.#order(job, directory);
  }

  async #order({ plan, lock, signal }: Job, directory: string): Promise<void> {
    const { log, meter, now, settings } = this.#deps;
    const { domain } = plan.value;
    const progress: Progress = { plan, directory };
    meter.attempt(domain);
    try {
      const certificate = await orderCertificate(
        {
          ...this.#deps,
          onLeftover: (error, name) => log.warn(`what proved ${name} could not be taken away again`, facts(error)),
          onOtherChain: (issuer) =>
            log.warn(`the CA has no chain of "${settings.preferredChain}" for ${domain}; its own choice is served`, {
              issuer,
            }),
          onNoRehearsal: (error) =>
            log.info(`ordering ${domain} without a rehearsal: ${settings.staging} cannot be asked`, facts(error)),
        },
        { plan, directory, lock, signal },
        progress,
      );
      log.info(`got a certificate for ${domain}`, { ends: certificate.notAfter, issuer: certificate.issuer });
      if (plan.value.failures > 0) log.info(`${domain} has a certificate again`);
    } catch (error) {
      if (error instanceof Superseded || signal.aborted) return;
      meter.failure(domain);
      this.#heed(error, progress.directory);
      const failed = afterFailure(progress.plan.value, error, { directory: progress.directory, settings, now: now() });
      log.warn(`no certificate for ${domain} yet`, { ...facts(error), next: failed.nextAttempt });
      await this.#replan({ plan: progress.plan, lock }, failed);
    }
  }

  /** RFC 9110 §15.6.4: 503 is about the server, whoever asks. 429 may be about one name alone, so it is kept with that one. */
  #heed(error: unknown, directory: string): void {
    if (!(error instanceof AcmeError && error.problem?.status === 503 && error.retryAt !== undefined)) return;
    this.#quiet.set(directory, bounded(error.retryAt, this.#deps.now()).toISOString());
  }

  async #askWish({ plan, lock }: Job, certificate: Entry<StoredCertificate>): Promise<void> {
    const { now, log, settings } = this.#deps;
    const { domain, wish: known } = plan.value;
    const directory = certificate.value.directory ?? settings.directory;
    let wish: NonNullable<Plan["wish"]>;
    try {
      wish = wishOf(certificate.value, await this.#renewalInfo(directory, certificate.value), now());
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      log.info(`the CA did not say when to renew ${domain}`, facts(error));
      this.#heed(error, directory);
      wish = wishUnknown(certificate.value, known, { now: now(), retryAt: error.retryAt });
    }
    if (wish.explanationUrl !== undefined && wish.explanationUrl !== known?.explanationUrl) {
      log.warn(`the CA explains why ${domain} is to be renewed`, { at: wish.explanationUrl });
    }
    const next: Plan = { ...plan.value, wish };
    await this.#replan({ plan, lock }, { ...next, due: orderDue(next, certificate.value, now()).toISOString() });
  }

  async #renewalInfo(directory: string, { chainPem }: StoredCertificate): Promise<RenewalInfo | undefined> {
    const retryAt = new Date(this.#quiet.get(directory) ?? 0);
    if (retryAt > this.#deps.now()) throw new AcmeError("unavailable", "it asked everybody for patience", { retryAt });
    const client = await this.#deps.accounts.client(directory);
    return await client.renewalInfo(chainPem, { signal: this.#stopping.signal });
  }

  async #replan({ plan, lock }: Pick<Job, "plan" | "lock">, next: Plan): Promise<boolean> {
    return await this.#deps.store.commit(storePlan(next, plan.value), [lock.guard, plan]);
  }

  async #forget({ plan, lock }: Pick<Job, "plan" | "lock">): Promise<void> {
    await this.#deps.store.commit(forgetPlan(plan.value), [lock.guard, plan]);
  }
}

interface Job {
  readonly plan: Entry<Plan>;
  readonly certificate: Entry<StoredCertificate> | undefined;
  readonly lock: Lock;
  readonly signal: AbortSignal;
}

function facts(error: unknown): { cause: string } {
  return { cause: error instanceof Error ? error.message : String(error) };
}
