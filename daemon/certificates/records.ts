/**
 * Certificates of public domains as they are stored.
 *
 * | key | value |
 * |---|---|
 * | `certificates/<domain>` | {@linkcode StoredCertificate}: what is served |
 * | `certificate-plans/<domain>` | {@linkcode Plan}: what is to be done about it, and when |
 * | `certificate-due/<instant>/<domain>` | nothing: the plans in the order they are due, so that a sweep reads those alone |
 * | `acme-accounts/<hash of the directory's address>` | {@linkcode StoredAccount} |
 *
 * @module
 */
import type { ChallengeType, Problem } from "@helyos/acme";
import type { Operation } from "../store/store.ts";

/** A certificate with its key. */
export interface StoredCertificate {
  readonly domain: string;
  readonly source: "acme" | "import";
  /** DNS names it is for, lower-case. */
  readonly names: readonly string[];
  /** PEM, the leaf first. */
  readonly chainPem: string;
  /** PKCS#8 PEM sealed under {@linkcode certificateKey} of its domain, in base64. */
  readonly sealedKey: string;
  readonly issuer: string;
  /** SHA-256 over the leaf's DER, lower-case pairs joined by colons. */
  readonly fingerprint: string;
  /** RFC 3339. */
  readonly notBefore: string;
  /** RFC 3339. */
  readonly notAfter: string;
  /** When it was stored, RFC 3339. */
  readonly storedAt: string;
  /** The ACME directory it came from. */
  readonly directory?: string;
  /** Address of the account that ordered it: no other one may say that it replaces it. */
  readonly account?: string;
}

/** An order that was begun. */
export interface PendingOrder {
  readonly directory: string;
  /** The key the certificate will have, sealed under {@linkcode planKey} of its domain, in base64. */
  readonly sealedKey: string;
  /** Where the order is; absent when it was never placed, or nobody knows. */
  readonly url?: string;
}

/** Why an order failed. */
export interface OrderFailure {
  /** RFC 3339. */
  readonly at: string;
  readonly code: string;
  readonly message: string;
  readonly directory: string;
  readonly problem?: Problem;
}

/** What is to be done about the certificate of a domain. */
export interface Plan {
  readonly domain: string;
  /** `order`: keep one alive by ACME. `watch`: an import, whose end is announced. */
  readonly kind: "order" | "watch";
  /** When to look next, RFC 3339 in UTC with milliseconds: part of the key in the index. */
  readonly due: string;
  /** Spreads renewals, from 0 up to 1; stays with the certificate, so that its renewal does not jump about. */
  readonly spread: number;
  /** Failed orders in a row. */
  readonly failures: number;
  /** When the next order may start after a failure, RFC 3339. */
  readonly nextAttempt?: string;
  /** CAs that asked to be left alone, by directory, until when. */
  readonly pauses?: Readonly<Record<string, string>>;
  readonly lastFailure?: OrderFailure;
  /** The kind of challenge that proved the name last, where there is a choice. */
  readonly proof?: ChallengeType;
  readonly order?: PendingOrder;
  /** Somebody asked for a new certificate, whether one is due or not. */
  readonly forced?: boolean;
  /** The CA's own wish (RFC 9773): window, when to ask again, and which certificate it is about. */
  readonly wish?: {
    readonly fingerprint: string;
    readonly start?: string;
    readonly end?: string;
    readonly askAgain: string;
    readonly explanationUrl?: string;
  };
}

/** An account at a CA. */
export interface StoredAccount {
  readonly directory: string;
  /** Key of the account, sealed under its record's key, in base64. */
  readonly sealedKey: string;
  /** Its address; absent before it is made, or when the CA has forgotten it. */
  readonly url?: string;
  /** The contact the CA was told. */
  readonly email?: string;
}

/** A certificate, told from those of its domain before and after it. */
export type Named = Pick<StoredCertificate, "domain" | "fingerprint">;

/** What the proxy was seen to serve for a certificate. */
export interface Seen {
  readonly state: "issued" | "served" | "mismatch";
  /** When it was last looked at, RFC 3339. */
  readonly checkedAt: string | null;
  /** What was seen instead, or why nothing was. */
  readonly detail?: string;
}

/** What kept the keeper from going on, where nothing could be stored. */
export interface Trouble {
  readonly message: string;
  /** When it goes on. */
  readonly retryAt: Date;
}

/** What the keys of all certificates start with. */
export const CERTIFICATES = "certificates/";
/** What the keys of all plans start with. */
export const PLANS = "certificate-plans/";
/** What the keys of the index start with. */
export const DUE = "certificate-due/";

/** Key of a certificate. */
export function certificateKey(domain: string): string {
  return `${CERTIFICATES}${domain}`;
}

/** Key of a plan. */
export function planKey(domain: string): string {
  return `${PLANS}${domain}`;
}

/** Key of an account. */
export async function accountKey(directory: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(directory));
  return `acme-accounts/${new Uint8Array(digest).toHex().slice(0, 32)}`;
}

/** Key of the index for something due at an instant; every key below it is due before or at that instant. */
export function dueKey(due: string, domain: string): string {
  return `${DUE}${due}/${domain}`;
}

/** Bound of the index: the keys smaller than this are due at `now`. */
export function dueUntil(now: Date): string {
  return `${DUE}${now.toISOString()}0`; // "0" follows "/" in byte order
}

/** The domain of a key of the index. */
export function domainOfDue(key: string): string {
  return key.slice(key.indexOf("/", DUE.length) + 1);
}

/** The operations that store a plan and keep the index in step. Guard them with the revision of the plan they replace. */
export function storePlan(plan: Plan, previous: Plan | undefined): Operation[] {
  const operations: Operation[] = [
    { put: planKey(plan.domain), value: plan },
    { put: dueKey(plan.due, plan.domain), value: null },
  ];
  if (previous !== undefined && previous.due !== plan.due) {
    operations.push({ delete: dueKey(previous.due, previous.domain) });
  }
  return operations;
}

/** The operations that forget a plan. Guard them with its revision. */
export function forgetPlan(plan: Plan): Operation[] {
  return [{ delete: planKey(plan.domain) }, { delete: dueKey(plan.due, plan.domain) }];
}

/** The plan that has a certificate ordered at once. */
export function orderNow(domain: string, now: Date, previous: Plan | undefined): Plan {
  return previous?.kind === "order"
    ? { ...previous, due: now.toISOString() }
    : { domain, kind: "order", due: now.toISOString(), spread: Math.random(), failures: 0 };
}
