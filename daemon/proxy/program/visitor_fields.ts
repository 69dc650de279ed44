/**
 * What visitors must not be able to say of themselves, because programs behind a proxy believe it.
 *
 * Traefik and nginx know no patterns for this, so it is a list: what common frameworks and authenticating proxies read. Caddy and the
 * embedded proxy drop whatever begins with X-Forwarded-.
 *
 * @module
 */

/** Fields that every proxy here writes anew, with the visitor's address, host and scheme. */
export const OWN_FIELDS = [
  "X-Real-IP",
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
] as const;

/** Fields that are dropped. */
export const DROPPED_FIELDS = [
  "Forwarded",
  "X-Forwarded-Access-Token",
  "X-Forwarded-By",
  "X-Forwarded-Client-Cert",
  "X-Forwarded-Email",
  "X-Forwarded-Groups",
  "X-Forwarded-Method",
  "X-Forwarded-Path",
  "X-Forwarded-Port",
  "X-Forwarded-Preferred-Username",
  "X-Forwarded-Prefix",
  "X-Forwarded-Protocol",
  "X-Forwarded-Scheme",
  "X-Forwarded-Server",
  "X-Forwarded-Ssl",
  "X-Forwarded-Tls-Client-Cert",
  "X-Forwarded-Tls-Client-Cert-Info",
  "X-Forwarded-Uri",
  "X-Forwarded-User",
] as const;

/** Every way to write a name with underscores instead of hyphens, which many programs do not tell apart; the name itself is none. */
export function withUnderscores(name: string): string[] {
  const [first = "", ...rest] = name.split("-");
  let spellings = [first];
  for (const part of rest) spellings = spellings.flatMap((text) => [`${text}-${part}`, `${text}_${part}`]);
  return spellings.slice(1);
}
