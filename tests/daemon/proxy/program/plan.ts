/**
 * A plan with one site of every kind, for the renderers.
 */
import type { Plan } from "../../../../daemon/proxy/program/driver.ts";

/** One site of every kind. */
export const PLAN: Plan = {
  http: { host: "0.0.0.0", port: 80 },
  https: { host: "::", port: 443 },
  challenges: { host: "127.0.0.1", port: 9 },
  sites: [
    {
      id: "wildcard.b.io-1",
      domain: "*.b.io",
      upstreams: [{ host: "10.0.0.1", port: 80 }, { host: "::1", port: 81 }],
      certificate: { tag: "b-2", certFile: "/p/certs/b-2.crt", keyFile: "/p/certs/b-2.key" },
      redirectToHttps: true,
      hstsSeconds: 60,
    },
    { id: "a-b.io-3", domain: "a-b.io", upstreams: [], redirectToHttps: false },
    { id: "a.b.io-4", domain: "a.b.io", upstreams: [{ host: "app.internal", port: 80 }], redirectToHttps: false },
  ],
};
