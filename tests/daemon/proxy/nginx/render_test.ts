import { equal, match } from "node:assert/strict";
import { mainFile, siteFile, siteText } from "../../../../daemon/proxy/nginx/render.ts";
import { PLAN } from "../program/plan.ts";

const FACTS = { statusPort: 7, generation: "g", http2Directive: false };

Deno.test("siteText() writes a wildcard of one label, a redirect, a certificate and its header", () => {
  equal(
    siteText(PLAN.sites[0]!, PLAN, FACTS),
    String.raw`# Written by helyosd; changes are lost
upstream 1-wildcard.b.io {
  server 10.0.0.1:80;
  server [::1]:81;
  keepalive 32;
}
server {
  listen 0.0.0.0:80;
  server_name ~^[a-z0-9_-]+\.b\.io$;
  include challenges.conf;
  location / {
    return 308 https://$host$request_uri;
  }
}
server {
  listen [::]:443 ssl http2;
  server_name ~^[a-z0-9_-]+\.b\.io$;
  ssl_certificate certs/b-2.crt;
  ssl_certificate_key certs/b-2.key;
  # A host is not served under another host's certificate (RFC 9110, section 7.4)
  if ($ssl_server_name !~* "^[a-z0-9_-]+\.b\.io\.?$") {
    return 421 "421 misdirected request\n";
  }
  add_header Strict-Transport-Security "max-age=60" always;
  location / {
    proxy_pass http://1-wildcard.b.io;
  }
}
`,
  );
});

Deno.test("siteText() answers 503 without upstream, and names no upstream that would have no server", () => {
  equal(
    siteText(PLAN.sites[1]!, PLAN, FACTS),
    String.raw`# Written by helyosd; changes are lost
server {
  listen 0.0.0.0:80;
  server_name a-b.io;
  include challenges.conf;
  location / {
    return 503 "503 nothing answers here yet\n";
  }
}
`,
  );
});

Deno.test("siteText() writes HTTP/2 as the nginx at hand wants it, and tells an unusual port", () => {
  const text = siteText(PLAN.sites[0]!, { ...PLAN, https: { host: "::", port: 8443 } }, { http2Directive: true });
  match(text, /listen \[::\]:8443 ssl;\n\s+http2 on;/);
  match(text, /return 308 https:\/\/\$host:8443\$request_uri;/);
});

Deno.test("siteFile() tells domains apart that differ only in dots and hyphens", () => {
  equal(new Set(PLAN.sites.map(siteFile)).size, 3);
});

Deno.test("mainFile() refuses strangers' handshakes and takes both families on ::", () => {
  const text = mainFile(PLAN, FACTS);
  match(
    text,
    /listen \[::\]:443 ssl http2 default_server ipv6only=off;\n\s+server_name _;\n\s+ssl_reject_handshake on;/,
  );
  match(text, /listen 0\.0\.0\.0:80 default_server;/);
  match(text, /proxy_set_header X-Forwarded-User "";/);
});
