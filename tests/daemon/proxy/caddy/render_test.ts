import { deepEqual, equal } from "node:assert/strict";
import { caddyConfig, type CaddyFacts, emptyConfig } from "../../../../daemon/proxy/caddy/render.ts";
import { PLAN } from "../program/plan.ts";

const FACTS: CaddyFacts = { admin: "unix/admin.sock", storage: "/p/storage", closesStreamsLate: false };

function routesOf(config: Record<string, unknown>, server: string): unknown[] {
  return (config as { apps: { http: { servers: Record<string, { routes: unknown[] }> } } }).apps.http.servers[server]!
    .routes;
}

Deno.test("caddyConfig() writes what Caddy is to serve, exact names before wildcards", () => {
  const notFound = { handle: [{ handler: "static_response", status_code: 404, body: "404 not found\n" }] };
  const config = caddyConfig(PLAN, FACTS);
  const [, ...plain] = routesOf(config, "helyos-http");
  const visitor = plain.slice(0, 2);
  const transport = { protocol: "http", dial_timeout: "5s", response_header_timeout: "60s" };
  const proxy = {
    handler: "reverse_proxy",
    transport,
    upstreams: [{ dial: "10.0.0.1:80" }, { dial: "[::1]:81" }],
    load_balancing: { selection_policy: { policy: "round_robin" }, try_duration: "2s", try_interval: "20ms" },
    health_checks: { passive: { fail_duration: "5s" } },
  };
  const at = (domain: string, ...handle: unknown[]) => ({ match: [{ host: [domain] }], handle, terminal: true });
  deepEqual(config, {
    admin: { listen: "unix/admin.sock", origins: ["127.0.0.1"], config: { persist: false } },
    logging: { logs: { default: { level: "ERROR" } } },
    storage: { module: "file_system", root: "/p/storage" },
    apps: {
      http: {
        grace_period: "1h",
        servers: {
          "helyos-http": {
            listen: ["0.0.0.0:80"],
            protocols: ["h1"],
            automatic_https: { disable: true },
            routes: [
              {
                match: [{ path: ["/.well-known/acme-challenge/*"] }],
                handle: [{ handler: "reverse_proxy", upstreams: [{ dial: "127.0.0.1:9" }] }],
                terminal: true,
              },
              ...visitor,
              at("a-b.io", {
                handler: "static_response",
                status_code: 503,
                body: "503 nothing answers here yet\n",
              }),
              at("a.b.io", { handler: "reverse_proxy", transport, upstreams: [{ dial: "app.internal:80" }] }),
              at("*.b.io", {
                handler: "static_response",
                status_code: 308,
                headers: { Location: ["https://{http.request.host}{http.request.uri}"] },
              }),
              notFound,
            ],
          },
          "helyos-https": {
            listen: ["[::]:443"],
            protocols: ["h1", "h2"],
            automatic_https: { disable: true },
            tls_connection_policies: [
              { match: { sni: ["*.b.io"] }, certificate_selection: { any_tag: ["b-2"] } },
            ],
            strict_sni_host: true,
            routes: [
              ...visitor,
              at("*.b.io", {
                handler: "headers",
                response: { set: { "Strict-Transport-Security": ["max-age=60"] } },
              }, proxy),
              notFound,
            ],
          },
        },
      },
      tls: {
        certificates: {
          load_files: [{ certificate: "/p/certs/b-2.crt", key: "/p/certs/b-2.key", tags: ["b-2"] }],
        },
      },
    },
  });
});

Deno.test("caddyConfig() drops what visitors claim, in every spelling, and every upgrade but WebSocket's", () => {
  const [, claims, upgrade] = routesOf(caddyConfig(PLAN, FACTS), "helyos-http") as [
    unknown,
    { handle: [{ request: { delete: string[]; set: Record<string, string[]> } }] },
    { match: [{ not: [{ header_regexp: { Upgrade: { pattern: string } } }] }]; handle: [{ request: unknown }] },
  ];
  const { request } = claims.handle[0];
  deepEqual(request.set, { "X-Real-IP": ["{http.request.remote.host}"] });
  deepEqual(request.delete.toSorted(), [
    "Forwarded",
    "X-Forwarded-*",
    "X-Forwarded_*",
    "X-Real_IP",
    "X_Forwarded-*",
    "X_Forwarded_*",
    "X_Real-IP",
    "X_Real_IP",
  ]);
  deepEqual(upgrade.handle[0].request, { delete: ["Upgrade"] });
  equal(upgrade.match[0].not[0].header_regexp.Upgrade.pattern, "(?i)^(websocket)?$");
});

Deno.test("emptyConfig() serves nothing and keeps nothing of the last configuration", () => {
  deepEqual(emptyConfig({ admin: "localhost:2019", closesStreamsLate: true }), {
    admin: { listen: "localhost:2019", config: { persist: false } },
    logging: { logs: { default: { level: "ERROR" } } },
  });
});
