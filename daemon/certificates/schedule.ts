/**
 * When something is to be done about a certificate. Pure: the time comes in.
 *
 * @module
 */
import { AcmeError, nextAttempt, type RenewalInfo, renewalTime } from "@helyos/acme";
import type { OrderFailure, Plan, StoredCertificate } from "./records.ts";
import { type AcmeSettings, directoriesOf } from "./settings.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How often the CA is asked for its wish when it does not say (RFC 9773 §4.3 leaves it to us). */
const ASK_AGAIN_MS = 12 * HOUR_MS;

/** Longest pause a CA can ask for. */
const MAX_PAUSE_MS = 30 * DAY_MS;

type Life = Pick<StoredCertificate, "notBefore" | "notAfter" | "fingerprint">;

/** When a certificate is to be renewed: by the CA's wish if it has one, else by its own lifetime. */
export function renewalAt(certificate: Life, plan: Pick<Plan, "spread" | "wish">): Date {
  const { wish } = plan;
  const info = wish?.fingerprint === certificate.fingerprint && wish.start !== undefined && wish.end !== undefined
    ? { start: new Date(wish.start), end: new Date(wish.end) }
    : undefined;
  return renewalTime({
    notBefore: new Date(certificate.notBefore),
    notAfter: new Date(certificate.notAfter),
    spread: plan.spread,
    info,
  });
}

/** When the CA is to be asked for its wish. */
export function askAgainAt(
  certificate: Life & Pick<StoredCertificate, "storedAt">,
  plan: Pick<Plan, "spread" | "wish">,
): Date {
  return plan.wish?.fingerprint === certificate.fingerprint
    ? new Date(plan.wish.askAgain)
    : new Date(Date.parse(certificate.storedAt) + plan.spread * ASK_AGAIN_MS);
}

/** The wish to store after the CA was asked; none came when `info` is undefined. */
export function wishOf(certificate: Life, info: RenewalInfo | undefined, now: Date): NonNullable<Plan["wish"]> {
  // RFC 9773 §4.3.2: Retry-After is kept, within a minute and a day
  const asked = info?.retryAt === undefined
    ? ASK_AGAIN_MS
    : Math.min(Math.max(info.retryAt.getTime() - now.getTime(), 60_000), DAY_MS);
  return {
    fingerprint: certificate.fingerprint,
    ...(info === undefined ? {} : { start: info.start.toISOString(), end: info.end.toISOString() }),
    ...(info?.explanationUrl === undefined ? {} : { explanationUrl: info.explanationUrl }),
    askAgain: new Date(now.getTime() + asked).toISOString(),
  };
}

/** The wish to store when the CA did not say: what was known, and when to ask again. */
export function wishUnknown(
  certificate: Life,
  known: Plan["wish"],
  { now, retryAt }: { readonly now: Date; readonly retryAt: Date | undefined },
): NonNullable<Plan["wish"]> {
  // Without an answer the certificate's own lifetime counts (RFC 9773 §4.3.3): nothing is lost by patience
  const later = Math.max(now.getTime() + ASK_AGAIN_MS, retryAt === undefined ? 0 : bounded(retryAt, now).getTime());
  const same = known?.fingerprint === certificate.fingerprint ? known : { fingerprint: certificate.fingerprint };
  return { ...same, askAgain: new Date(later).toISOString() };
}

/** What a server asks for is kept, but none can switch renewals off for good. */
export function bounded(retryAt: Date, now: Date): Date {
  return new Date(Math.min(retryAt.getTime(), now.getTime() + MAX_PAUSE_MS));
}

/** When a plan for ordering is due next. */
export function orderDue(plan: Omit<Plan, "due">, certificate: StoredCertificate | undefined, now: Date): Date {
  if (plan.nextAttempt !== undefined) return new Date(plan.nextAttempt);
  if (certificate === undefined || plan.forced) return now;
  const renewal = renewalAt(certificate, plan);
  const ask = askAgainAt(certificate, plan);
  return renewal < ask ? renewal : ask;
}

/** When a certificate that was just issued is due: never at once, or a clock that runs ahead would have one ordered after the other. */
export function firstDue(plan: Omit<Plan, "due">, certificate: StoredCertificate, now: Date): Date {
  const due = orderDue(plan, certificate, now);
  if (due > now) return due;
  const life = Date.parse(certificate.notAfter) - Date.parse(certificate.notBefore);
  return new Date(now.getTime() + Math.min(DAY_MS, life / 4));
}

/** When an import is to be announced next: when its end is near, then daily. */
export function watchDue(certificate: Life, now: Date): Date {
  const first = announcedFrom(certificate);
  return new Date(first > now.getTime() ? first : now.getTime() + DAY_MS);
}

/** Whether an import is to be replaced soon. */
export function isNearEnd(certificate: Life, now: Date): boolean {
  return announcedFrom(certificate) <= now.getTime();
}

/** When 30 days or a third of the life are left, whichever is less. */
function announcedFrom({ notBefore, notAfter }: Life): number {
  const end = Date.parse(notAfter);
  return end - Math.min(30 * DAY_MS, (end - Date.parse(notBefore)) / 3);
}

/**
 * Which CA to ask now: the first one, every other time after two failures the fallback, and never one that asked to be left alone.
 *
 * @returns The directory; undefined when every CA asked to be left alone.
 */
export function chooseDirectory(settings: AcmeSettings, plan: Plan, now: Date): string | undefined {
  const free = directoriesOf(settings).filter((directory) => !isPaused(plan, directory, now));
  const preferred = settings.fallback !== undefined && plan.failures >= 2 && plan.failures % 2 === 0
    ? settings.fallback
    : settings.directory;
  return free.includes(preferred) ? preferred : free[0];
}

/** The plan with what CAs asked of everybody, by directory: of two pauses of one CA the longer one counts. */
export function withQuiet(plan: Plan, quiet: ReadonlyMap<string, string>): Plan {
  const pauses = { ...plan.pauses };
  for (const [directory, until] of quiet) {
    if (until > (pauses[directory] ?? "")) pauses[directory] = until;
  }
  return { ...plan, pauses };
}

/** When the first of the CAs may be asked again. */
export function pausedUntil(settings: AcmeSettings, plan: Plan): Date | undefined {
  const ends = directoriesOf(settings).map((directory) => Date.parse(plan.pauses?.[directory] ?? ""));
  const until = Math.min(...ends.map((end) => Number.isNaN(end) ? 0 : end));
  return until > 0 ? new Date(until) : undefined;
}

function isPaused(plan: Plan, directory: string, now: Date): boolean {
  const until = plan.pauses?.[directory];
  return until !== undefined && new Date(until) > now;
}

/** Failures after which an order that was placed is still worth taking up again. */
const PASSING: readonly string[] = ["unreachable", "unavailable", "rate_limited", "untrusted", "account", "internal"];

/** Whether a failure is that of a CA or of the way to it, and says nothing about the name. */
export function isPassing(code: string): boolean {
  return PASSING.includes(code);
}

/** The plan after an order failed at a CA. */
export function afterFailure(
  plan: Plan,
  error: unknown,
  at: { readonly directory: string; readonly settings: AcmeSettings; readonly now: Date },
): Plan {
  const { directory, settings, now } = at;
  const failures = plan.failures + 1;
  const asked = error instanceof AcmeError ? error.retryAt : undefined;
  const retryAt = asked && bounded(asked, now);
  const pauses = Object.fromEntries(
    Object.entries({
      ...plan.pauses,
      ...(retryAt !== undefined && retryAt > now ? { [directory]: retryAt.toISOString() } : {}),
    }).filter(([, until]) => new Date(until) > now),
  );
  const failure = failureOf(error, directory, now);
  const { order, pauses: _, ...rest } = plan;
  const kept = order !== undefined && isPassing(failure.code) ? { order } : {};
  const waiting: Plan = {
    ...rest,
    ...kept,
    ...(Object.keys(pauses).length > 0 ? { pauses } : {}),
    failures,
    lastFailure: failure,
  };
  const next = nextAttempt({ failures, now, retryAt: pausedUntil(settings, waiting), spread: Math.random() })
    .toISOString();
  return { ...waiting, nextAttempt: next, due: next };
}

function failureOf(error: unknown, directory: string, now: Date): OrderFailure {
  const known = error instanceof AcmeError ? error : undefined;
  return {
    at: now.toISOString(),
    code: known?.code ?? "internal",
    message: error instanceof Error ? error.message : String(error),
    directory,
    ...(known?.problem === undefined ? {} : { problem: known.problem }),
  };
}
