/**
 * Caddy's configuration: pure.
 *
 * @module
 */
import type { Plan, PlannedSite } from "../program/driver.ts";
import { hostPort } from "../program/ports.ts";
import { withUnderscores } from "../program/visitor_fields.ts";

/** What depends on the Caddy at hand. */
export interface CaddyFacts {
  /** Where its admin API listens, in Caddy's words. */
  readonly admin: string;
  /** Where it may keep files of its own; absent for a Caddy that is not ours. */
  readonly storage?: string;
  /** Whether it knows `stream_close_delay` (2.7 and later). */
  readonly closesStreamsLate: boolean;
}

const CHALLENGES = "/.well-known/acme-challenge/*";

/** Nothing served: what a Caddy is started with, and left with when it is not ours. */
export function emptyConfig({ admin, storage }: CaddyFacts): Record<string, unknown> {
  return {
    admin: {
      listen: admin,
      // The Host we send over a socket, which older ones want to be empty
      ...(storage === undefined ? {} : { origins: ["127.0.0.1"] }),
      config: { persist: false },
    },
    logging: { logs: { default: { level: "ERROR" } } },
    ...(storage === undefined ? {} : { storage: { module: "file_system", root: storage } }),
  };
}

/** Sites in the order of their routes: Caddy takes the first that matches, and an exact name wins over a wildcard. */
function inOrder(sites: readonly PlannedSite[]): readonly PlannedSite[] {
  const wild = (site: PlannedSite) => site.domain.startsWith("*.");
  return [...sites.filter((site) => !wild(site)), ...sites.filter(wild)];
}

/** The whole configuration, for its admin API. */
export function caddyConfig(plan: Plan, facts: CaddyFacts): Record<string, unknown> {
  const { http, https, challenges } = plan;
  const secure = inOrder(plan.sites).filter(({ certificate }) => certificate !== undefined);
  const files = new Map(secure.map(({ certificate }) => [certificate!.tag, certificate!]));
  return {
    ...emptyConfig(facts),
    apps: {
      http: {
        // Who is being answered when something changes is answered to the end
        grace_period: "1h",
        servers: {
          "helyos-http": {
            listen: [hostPort(http)],
            protocols: ["h1"],
            automatic_https: { disable: true },
            routes: [
              {
                match: [{ path: [CHALLENGES] }],
                handle: [{ handler: "reverse_proxy", upstreams: [{ dial: hostPort(challenges) }] }],
                terminal: true,
              },
              ...VISITOR,
              ...inOrder(plan.sites).map((site) => route(site, plainHandlers(site, plan, facts))),
              NOT_FOUND,
            ],
          },
          "helyos-https": {
            listen: [hostPort(https)],
            protocols: ["h1", "h2"],
            automatic_https: { disable: true },
            // A name that no policy matches gets no certificate: the handshake fails
            tls_connection_policies: secure.length === 0
              ? [{ match: { sni: ["nothing.invalid"] } }]
              : secure.map(({ domain, certificate }) => ({
                match: { sni: [domain] },
                certificate_selection: { any_tag: [certificate!.tag] },
              })),
            // A host is not served under another host's certificate (RFC 9110 §7.4)
            strict_sni_host: true,
            routes: [...VISITOR, ...secure.map((site) => route(site, secureHandlers(site, facts))), NOT_FOUND],
          },
        },
      },
      tls: {
        certificates: {
          load_files: [...files.values()].map(({ tag, certFile, keyFile }) => ({
            certificate: certFile,
            key: keyFile,
            tags: [tag],
          })),
        },
      },
    },
  };
}

/** What is done to every request before a route is looked for. */
const VISITOR = [
  {
    handle: [{
      handler: "headers",
      request: {
        // What visitors claim about themselves; the proxy writes X-Forwarded-For and its kin itself
        delete: [
          "Forwarded",
          ...withUnderscores("X-Real-IP"),
          ...["X-Forwarded-", ...withUnderscores("X-Forwarded-")].map((prefix) => `${prefix}*`),
        ],
        set: { "X-Real-IP": ["{http.request.remote.host}"] },
      },
    }],
  },
  {
    // Any other protocol than WebSocket would be a tunnel past this proxy
    match: [{ not: [{ header_regexp: { Upgrade: { pattern: "(?i)^(websocket)?$" } } }] }],
    handle: [{ handler: "headers", request: { delete: ["Upgrade"] } }],
  },
];

const NOT_FOUND = { handle: [{ handler: "static_response", status_code: 404, body: "404 not found\n" }] };

function route({ domain }: PlannedSite, handle: readonly unknown[]): unknown {
  return { match: [{ host: [domain] }], handle, terminal: true };
}

function plainHandlers(site: PlannedSite, { https }: Plan, facts: CaddyFacts): readonly unknown[] {
  if (site.certificate === undefined || !site.redirectToHttps) return [answering(site, facts)];
  const port = https.port === 443 ? "" : `:${https.port}`;
  return [{
    handler: "static_response",
    status_code: 308, // RFC 9110 §15.4.9: the method stays
    headers: { Location: [`https://{http.request.host}${port}{http.request.uri}`] },
  }];
}

function secureHandlers(site: PlannedSite, facts: CaddyFacts): readonly unknown[] {
  const hsts = site.hstsSeconds === undefined ? [] : [{
    handler: "headers",
    response: { set: { "Strict-Transport-Security": [`max-age=${site.hstsSeconds}`] } },
  }];
  return [...hsts, answering(site, facts)];
}

function answering({ upstreams }: PlannedSite, { closesStreamsLate }: CaddyFacts): unknown {
  if (upstreams.length === 0) {
    return { handler: "static_response", status_code: 503, body: "503 nothing answers here yet\n" };
  }
  return {
    handler: "reverse_proxy",
    upstreams: upstreams.map((upstream) => ({ dial: hostPort(upstream) })),
    transport: { protocol: "http", dial_timeout: "5s", response_header_timeout: "60s" },
    ...(upstreams.length < 2 ? {} : {
      load_balancing: { selection_policy: { policy: "round_robin" }, try_duration: "2s", try_interval: "20ms" },
      health_checks: { passive: { fail_duration: "5s" } },
    }),
    // WebSockets outlive a change elsewhere
    ...(closesStreamsLate ? { stream_close_delay: "1h" } : {}),
  };
}
