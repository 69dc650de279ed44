/**
 * PORT: what faces the internet. It knows sites, upstreams and certificates, and nothing of routes or of how certificates come about.
 *
 * @module
 */

/** A host and a port. */
export interface Address {
  /** A host name or an address; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535; 0 when a listener is to choose. */
  readonly port: number;
}

/** One domain and what answers on it. */
export interface Site {
  /**
   * Lower-case ASCII: a host name such as `api.example.com`, or `*.example.com` for every name exactly one label below.
   * Checked before it gets here: letters, digits, hyphens and dots alone, besides the leading `*.`.
   */
  readonly domain: string;
  /** What answers, in turn; with none, visitors get 503. */
  readonly upstreams: readonly Address[];
  /** Plain HTTP alone, or HTTPS with this certificate of {@linkcode DesiredProxy.certificates}. */
  readonly tls: "none" | { readonly certificateId: string };
  /** Whether plain HTTP is answered by a redirect (308), the ACME path excepted. Only true when there is a certificate. */
  readonly redirectToHttps: boolean;
  /** Seconds of Strict-Transport-Security; absent for no header. */
  readonly hstsSeconds?: number;
}

/** A certificate and its key, ready to be served. */
export interface ServedCertificate {
  /** Stable as long as the domain is, and safe as a file name: `[a-z0-9._-]+`, see `siteId`. */
  readonly id: string;
  /** DNS names it is for, lower-case, wildcards included. */
  readonly names: readonly string[];
  /** PEM, the leaf first. */
  readonly certPem: string;
  /** PKCS#8 PEM, not encrypted. Where a proxy needs it as a file, that file is 0600 in a folder 0700. */
  readonly keyPem: string;
}

/** Answers HTTP-01 challenges (RFC 8555 §8.3). */
export interface ChallengeResponder {
  /** For a proxy inside the daemon: the body for `/.well-known/acme-challenge/<token>`; undefined for 404. */
  answer(token: string): string | undefined;
  /**
   * For a proxy of another thread or process: forward `/.well-known/acme-challenge/` of every host, known or not, here, over
   * plain HTTP. It listens on loopback.
   */
  readonly address: Address;
}

/**
 * All a proxy needs to know. Equal routes and certificates make equal values. Without sites a proxy binds nothing, and releases what it
 * had bound.
 */
export interface DesiredProxy {
  /** Sorted by domain, each domain once. An exact name wins over a wildcard. */
  readonly sites: readonly Site[];
  /** Sorted by id; only those that a site uses. */
  readonly certificates: readonly ServedCertificate[];
  /** Where plain HTTP is served. */
  readonly httpListen: Address;
  /** Where HTTPS is served. */
  readonly httpsListen: Address;
  /** Answers challenges. */
  readonly challenges: ChallengeResponder;
}

/** How one site fares after {@linkcode ProxyBackend.apply}. */
export interface SiteStatus {
  /** The domain. */
  readonly domain: string;
  /** `served`: visitors reach it (or its 503). `failed`: this site alone could not be taken over. */
  readonly state: "served" | "failed";
  /** Why it failed, in a sentence without full stop. */
  readonly reason?: string;
}

/** How the proxy as a whole fares. */
export interface ProxyStatus {
  /** `idle`: nothing to serve, nothing bound. `serving`. `failing`: see the detail; it is being tried again. */
  readonly state: "idle" | "serving" | "failing";
  /** One line for people, for example `cannot listen on 0.0.0.0:80: the address is in use`. */
  readonly detail: string;
  /** Where plain HTTP is really bound; absent while it is not. */
  readonly http?: Address;
  /** Where HTTPS is really bound; absent while it is not. */
  readonly https?: Address;
}

/** A proxy. Disposing of it closes what it listens on and ends what it started. */
export interface ProxyBackend extends AsyncDisposable {
  /** `embedded`, `traefik`, `caddy` or `nginx`. */
  readonly name: string;
  /**
   * Makes the proxy serve this and nothing else; what is there and stays the same is not interrupted. Called one at a time, also
   * with a value that was applied before.
   *
   * A site that cannot be taken over fails alone. A port that cannot be bound, or a program that is down, is no rejection: it is told
   * by {@linkcode status} and tried again by the backend itself until it works or something else is wanted.
   *
   * @returns One status for each site, in the order of the sites.
   */
  apply(desired: DesiredProxy): Promise<readonly SiteStatus[]>;
  /** How it fares now; cheap. */
  status(): ProxyStatus;
}

/**
 * A name for a domain in files and generated configuration: readable, safe, and never the same for two domains, whatever characters
 * had to be replaced.
 *
 * @param domain As in {@linkcode Site.domain}.
 * @returns For example `api.example.com-1f0c…` with 16 hex digits of the domain's SHA-256.
 */
export async function siteId(domain: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(domain)));
  const hash = digest.subarray(0, 8).toHex();
  // 180 characters and the hash stay below the 255 bytes of a file name, with room for an extension and a temporary suffix
  const readable = domain.replace(/^\*/, "wildcard").replace(/[^a-z0-9.-]/g, "_").slice(0, 180);
  return `${readable}-${hash}`;
}
