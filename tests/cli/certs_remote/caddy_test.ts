import { deepEqual, equal, match, throws } from "node:assert/strict";
import { parseRegistry } from "../../../cli/certs/registry.ts";
import { caddyfileOf, ingressOf, siteOf, sitesIn } from "../../../cli/certs/remote/caddy.ts";

function registry(service: Record<string, unknown>, caddy: unknown = { ingress_host: "mini1" }) {
  const services = { api: { current_host: "mini1", docker_compose: "/api/compose.yml", port: 8400, ...service } };
  return parseRegistry(JSON.stringify({ caddy, hosts: { mini1: { path: "/srv/a b" } }, services }), "registry.yml");
}

const textOf = (service: Record<string, unknown>) => {
  const { service: find, host } = registry(service);
  return siteOf(find("api"), host("mini1"));
};

Deno.test("sitesIn() finds again what caddyfileOf() wrote, and nothing else", () => {
  const { service: find, host } = registry({ ca_cert: "/api/certs/ca-cert.pem", certs: { upstream: "https" } });
  const [api, web] = [textOf({}), siteOf({ ...find("api"), name: "my_web" }, host("mini1"))];
  const sites = sitesIn(caddyfileOf([api, web]));
  deepEqual([...sites], [["api", api], ["my_web", web]]);
  equal(caddyfileOf([...sites.values()]), caddyfileOf([api, web]));
  for (const text of ["", caddyfileOf([]), "# two words\na {\n}\n"]) equal(sitesIn(text).size, 0);
});

Deno.test("siteOf() refuses what Caddy would take for something else", () => {
  for (
    const service of [
      { hostname: "a b" },
      { hostname: "a.internal {\n respond hi\n}" },
      { aliases: ["{$HOME}"] },
      { aliases: [":80"] },
      { docker_compose: "/{env.X}/compose.yml" },
      { docker_compose: "/a`b/compose.yml" },
      { docker_compose: "/../compose.yml" },
      { port: undefined },
      { certs: { client_auth: "request" } },
      { certs: { upstream: "ftp" } },
    ]
  ) throws(() => textOf(service), { code: "bad_registry" }, JSON.stringify(service));
});

Deno.test("ingressOf() refuses a registry that does not say where Caddy is, or nonsense", () => {
  throws(() => ingressOf(registry({}, null)), { code: "no_ingress" });
  throws(() => ingressOf(registry({}, { ingress_host: ["a"] })), { code: "bad_registry" });
  throws(() => ingressOf(registry({}, { ingress_host: "a", caddyfile: "etc/Caddyfile" })), { code: "bad_registry" });
  throws(() => ingressOf(registry({}, { ingress_host: "a", reload: "caddy reload" })), { code: "bad_registry" });
  equal(ingressOf(registry({}, { ingress_host: "a", caddyfile: "/x/Caddyfile" })).snippets, "/x/helyos-services.caddy");
});

Deno.test("siteOf() demands callers' certificates where there is a ca_cert, and never skips a check", () => {
  match(
    textOf({}),
    /^api\.internal \{\n\ttls "\/srv\/a b\/api\/certs\/api-cert\.pem" ".*api-key\.pem"\n\treverse_proxy 127/m,
  );
  match(
    textOf({ ca_cert: "/api/certs/ca-cert.pem" }),
    /mode require_and_verify\n\t\t\ttrust_pool file ".*ca-cert\.pem"/,
  );
  match(textOf({ ca_cert: "/ca.pem", certs: { client_auth: "optional" } }), /mode verify_if_given/);
  equal(textOf({ ca_cert: "/ca.pem", certs: { client_auth: "none" } }).includes("client_auth"), false);
  const https = textOf({ certs: { upstream: "https" }, hostname: "API.lan", aliases: ["api.lan", "b.lan"] });
  match(https, /^api\.lan, b\.lan \{/m);
  match(
    https,
    /reverse_proxy https:\/\/127\.0\.0\.1:8400 \{[^}]*tls_trust_pool file "[^"]*"\n\s*tls_server_name api\.lan/,
  );
  equal(/insecure|skip/.test(https), false);
});
