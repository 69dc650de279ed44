/**
 * What is tried for a site, best first: a site that is refused costs no other site anything, and itself as little as possible.
 *
 * @module
 */
import type { DesiredProxy, ServedCertificate, Site } from "../backend.ts";
import { judgeSite } from "./judge.ts";

/** One way to serve a site. */
export interface Version {
  readonly site: Site;
  readonly certificate?: ServedCertificate;
}

/** A site, and which of its versions is being tried. */
export class Offer {
  readonly domain: string;
  readonly #versions: readonly Version[];
  #at = 0;
  #reason: string | undefined;
  #refused = false;

  /**
   * In this order: as wanted; as it was served before; with its certificate and 503; over plain HTTP with 503; not at all.
   *
   * @param wanted What is wanted now.
   * @param before What was served last, if anything was.
   */
  constructor(wanted: Version, before: Version | undefined) {
    const { site } = wanted;
    this.domain = site.domain;
    const closed: Version = { ...wanted, site: { ...site, upstreams: [] } };
    const plain: Version = {
      site: { domain: site.domain, upstreams: [], tls: "none", redirectToHttps: false },
    };
    const versions = [wanted, ...(before === undefined ? [] : [before]), closed, plain];
    this.#reason = judgeSite(site, wanted.certificate);
    this.#versions = versions.filter((version) => judgeSite(version.site, version.certificate) === undefined);
  }

  /** What to tell the program; undefined when nothing is left to try. */
  get version(): Version | undefined {
    return this.#versions[this.#at];
  }

  /** Why it is not served as wanted; undefined when it is. */
  get reason(): string | undefined {
    if (this.#reason === undefined) return undefined;
    const said = this.#reason;
    if (this.version === undefined || this.version.site.upstreams.length === 0) return said;
    return `${said}; it is served as it was before`;
  }

  /** Whether the program refused it, so that trying again later may help. */
  get refused(): boolean {
    return this.#refused;
  }

  /** The program does not take this version. */
  refuse(reason: string): void {
    this.#reason ??= reason;
    this.#refused = true;
    this.#at++;
  }
}

/** Offers for all sites. */
export function offersOf(desired: DesiredProxy, before: ReadonlyMap<string, Version>): Offer[] {
  const certificates = new Map(desired.certificates.map((one) => [one.id, one]));
  return desired.sites.map((site) => {
    const certificate = site.tls === "none" ? undefined : certificates.get(site.tls.certificateId);
    return new Offer({ site, ...(certificate === undefined ? {} : { certificate }) }, before.get(site.domain));
  });
}
