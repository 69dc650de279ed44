/**
 * Traefik's configuration: pure.
 *
 * @module
 */
import type { Address } from "../backend.ts";
import type { Plan, PlannedSite } from "../program/driver.ts";
import { hostPort } from "../program/ports.ts";
import { DROPPED_FIELDS, OWN_FIELDS, withUnderscores } from "../program/visitor_fields.ts";

/** Where we ask Traefik what it has taken over: a router that answers only who knows the secret. */
export interface Control {
  /** Another one for each configuration, so that it tells which is served. */
  readonly router: string;
  readonly secret: string;
}

/** The header that carries the secret. */
export const CONTROL_HEADER = "X-Helyos-Control";

/** What is done to every request. */
const VISITOR = "helyos-visitor";

/** Flags that take effect at a start alone. */
export function staticArgs(
  { http, https }: Pick<Plan, "http" | "https">,
  { file, controlPort }: { readonly file: string; readonly controlPort: number },
): string[] {
  const args = [
    "--global.checkNewVersion=false",
    "--global.sendAnonymousUsage=false",
    "--log.level=ERROR",
    "--log.noColor=true",
    "--api=true",
    "--api.dashboard=false",
    `--providers.file.filename=${file}`,
    "--providers.file.watch=true",
    "--providers.providersThrottleDuration=50ms",
    `--entryPoints.helyos.address=127.0.0.1:${controlPort}`,
  ];
  for (const [name, address] of [["web", http], ["websecure", https]] as const) {
    args.push(
      `--entryPoints.${name}.address=${hostPort(address)}`,
      // A minute, the default, would cut every longer upload
      `--entryPoints.${name}.transport.respondingTimeouts.readTimeout=600s`,
      `--entryPoints.${name}.http.middlewares=${VISITOR}@file`,
      `--entryPoints.${name}.transport.lifeCycle.graceTimeOut=2s`,
    );
  }
  return args;
}

/** The names of a site's routers: for plain HTTP and HTTPS, and for WebSocket over each. */
export function routerNames({ id }: Pick<PlannedSite, "id">): readonly [string, string, string, string] {
  return [`helyos-${id}`, `helyos-${id}-tls`, `helyos-${id}-ws`, `helyos-${id}-tls-ws`];
}

const CHALLENGE_PRIORITY = 1_000_000;
const EXACT_PRIORITY = 20_000;
const WILDCARD_PRIORITY = 10_000;
const WEBSOCKET = "HeaderRegexp(`Upgrade`, `(?i)^websocket$`)";
/** Traefik writes these anew itself. */
const TRAEFIK_FIELDS: readonly string[] = ["X-Forwarded-Port", "X-Forwarded-Server"];

/** The file that Traefik watches. JSON is YAML, and escapes everything. */
export function dynamicFile({ sites, https, challenges }: Plan, { router, secret }: Control): string {
  const routers: Record<string, unknown> = {
    [router]: {
      entryPoints: ["helyos"],
      rule: `Header(\`${CONTROL_HEADER}\`, \`${secret}\`)`,
      service: "api@internal",
    },
    "helyos-acme": {
      entryPoints: ["web"],
      rule: "PathPrefix(`/.well-known/acme-challenge/`)",
      priority: CHALLENGE_PRIORITY,
      service: "helyos-acme",
    },
  };
  const services: Record<string, unknown> = { "helyos-acme": balancer([challenges]) };
  const claims = [
    ...DROPPED_FIELDS.filter((name) => !TRAEFIK_FIELDS.includes(name)),
    ...[...DROPPED_FIELDS, ...OWN_FIELDS].flatMap(withUnderscores),
  ];
  const middlewares: Record<string, unknown> = {
    // What visitors claim about themselves
    [VISITOR]: { headers: { customRequestHeaders: Object.fromEntries(claims.map((name) => [name, ""])) } },
    // Any other protocol than WebSocket, which has a router of its own, would be a tunnel past this proxy
    "helyos-no-upgrade": { headers: { customRequestHeaders: { Upgrade: "" } } },
    // RFC 9110 §15.4.9; Traefik answers GET with 301 and every other method with 308
    "helyos-https": {
      redirectScheme: {
        scheme: "https",
        permanent: true,
        ...(https.port === 443 ? {} : { port: String(https.port) }),
      },
    },
  };
  const certificates = new Map<string, { certFile: string; keyFile: string }>();
  for (const site of sites) {
    const [plain, secure, plainSocket, secureSocket] = routerNames(site);
    const wildcard = site.domain.startsWith("*.");
    const rule = wildcard
      ? `HostRegexp(\`^[a-z0-9_-]+\\.${site.domain.slice(2).replaceAll(".", "\\.")}$\`)`
      : `Host(\`${site.domain}\`)`;
    const priority = wildcard ? WILDCARD_PRIORITY : EXACT_PRIORITY;
    const service = `helyos-${site.id}`;
    services[service] = balancer(site.upstreams);
    // An upstream that does not answer costs a visitor nothing while another one does
    const retry = site.upstreams.length > 1 ? [`helyos-${site.id}-retry`] : [];
    for (const name of retry) {
      middlewares[name] = { retry: { attempts: site.upstreams.length, initialInterval: "20ms" } };
    }
    const answer = (
      names: readonly [string, string],
      router: { readonly entryPoints: string[]; tls?: unknown },
      middlewares: readonly string[],
    ) => {
      routers[names[0]] = { ...router, rule, priority, service, middlewares: ["helyos-no-upgrade", ...middlewares] };
      if (site.upstreams.length === 0) return;
      routers[names[1]] = {
        ...router,
        rule: `${WEBSOCKET} && ${rule}`,
        priority: priority + 1,
        service,
        ...some("middlewares", middlewares),
      };
    };
    if (site.certificate === undefined || !site.redirectToHttps) {
      answer([plain, plainSocket], { entryPoints: ["web"] }, retry);
    } else {
      routers[plain] = {
        entryPoints: ["web"],
        rule,
        priority,
        service: "noop@internal",
        middlewares: ["helyos-https"],
      };
    }
    if (site.certificate === undefined) continue;
    const { tag, certFile, keyFile } = site.certificate;
    certificates.set(tag, { certFile, keyFile });
    const hsts = site.hstsSeconds === undefined ? [] : [`helyos-${site.id}-hsts`];
    for (const name of hsts) middlewares[name] = { headers: { stsSeconds: site.hstsSeconds } };
    answer([secure, secureSocket], { entryPoints: ["websecure"], tls: {} }, [...hsts, ...retry]);
  }
  const text = JSON.stringify(
    {
      http: {
        routers,
        services,
        middlewares,
        serversTransports: {
          helyos: { maxIdleConnsPerHost: 200, forwardingTimeouts: { dialTimeout: "5s", responseHeaderTimeout: "60s" } },
        },
      },
      tls: {
        // Without this, names nobody asked for get Traefik's own certificate
        options: { default: { sniStrict: true, minVersion: "VersionTLS12" } },
        ...(certificates.size === 0 ? {} : { certificates: [...certificates.values()] }),
      },
    },
    null,
    1,
  );
  // Traefik reads its files as Go templates first, in which two braces open an instruction. With line breaks between braces only a text
  // could hold two.
  return text.replaceAll("{{", "\\u007b\\u007b") + "\n";
}

function balancer(upstreams: readonly Address[]): unknown {
  const servers = upstreams.map((upstream) => ({ url: `http://${hostPort(upstream)}` }));
  return { loadBalancer: { serversTransport: "helyos", servers } };
}

function some(name: string, values: readonly string[]): Record<string, readonly string[]> {
  return values.length === 0 ? {} : { [name]: values };
}
