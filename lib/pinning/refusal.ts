/**
 * Why a server is not believed, in words a person can act on.
 *
 * @module
 */
import { type Certificate, matchesName, verifyChain, type VerifyResult } from "@helyos/pki/verify";
import { PinningError, type PinningErrorDetails, type WrongClock } from "./errors.ts";
import type { Target } from "./target.ts";

/** Instants at which a path is looked for when there is none today. */
const MAX_INSTANTS = 24;

/** Clocks that differ by less than this are both right, in milliseconds. */
const CLOCK_TOLERANCE_MS = 5 * 60 * 1000;

/** What is asked of a chain. */
export interface Question {
  /** The server, as people write it. */
  readonly place: string;
  /** The name it must prove. */
  readonly name: Target["name"];
  /** When. */
  readonly at: Date;
  /** What the server's clock says, if it said so. */
  readonly serverDate?: Date | undefined;
}

/** The refusal, and what it was decided on. */
export interface Refused extends Question {
  /** Every CA that is trusted, the expired ones included. */
  readonly anchors: readonly Certificate[];
  /** Why the chain was refused. */
  readonly verdict: Extract<VerifyResult, { ok: false }>;
}

/**
 * Whether an instant lies within a certificate's validity. Both ends belong to it, in whole seconds (RFC 5280 §4.1.2.5).
 *
 * @param certificate The certificate.
 * @param at The instant.
 * @returns Whether it does.
 */
export function isValidAt(certificate: Certificate, at: Date): boolean {
  const seconds = (date: Date) => Math.floor(date.getTime() / 1000);
  return seconds(at) >= seconds(certificate.notBefore) && seconds(at) <= seconds(certificate.notAfter);
}

/**
 * Verifies what a server presented: path, dates, usage, constraints (RFC 5280 §6.1) and name (RFC 9525).
 *
 * @param leaf The server's own certificate.
 * @param rest What else it presented.
 * @param anchors Whom to trust.
 * @param question For which name, and when.
 * @returns The verdict.
 */
export function verify(
  leaf: Certificate,
  rest: readonly Certificate[],
  anchors: readonly Certificate[],
  question: { readonly at: Date; readonly name?: Target["name"] },
): Promise<VerifyResult> {
  const { at, name } = question;
  return verifyChain(leaf.der, rest.map(({ der }) => der), anchors.map(({ der }) => der), {
    at,
    purpose: "server",
    ...(name ? { name } : {}),
  });
}

/**
 * Finds the cause of a refusal: dates, name, a rule that is broken, or a CA that is not ours.
 *
 * @param leaf The server's own certificate.
 * @param rest What else it presented.
 * @param refused What was asked and answered.
 * @returns The error to throw.
 */
export async function explainRefusal(
  leaf: Certificate,
  rest: readonly Certificate[],
  refused: Refused,
): Promise<PinningError> {
  const path = await pathAtAnyTime(leaf, rest, refused);
  const dead = path?.find((certificate) => !isValidAt(certificate, refused.at));
  if (path && dead) return wrongDate(dead, path, refused);
  if (!matchesName(leaf, refused.name) && path) return wrongName(leaf, refused);
  return brokenRule(refused);
}

/** The path the chain would have, had it the right dates and name: from the server's certificate to the anchor. */
async function pathAtAnyTime(
  leaf: Certificate,
  rest: readonly Certificate[],
  { anchors, at }: Refused,
): Promise<readonly Certificate[] | undefined> {
  const edges = [leaf, ...rest, ...anchors].flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]);
  for (const instant of [at, ...edges].slice(0, MAX_INSTANTS)) {
    const alive = anchors.filter((anchor) => isValidAt(anchor, instant));
    const verdict = await verify(leaf, rest, alive, { at: instant });
    if (verdict.ok) return verdict.path;
  }
  return undefined;
}

function wrongDate(dead: Certificate, path: readonly Certificate[], refused: Refused): PinningError {
  const { at, place } = refused;
  const whose = dead === path[0] || path[0]?.serial === dead.serial ? "its certificate" : `the CA's certificate`;
  const clock = wrongClock(dead, path, refused);
  const says = `this machine's clock says ${shown(at)}`;
  if (at < dead.notBefore) {
    const details: PinningErrorDetails = { from: dead.notBefore, clock };
    const hint = clock === "ours"
      ? `${says}, which is wrong`
      : clock === "theirs"
      ? `${says}, and so does the server's; the clock of whoever issued it is wrong`
      : `${says}; one of the two clocks is wrong`;
    const message = `Cannot trust ${place}: ${whose} is not valid before ${shown(dead.notBefore)}; ${hint}`;
    return new PinningError("not_yet_valid", message, details);
  }
  const hint = clock === "ours" ? `; ${says}, which is wrong` : `; ${says}`;
  const message = `Cannot trust ${place}: ${whose} expired at ${shown(dead.notAfter)}${hint}`;
  return new PinningError("expired", message, { since: dead.notAfter, ...(clock === "ours" ? { clock } : {}) });
}

/** Weighs what is known of the time besides this machine's clock. */
function wrongClock(dead: Certificate, path: readonly Certificate[], { at, serverDate }: Refused): WrongClock {
  // The anchor was there when it was pinned, and that was before now.
  const anchor = path.at(-1);
  if (anchor && anchor !== dead && at < anchor.notBefore) return "ours";
  if (serverDate === undefined) return "unknown";
  if (Math.abs(serverDate.getTime() - at.getTime()) <= CLOCK_TOLERANCE_MS) return "theirs";
  return isValidAt(dead, serverDate) ? "ours" : "unknown";
}

function wrongName(leaf: Certificate, { place, name }: Refused): PinningError {
  const offered = leaf.names.filter(({ kind }) => kind === "dns" || kind === "ip").map(({ value }) => value);
  const wanted = "ip" in name ? name.ip : name.dns;
  const listed = offered.slice(0, 10).map(printable).join(", ");
  const more = offered.length > 10 ? ` and ${offered.length - 10} more` : "";
  const message = offered.length === 0
    ? `Cannot trust ${place}: its certificate names no host at all (a common name does not count)`
    : `Cannot trust ${place}: its certificate is not for ${wanted} but for ${listed}${more}`;
  return new PinningError("wrong_name", message, { offered });
}

function brokenRule({ place, verdict }: Refused): PinningError {
  // A certificate of somebody else's CA, or of one that took our CA's name.
  if (verdict.rule === "issuer" || verdict.rule === "signature") {
    return new PinningError("unknown_ca", `Cannot trust ${place}: its certificate does not come from the trusted CA`);
  }
  const message = `Cannot trust ${place}: ${printable(verdict.reason)} (${verdict.section})`;
  return new PinningError("invalid_certificate", message);
}

/**
 * What a stranger wrote may hold anything, an escape sequence of the terminal too.
 *
 * @param text The text.
 * @returns The text, fit for a message.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

function shown(date: Date): string {
  return date.toISOString().replace(".000Z", "Z");
}
