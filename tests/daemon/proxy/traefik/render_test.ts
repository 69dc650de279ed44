import { deepEqual, equal, ok } from "node:assert/strict";
import { dynamicFile, staticArgs } from "../../../../daemon/proxy/traefik/render.ts";
import { PLAN } from "../program/plan.ts";

Deno.test("dynamicFile() writes what Traefik is to serve", () => {
  const file = JSON.parse(dynamicFile(PLAN, { router: "helyos-now", secret: "s" }));
  const claims = file.http.middlewares["helyos-visitor"].headers.customRequestHeaders;
  for (const name of ["Forwarded", "X-Forwarded-User", "X_Forwarded_For", "X_Forwarded-For"]) equal(claims[name], "");
  for (const name of ["X-Forwarded-For", "X-Forwarded-Port", "X-Real-IP"]) equal(claims[name], undefined);
  const serversTransport = "helyos";
  deepEqual(file, {
    http: {
      routers: {
        "helyos-now": { entryPoints: ["helyos"], rule: "Header(`X-Helyos-Control`, `s`)", service: "api@internal" },
        "helyos-acme": {
          entryPoints: ["web"],
          rule: "PathPrefix(`/.well-known/acme-challenge/`)",
          priority: 1_000_000,
          service: "helyos-acme",
        },
        "helyos-wildcard.b.io-1": {
          entryPoints: ["web"],
          rule: "HostRegexp(`^[a-z0-9_-]+\\.b\\.io$`)",
          priority: 10_000,
          service: "noop@internal",
          middlewares: ["helyos-https"],
        },
        "helyos-wildcard.b.io-1-tls": {
          entryPoints: ["websecure"],
          rule: "HostRegexp(`^[a-z0-9_-]+\\.b\\.io$`)",
          priority: 10_000,
          service: "helyos-wildcard.b.io-1",
          middlewares: ["helyos-no-upgrade", "helyos-wildcard.b.io-1-hsts", "helyos-wildcard.b.io-1-retry"],
          tls: {},
        },
        "helyos-wildcard.b.io-1-tls-ws": {
          entryPoints: ["websecure"],
          rule: "HeaderRegexp(`Upgrade`, `(?i)^websocket$`) && HostRegexp(`^[a-z0-9_-]+\\.b\\.io$`)",
          priority: 10_001,
          service: "helyos-wildcard.b.io-1",
          middlewares: ["helyos-wildcard.b.io-1-hsts", "helyos-wildcard.b.io-1-retry"],
          tls: {},
        },
        "helyos-a-b.io-3": {
          entryPoints: ["web"],
          rule: "Host(`a-b.io`)",
          priority: 20_000,
          service: "helyos-a-b.io-3",
          middlewares: ["helyos-no-upgrade"],
        },
        "helyos-a.b.io-4": {
          entryPoints: ["web"],
          rule: "Host(`a.b.io`)",
          priority: 20_000,
          service: "helyos-a.b.io-4",
          middlewares: ["helyos-no-upgrade"],
        },
        "helyos-a.b.io-4-ws": {
          entryPoints: ["web"],
          rule: "HeaderRegexp(`Upgrade`, `(?i)^websocket$`) && Host(`a.b.io`)",
          priority: 20_001,
          service: "helyos-a.b.io-4",
        },
      },
      services: {
        "helyos-acme": { loadBalancer: { serversTransport, servers: [{ url: "http://127.0.0.1:9" }] } },
        "helyos-wildcard.b.io-1": {
          loadBalancer: { serversTransport, servers: [{ url: "http://10.0.0.1:80" }, { url: "http://[::1]:81" }] },
        },
        "helyos-a-b.io-3": { loadBalancer: { serversTransport, servers: [] } },
        "helyos-a.b.io-4": { loadBalancer: { serversTransport, servers: [{ url: "http://app.internal:80" }] } },
      },
      serversTransports: {
        helyos: { maxIdleConnsPerHost: 200, forwardingTimeouts: { dialTimeout: "5s", responseHeaderTimeout: "60s" } },
      },
      middlewares: {
        "helyos-visitor": { headers: { customRequestHeaders: claims } },
        "helyos-no-upgrade": { headers: { customRequestHeaders: { Upgrade: "" } } },
        "helyos-https": { redirectScheme: { scheme: "https", permanent: true } },
        "helyos-wildcard.b.io-1-hsts": { headers: { stsSeconds: 60 } },
        "helyos-wildcard.b.io-1-retry": { retry: { attempts: 2, initialInterval: "20ms" } },
      },
    },
    tls: {
      options: { default: { sniStrict: true, minVersion: "VersionTLS12" } },
      certificates: [{ certFile: "/p/certs/b-2.crt", keyFile: "/p/certs/b-2.key" }],
    },
  });
});

Deno.test("dynamicFile() never holds what Traefik would take for a template", () => {
  const sites = PLAN.sites.map((site) => ({ ...site, domain: "{{ env `HOME` }}" }));
  equal(dynamicFile({ ...PLAN, sites }, { router: "{{", secret: "s" }).includes("{{"), false);
});

Deno.test("staticArgs() asks nobody for news and opens what is wanted alone", () => {
  const args = staticArgs(PLAN, { file: "/p/f.yml", controlPort: 7 });
  for (
    const arg of [
      "--global.checkNewVersion=false",
      "--global.sendAnonymousUsage=false",
      "--api.dashboard=false",
      "--entryPoints.helyos.address=127.0.0.1:7",
      "--entryPoints.web.address=0.0.0.0:80",
      "--entryPoints.web.http.middlewares=helyos-visitor@file",
      "--entryPoints.websecure.http.middlewares=helyos-visitor@file",
      "--entryPoints.websecure.address=[::]:443",
    ]
  ) ok(args.includes(arg), arg);
});
