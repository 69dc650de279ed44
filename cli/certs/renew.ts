/**
 * What is due for renewal, and what it is renewed to.
 *
 * @module
 */
import { inspect, type KeyAlgorithm } from "@helyos/pki";
import type { Ca } from "./ca.ts";
import { isIssuedBy } from "./list.ts";
import type { Revocations } from "./ledger.ts";
import type { StoredPair } from "./store.ts";

/** What is to become of a pair. */
export type Plan =
  /** It is to be renewed, and why. */
  | { readonly action: "renew"; readonly reason: string }
  /** Nothing is to be done, until when. */
  | { readonly action: "keep"; readonly dueAt: Date }
  /** It must not be renewed by itself, and why. */
  | { readonly action: "leave"; readonly reason: string };

/** Certificates are dated back so much when they are made. */
const BACKDATE_SECONDS = 300;

/**
 * Says whether a pair is due: a third of its life is left, or less; or it is of no use as it is. One that was revoked stays as
 * it is: who took it away must be the one who gives it back.
 *
 * @param pair The pair.
 * @param known The CA, what is revoked, and the time.
 * @returns What is to be done.
 */
export function planFor(
  pair: StoredPair,
  known: { readonly ca: Ca; readonly revoked: Revocations; readonly now: Date },
): Plan {
  const { ca, revoked, now } = known;
  const { certificate } = pair;
  if (certificate === undefined) {
    return { action: "renew", reason: pair.unreadable === undefined ? "it has no certificate" : "it cannot be read" };
  }
  if (revoked.has(certificate.serial)) {
    return { action: "leave", reason: `it is revoked; for a new one: helyos certs ${generateWords(pair)}` };
  }
  if (!pair.hasKey) return { action: "renew", reason: "its key is missing" };
  if (!isIssuedBy(certificate, ca)) return { action: "renew", reason: "another CA issued it" };
  if (certificate.notAfter < now) return { action: "renew", reason: "it has expired" };
  const dueAt = dueDate(certificate);
  if (dueAt > now) return { action: "keep", dueAt };
  // It ends with its CA: a new one would not live a second longer.
  if (certificate.notAfter >= ca.signing.notAfter) return { action: "leave", reason: "it ends with the CA" };
  return { action: "renew", reason: "a third of its life is left, or less" };
}

/**
 * When a certificate is due: when a third of its life is left.
 *
 * @param certificate Its dates.
 * @returns The instant.
 */
export function dueDate({ notBefore, notAfter }: { readonly notBefore: Date; readonly notAfter: Date }): Date {
  const life = notAfter.getTime() - notBefore.getTime() - BACKDATE_SECONDS * 1000;
  return new Date(notAfter.getTime() - Math.max(life, 0) / 3);
}

function generateWords({ service, type }: StoredPair): string {
  return `${type === "client" ? "generate" : "generate-server"} ${service}`;
}

/**
 * How long a pair's certificate was made to live, for the next one.
 *
 * @param pair The pair.
 * @returns Seconds; undefined when it cannot be read.
 */
export function lifetimeOf({ certificate }: StoredPair): number | undefined {
  if (certificate === undefined) return undefined;
  const seconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000 - BACKDATE_SECONDS;
  return seconds >= 60 ? seconds : undefined;
}

const ALGORITHM_OF: Readonly<Record<string, KeyAlgorithm>> = {
  "EC P-256": "ec-p256",
  "EC P-384": "ec-p384",
  "Ed25519": "ed25519",
  "RSA 2048": "rsa-2048",
  "RSA 3072": "rsa-3072",
  "RSA 4096": "rsa-4096",
};

/**
 * The kind of a pair's key, for the next one.
 *
 * @param pair The pair.
 * @returns The kind; undefined when it cannot be read or is not one we make.
 */
export function algorithmOf({ certificate }: StoredPair): KeyAlgorithm | undefined {
  return certificate && ALGORITHM_OF[inspect(certificate).key.algorithm];
}
