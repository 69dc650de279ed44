/**
 * What to do with the self-signed material that is there: pure, so that `--check` says what a start would do.
 *
 * @module
 */
import { type Certificate, parseCertificate, pemEncode } from "@helyos/pki";
import { TrustError } from "./errors.ts";
import { isIssuedBy, type JudgedPair, judgePair } from "./judge.ts";
import type { Authority, Material } from "./material.ts";
import { FILES } from "./material.ts";
import { missingNames, sameNames, type ServerNames } from "./names.ts";

/** The next step. */
export type Plan =
  /** A new CA, which clients must pin. */
  | { readonly kind: "new_ca"; readonly why: string; readonly old?: string }
  /** A new server certificate under the CA that clients have pinned. */
  | { readonly kind: "new_leaf"; readonly why: string; readonly authority: Authority }
  /** Everything is good as it is. */
  | {
    readonly kind: "keep";
    readonly pair: JudgedPair;
    readonly ca: string;
    readonly authority?: Authority;
    readonly warnings: readonly string[];
  };

/**
 * Judges the files.
 *
 * @param material What the files hold.
 * @param names The names the server certificate is to have.
 * @throws {TrustError} `damaged` if the files do not fit together and there is no CA key to make them anew.
 */
export function planOwn(material: Material, names: ServerNames, now: Date): Plan {
  const { cert, key, authority } = material;
  if (material.ca === undefined && cert === undefined && key === undefined) {
    return authority === undefined
      ? { kind: "new_ca", why: "first start" }
      : { kind: "new_ca", why: "the http-*.pem files were deleted", old: authority.ca };
  }
  // A roll-over that was killed leaves the CA before it in the public file
  const known = [authority?.ca, undefined, ...(authority?.previous ?? []).map((predecessor) => predecessor.ca)];
  if (authority === undefined || !known.includes(material.ca)) return planWithoutKey(material, names, now);
  if (cert === undefined || key === undefined) {
    return { kind: "new_leaf", why: `${cert === undefined ? FILES.cert : FILES.key} is missing`, authority };
  }
  let pair: JudgedPair;
  try {
    pair = judgeOwn(cert, key);
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return { kind: "new_leaf", why: error.message, authority };
  }
  const why = reasonToReissue(pair, authority, names, now);
  if (why !== undefined) return { kind: "new_leaf", why, authority };
  return { kind: "keep", pair, ca: authority.ca, authority, warnings: [] };
}

/** Why the leaf must be made anew; undefined when it is good. */
export function reasonToReissue(
  pair: JudgedPair,
  authority: Authority,
  names: ServerNames,
  now: Date,
): string | undefined {
  const { leaf, chain } = pair;
  const issuer = parseOwnCa(authority.ca);
  if (!isIssuedBy(leaf, issuer)) return "it was not issued by this CA";
  if (!sameNames(leaf.names, names)) return "the names it must hold have changed";
  if (chain.slice(1).map(({ der }) => pemEncode("CERTIFICATE", der)).join("") !== linksNow(authority, now).join("")) {
    return "what links it to earlier CAs has changed";
  }
  if (now < leaf.notBefore) return `it is not valid before ${leaf.notBefore.toISOString()}`;
  const lifetime = leaf.notAfter.getTime() - leaf.notBefore.getTime();
  // A leaf that ends with its CA gains nothing from being made anew
  const renewable = leaf.notAfter < issuer.notAfter;
  if (renewable && leaf.notAfter.getTime() - now.getTime() <= lifetime / 3) {
    return `a third of its lifetime is left: it ends ${leaf.notAfter.toISOString()}`;
  }
  return undefined;
}

/** The link certificates to serve after the leaf: those whose CA somebody may still have pinned. */
export function linksNow(authority: Authority, now: Date): string[] {
  return authority.previous.map(({ link }) => link).filter((link) => parseOwnCa(link).notAfter > now);
}

/** The original daemon throws its CA's key away, so what it left can be served but never renewed. */
function planWithoutKey(material: Material, names: ServerNames, now: Date): Plan {
  const { ca, cert, key } = material;
  if (ca === undefined || cert === undefined || key === undefined) {
    const missing = ca === undefined ? FILES.ca : cert === undefined ? FILES.cert : FILES.key;
    return {
      kind: "new_ca",
      why: `${missing} is missing and there is no CA key to make it anew`,
      ...(ca && { old: ca }),
    };
  }
  const issuer = parseOwnCa(ca);
  let pair: JudgedPair;
  try {
    pair = judgeOwn(cert, key);
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (!isIssuedBy(pair.leaf, issuer)) throw damaged(`${FILES.cert} was not issued by the CA in ${FILES.ca}`);
  const ends = pair.notAfter < issuer.notAfter ? pair.notAfter : issuer.notAfter;
  const warnings = [
    `the control-plane certificate cannot be renewed: there is no key of its CA here. It ends ${ends.toISOString()}; ` +
    `for one that renews itself delete the three http-*.pem files and let clients pin the new CA`,
  ];
  const missing = missingNames(pair.leaf.names, names);
  if (missing.length > 0) {
    warnings.push(`the control-plane certificate lacks these names and they cannot be added: ${missing.join(", ")}`);
  }
  if (ends < now) warnings.push(`the control-plane certificate expired on ${ends.toISOString()}: clients refuse it`);
  return { kind: "keep", pair, ca, warnings };
}

function judgeOwn(cert: string, key: string): JudgedPair {
  return judgePair({ cert, key, certLabel: FILES.cert, keyLabel: FILES.key });
}

function parseOwnCa(pem: string): Certificate {
  try {
    return parseCertificate(pem);
  } catch (cause) {
    throw damaged(`${FILES.ca} holds no readable certificate`, cause);
  }
}

function damaged(why: string, cause?: unknown): TrustError {
  return new TrustError(
    "damaged",
    `Cannot serve TLS: ${why}; restore the http-*.pem files from a backup, or delete all three to get a new CA that clients must then pin`,
    { cause },
  );
}
