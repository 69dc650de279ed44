/**
 * What became different: ten thousand routes are not sent to a thread again because one was added.
 *
 * @module
 */
import type { DesiredProxy, ServedCertificate, Site } from "../backend.ts";
import type { Change } from "./protocol.ts";

/** A change, and what is known to the thread after it. */
export interface Difference {
  readonly change: Omit<Change, "sharing">;
  readonly sites: ReadonlyMap<string, Site>;
  readonly certificates: ReadonlyMap<string, ServedCertificate>;
}

/**
 * Compares what a thread knows with what it should.
 *
 * @param sites The sites it knows, by domain.
 * @param certificates The certificates it knows, by id.
 * @param desired What it should know.
 */
export function changeBetween(
  sites: ReadonlyMap<string, Site>,
  certificates: ReadonlyMap<string, ServedCertificate>,
  desired: DesiredProxy,
): Difference {
  const nextSites = new Map(desired.sites.map((site) => [site.domain, site]));
  const nextCertificates = new Map(desired.certificates.map((certificate) => [certificate.id, certificate]));
  return {
    sites: nextSites,
    certificates: nextCertificates,
    change: {
      putSites: desired.sites.filter((site) => !isSameSite(sites.get(site.domain), site)),
      dropDomains: [...sites.keys()].filter((domain) => !nextSites.has(domain)),
      putCertificates: desired.certificates.filter((certificate) => {
        const known = certificates.get(certificate.id);
        return known?.certPem !== certificate.certPem || known.keyPem !== certificate.keyPem;
      }),
      dropCertificates: [...certificates.keys()].filter((id) => !nextCertificates.has(id)),
      httpListen: desired.httpListen,
      httpsListen: desired.httpsListen,
      challenges: desired.challenges.address,
    },
  };
}

function isSameSite(a: Site | undefined, b: Site): boolean {
  if (a === b) return true;
  return a !== undefined && a.redirectToHttps === b.redirectToHttps && a.hstsSeconds === b.hstsSeconds &&
    idOf(a) === idOf(b) && a.upstreams.length === b.upstreams.length &&
    a.upstreams.every(({ host, port }, index) =>
      host === b.upstreams[index]!.host && port === b.upstreams[index]!.port
    );
}

function idOf({ tls }: Site): string | undefined {
  return tls === "none" ? undefined : tls.certificateId;
}
