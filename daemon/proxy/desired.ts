/**
 * From routes and certificates to what a proxy is to do. Pure.
 *
 * @module
 */
import { parseHostPort, wildcardAbove } from "../domain.ts";
import type { StoredRoute } from "../routes/records.ts";
import type { DesiredProxy, ServedCertificate, Site } from "./backend.ts";

/** What of a certificate decides which route it serves. */
export interface CertificateSummary {
  readonly domain: string;
  readonly source: "acme" | "import";
  readonly fingerprint: string;
  readonly notAfter: Date;
  /** Revision of its record. */
  readonly revision: number;
}

/**
 * Which certificate a route is served with: its own, else that of the wildcard above it, which covers exactly one label.
 *
 * @returns The certificate; undefined for plain HTTP, and while there is none.
 */
export function certificateFor(
  route: Pick<StoredRoute, "domain" | "tls_mode">,
  certificates: ReadonlyMap<string, CertificateSummary>,
): CertificateSummary | undefined {
  if (route.tls_mode === "none") return undefined;
  const above = wildcardAbove(route.domain);
  return certificates.get(route.domain) ?? (above === undefined ? undefined : certificates.get(above));
}

/**
 * The whole of what a proxy is to do.
 *
 * A route that wants HTTPS and has no certificate yet is answered with 503 over plain HTTP: what was meant to be encrypted never is in
 * the clear.
 *
 * @param routes In any order.
 * @param served The certificate of each route that has one, by the route's domain.
 * @param fixed What does not depend on routes.
 */
export function desiredProxy(
  routes: Iterable<StoredRoute>,
  served: ReadonlyMap<string, ServedCertificate>,
  fixed: Pick<DesiredProxy, "httpListen" | "httpsListen" | "challenges">,
): DesiredProxy {
  const certificates = new Map<string, ServedCertificate>();
  const sites: Site[] = [];
  for (const route of [...routes].sort((a, b) => a.domain < b.domain ? -1 : 1)) {
    const certificate = route.tls_mode === "none" ? undefined : served.get(route.domain);
    if (certificate !== undefined) certificates.set(certificate.id, certificate);
    const open = route.tls_mode === "none" || certificate !== undefined;
    sites.push({
      domain: route.domain,
      upstreams: open ? (route.upstreams ?? []).map(parseHostPort) : [],
      tls: certificate === undefined ? "none" : { certificateId: certificate.id },
      redirectToHttps: certificate !== undefined,
    });
  }
  return {
    sites,
    certificates: [...certificates.values()].sort((a, b) => a.id < b.id ? -1 : 1),
    ...fixed,
  };
}
