/**
 * Certificates of public domains on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ANY_SCOPE, DEPLOY_SCOPES, type Endpoint } from "./endpoint.ts";

/** A certificate to import. */
export interface CertificateImport {
  /** The domain it is for. */
  readonly domain: string;
  /** PEM: the certificate first, its chain after it. */
  readonly cert_pem: string;
  /** PEM of the matching private key, not encrypted. */
  readonly key_pem: string;
}

/** What an import answers. */
export interface CertificateImported {
  /** The domain, as stored. */
  readonly domain: string;
  /** Always `imported`. */
  readonly status: string;
  /** What is taken but deserves a look: a self-signed leaf, an expiry that is near. */
  readonly warnings?: readonly string[] | undefined;
}

/** The certificate of one domain and how it fares. */
export interface DomainCertificate {
  /** The domain it is kept for. */
  readonly domain: string;
  /** Names it is valid for. */
  readonly names: readonly string[];
  /** Where it came from. */
  readonly source: "acme" | "import";
  /**
   * `issued` but not yet seen at the proxy, seen there (`served`), another one seen there (`mismatch`), none yet (`pending`), or none
   * because ordering it failed (`failed`).
   */
  readonly state: "pending" | "issued" | "served" | "mismatch" | "failed";
  /** Who signed it; null before there is one. */
  readonly issuer: string | null;
  /** SHA-256 over its DER, lower-case pairs joined by colons; null before there is one. */
  readonly fingerprint: string | null;
  /** Start of its life, RFC 3339. */
  readonly not_before: string | null;
  /** End of its life, RFC 3339. */
  readonly not_after: string | null;
  /** Whole days until the end, negative after it. */
  readonly days_left: number | null;
  /** When it is due for renewal; null for an import. */
  readonly next_renewal: string | null;
  /** When the next order may start after a failure. */
  readonly next_attempt: string | null;
  /** Failed orders in a row. */
  readonly failures: number;
  /** What went wrong last; null when nothing did. */
  readonly last_error: string | null;
  /** When the proxy was last looked at. */
  readonly checked_at: string | null;
}

/** One finding of the doctor. */
export interface DoctorFinding {
  /** What was looked at, for example `dns`, `port 80`, `caa`. */
  readonly check: string;
  /** Whether it stands in the way of a certificate. */
  readonly result: "ok" | "warning" | "problem" | "skipped";
  /** What was seen, and what to do, in plain words. */
  readonly detail: string;
}

/** What a renewal would do, or has begun. */
export interface RenewalAnswer {
  /** The domain. */
  readonly domain: string;
  /** `started`, or `would_renew` and `not_due` of a dry run. */
  readonly status: "started" | "would_renew" | "not_due";
  /** Why, in plain words. */
  readonly reason: string;
}

const text = z.string();
const instant = text.nullable().default(null);
const named = z.object({ domain: text });
const UNKNOWN = "no certificate is kept for this domain";

const fields = {
  domain: text,
  names: z.array(text),
  source: z.enum(["acme", "import"]),
  state: z.enum(["pending", "issued", "served", "mismatch", "failed"]),
  issuer: instant,
  fingerprint: instant,
  not_before: instant,
  not_after: instant,
  days_left: z.number().nullable().default(null),
  next_renewal: instant,
  next_attempt: instant,
  failures: z.number().default(0),
  last_error: instant,
  checked_at: instant,
};
const certificateSchema: z.ZodType<DomainCertificate> = z.object(fields);

/** Imports a certificate. */
export const importCertificate: Endpoint<CertificateImport, CertificateImported> = {
  name: "certificate.import",
  summary: "Serve a certificate of your own for a domain; its key is sealed at rest",
  method: "POST",
  path: "/api/v1/certs/import",
  allow: DEPLOY_SCOPES,
  status: 201,
  answer: "json",
  input: z.object({ domain: text, cert_pem: text, key_pem: text }),
  output: z.object({ domain: text, status: text, warnings: z.array(text).optional() }),
  refusals: { 422: "the chain, the key, the dates or the names do not fit" },
};

/** Every certificate. */
export const listCertificates: Endpoint<Record<never, never>, DomainCertificate[]> = {
  name: "certificate.list",
  summary: "Certificates of public domains: issued, served, days left, next renewal, last error",
  method: "GET",
  path: "/api/v1/certs",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  output: z.array(certificateSchema),
};

/** One certificate, with its chain. */
export const readCertificate: Endpoint<
  { readonly domain: string },
  DomainCertificate & { readonly chain_pem: string | null }
> = {
  name: "certificate.read",
  summary: "One certificate with its public chain; never its key",
  method: "GET",
  path: "/api/v1/certs/{domain}",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  input: named,
  output: z.object({ ...fields, chain_pem: instant }),
  refusals: { 404: UNKNOWN },
};

/** Renews a certificate now. */
export const renewCertificate: Endpoint<
  { readonly domain: string; readonly dry_run?: boolean | null | undefined },
  RenewalAnswer
> = {
  name: "certificate.renew",
  summary: "Order a new certificate now, or say whether it is due",
  method: "POST",
  path: "/api/v1/certs/{domain}/renew",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "json",
  input: z.object({ domain: text, dry_run: z.boolean().nullish() }),
  output: z.object({ domain: text, status: z.enum(["started", "would_renew", "not_due"]), reason: text }),
  refusals: { 404: UNKNOWN, 409: "an import cannot be renewed here, ACME is off, or the CA asked to wait" },
};

/** Forgets a certificate. */
export const deleteCertificate: Endpoint<{ readonly domain: string }, void> = {
  name: "certificate.delete",
  summary: "Forget a certificate and its key",
  method: "DELETE",
  path: "/api/v1/certs/{domain}",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "empty",
  input: named,
  refusals: { 404: UNKNOWN },
};

/** Explains why a domain has no certificate. */
export const diagnoseCertificate: Endpoint<{ readonly domain: string }, DoctorFinding[]> = {
  name: "certificate.diagnose",
  summary:
    "Route, proxy, DNS, port 80, CAA, rate limits, CA, clock and the last ACME problem of a domain, in plain words",
  method: "GET",
  path: "/api/v1/certs/{domain}/doctor",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  input: named,
  output: z.array(z.object({ check: text, result: z.enum(["ok", "warning", "problem", "skipped"]), detail: text })),
};
