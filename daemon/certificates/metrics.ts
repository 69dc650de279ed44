/**
 * What is counted about certificates, for each domain.
 *
 * @module
 */
import { Counter, LabelledGauge, type Metric } from "../metrics/registry.ts";
import type { Named, Seen } from "./records.ts";

/** Counters the keeper moves, and gauges read when they are asked for. */
export interface CertificateMeter {
  readonly metrics: readonly Metric[];
  attempt(domain: string): void;
  failure(domain: string): void;
}

/** What the gauges read. */
export interface MeterSource {
  certificates(): Iterable<Named & { readonly notAfter: Date }>;
  seen(certificate: Named): Seen;
}

/** Starts at zero. */
export function createCertificateMeter(source: MeterSource): CertificateMeter {
  const attempts = new Counter("helyos_certificate_attempts_total", "Orders begun, by domain");
  const failures = new Counter("helyos_certificate_failures_total", "Orders failed, by domain");
  function* expiries(): Generator<[Record<string, string>, number]> {
    for (const { domain, notAfter } of source.certificates()) {
      yield [{ domain }, Math.floor(notAfter.getTime() / 1000)];
    }
  }
  function* mismatches(): Generator<[Record<string, string>, number]> {
    for (const certificate of source.certificates()) {
      yield [{ domain: certificate.domain }, source.seen(certificate).state === "mismatch" ? 1 : 0];
    }
  }
  return {
    metrics: [
      new LabelledGauge(
        "helyos_certificate_expiry_timestamp_seconds",
        "End of each certificate's life, seconds since 1970",
        expiries,
      ),
      attempts,
      failures,
      new LabelledGauge(
        "helyos_certificate_served_mismatch",
        "1 when the proxy was seen to serve another certificate",
        mismatches,
      ),
    ],
    attempt: (domain) => attempts.add({ domain }),
    failure: (domain) => failures.add({ domain }),
  };
}
