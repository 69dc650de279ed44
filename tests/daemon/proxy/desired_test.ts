import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { type ServedCertificate, siteId } from "../../../daemon/proxy/backend.ts";
import { certificateFor, type CertificateSummary, desiredProxy } from "../../../daemon/proxy/desired.ts";
import type { StoredRoute } from "../../../daemon/routes/records.ts";

const route = (domain: string, tls_mode: StoredRoute["tls_mode"], upstreams?: string[]): StoredRoute => ({
  domain,
  project: "p",
  deployment: "d",
  tls_mode,
  created_at: "2026-01-01T00:00:00Z",
  ...(upstreams ? { upstreams } : {}),
});

const FIXED = {
  httpListen: { host: "0.0.0.0", port: 80 },
  httpsListen: { host: "0.0.0.0", port: 443 },
  challenges: { answer: () => undefined, address: { host: "127.0.0.1", port: 1 } },
};

const served = (id: string): ServedCertificate => ({ id, names: [], certPem: "", keyPem: "" });

Deno.test("siteId() never gives two domains one name", async () => {
  notEqual(await siteId("a.b.io"), await siteId("a-b.io"));
  notEqual(await siteId("*.b.io"), await siteId("wildcard.b.io"));
  match(await siteId(`${"a.".repeat(126)}a`), /^[a-z0-9.-]{1,200}$/);
});

Deno.test("desiredProxy() is sorted, lists a shared certificate once and redirects what has one", () => {
  const wildcard = served("w");
  const routes = [
    route("z.example", "none", ["10.0.0.1:80"]),
    route("b.example", "manual", ["[::1]:3000"]),
    route("a.example", "manual"),
  ];
  const desired = desiredProxy(routes, new Map([["a.example", wildcard], ["b.example", wildcard]]), FIXED);
  deepEqual(desired.sites, [
    { domain: "a.example", upstreams: [], tls: { certificateId: "w" }, redirectToHttps: true },
    {
      domain: "b.example",
      upstreams: [{ host: "::1", port: 3000 }],
      tls: { certificateId: "w" },
      redirectToHttps: true,
    },
    { domain: "z.example", upstreams: [{ host: "10.0.0.1", port: 80 }], tls: "none", redirectToHttps: false },
  ]);
  deepEqual(desired.certificates, [wildcard]);
});

Deno.test("desiredProxy() never serves in the clear what was meant to be encrypted", () => {
  const [site] = desiredProxy([route("a.example", "auto", ["10.0.0.1:80"])], new Map(), FIXED).sites;
  deepEqual(site, { domain: "a.example", upstreams: [], tls: "none", redirectToHttps: false });
});

Deno.test("certificateFor() prefers the domain's own, and a wildcard covers exactly one label", () => {
  const summary = (domain: string): [string, CertificateSummary] => [
    domain,
    { domain, source: "import", fingerprint: "", notAfter: new Date(), revision: 1 },
  ];
  const all = new Map([summary("*.example.com"), summary("own.example.com")]);
  const chosen = (domain: string, mode: StoredRoute["tls_mode"] = "manual") =>
    certificateFor({ domain, tls_mode: mode }, all)?.domain;
  equal(chosen("own.example.com"), "own.example.com");
  equal(chosen("a.example.com"), "*.example.com");
  equal(chosen("*.example.com"), "*.example.com");
  equal(chosen("b.a.example.com"), undefined);
  equal(chosen("example.com"), undefined);
  equal(chosen("a.example.com", "none"), undefined);
});
