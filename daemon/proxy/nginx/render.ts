/**
 * nginx's configuration: pure.
 *
 * @module
 */
import type { Address } from "../backend.ts";
import type { Plan, PlannedSite } from "../program/driver.ts";
import { hostPort } from "../program/ports.ts";
import { DROPPED_FIELDS } from "../program/visitor_fields.ts";

/** What depends on the nginx at hand. */
export interface NginxFacts {
  /** Port of loopback on which it tells which configuration it serves. */
  readonly statusPort: number;
  /** Which that is: letters, digits, hyphens. */
  readonly generation: string;
  /** Whether HTTP/2 is a directive of its own (1.25.1 and later). */
  readonly http2Directive: boolean;
}

/** Where a site's file is, seen from the main file. */
export function siteFile({ id }: Pick<PlannedSite, "id">): string {
  return `sites/helyos-${id}.conf`;
}

/**
 * What a site's upstreams are called: what tells names apart comes first, since nginx compares each with every other from the start. With
 * ten thousand sites that halves the time it takes to read its configuration.
 */
function upstreamName({ id }: PlannedSite): string {
  const cut = id.lastIndexOf("-");
  return `${id.slice(cut + 1)}-${id.slice(0, cut)}`;
}

/** What nginx would pass on: claims of visitors, and what concerns one connection alone (RFC 9110 §7.6.1). */
const HIDDEN = [...DROPPED_FIELDS, "HTTP2-Settings", "Proxy-Authorization", "Proxy-Connection", "TE"];

/** The main file. Paths in it are relative to its folder, and temporary ones to the prefix, which is the same. */
export function mainFile({ sites, http, https, challenges }: Plan, facts: NginxFacts): string {
  return `# Written by helyosd; changes are lost
daemon off;
worker_processes auto;
worker_shutdown_timeout 1h;
pid nginx.pid;
error_log stderr error;

events {
  worker_connections 4096;
}

http {
  access_log off;
  server_tokens off;
  default_type text/plain;
  client_body_temp_path temp/body;
  proxy_temp_path temp/proxy;
  fastcgi_temp_path temp/fastcgi;
  uwsgi_temp_path temp/uwsgi;
  scgi_temp_path temp/scgi;

  server_names_hash_bucket_size 512;
  server_names_hash_max_size ${Math.max(1024, 4 * sites.length)};
  variables_hash_max_size 2048;

  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:helyos:10m;
  ssl_session_tickets off;

  # Bodies are passed on as they come, of any size, in both directions
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_buffering off;
  proxy_max_temp_file_size 0;
  proxy_connect_timeout 5s;
  proxy_read_timeout 1h;
  proxy_send_timeout 1h;
  proxy_redirect off;
  proxy_http_version 1.1;

  # Any other protocol would be a tunnel past this proxy
  map $http_upgrade $helyos_upgrade {
    default "";
    ~*^websocket$ websocket;
  }
  map $helyos_upgrade $helyos_connection {
    default "";
    websocket upgrade;
  }
  # A target that names its host wins over Host (RFC 9112, section 3.2.2)
  map "$host $http_host" $helyos_host {
    default $host;
    "~*^([^ ]+) \\1\\.?(:[0-9]*)?$" $http_host;
  }
  # What visitors claim about themselves is replaced
  proxy_headers_hash_max_size 2048;
  proxy_headers_hash_bucket_size 128;
  proxy_set_header Host $helyos_host;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Host $helyos_host;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header Upgrade $helyos_upgrade;
  proxy_set_header Connection $helyos_connection;
${HIDDEN.map((name) => `  proxy_set_header ${name} "";`).join("\n")}

  upstream helyos_challenges {
    server ${hostPort(challenges)};
  }

  # Which configuration is served
  server {
    listen 127.0.0.1:${facts.statusPort};
    return 200 "${facts.generation}";
  }

  # Names that nobody asked for
  server {
    listen ${hostPort(http)} default_server${bothFamilies(http)};
    server_name _;
    include challenges.conf;
    location / {
      return 404 "404 not found\\n";
    }
  }
  server {
    ${secureListen(https, facts, ` default_server${bothFamilies(https)}`)}
    server_name _;
    ssl_reject_handshake on;
    return 421 "421 misdirected request\\n";
  }

  include sites/*.conf;
}
`;
}

/** Included by every server for plain HTTP. */
export const CHALLENGES_FILE = `# Written by helyosd; changes are lost
location ^~ /.well-known/acme-challenge/ {
  proxy_pass http://helyos_challenges;
}
`;

/** The file of a site. */
export function siteText(site: PlannedSite, { http, https }: Plan, facts: Pick<NginxFacts, "http2Directive">): string {
  const { domain, certificate, upstreams } = site;
  const upstream = upstreamName(site);
  // A wildcard of nginx covers any number of labels, ours covers one
  const pattern = domain.replaceAll(".", "\\.").replace("*", "[a-z0-9_-]+");
  const name = domain.startsWith("*.") ? `~^${pattern}$` : domain;
  const answer = upstreams.length === 0
    ? `    return 503 "503 nothing answers here yet\\n";`
    : `    proxy_pass http://${upstream};`;
  const port = https.port === 443 ? "" : `:${https.port}`;
  const blocks = ["# Written by helyosd; changes are lost"];
  if (upstreams.length > 0) {
    const servers = upstreams.map((address) => `  server ${hostPort(address)};`);
    blocks.push([`upstream ${upstream} {`, ...servers, "  keepalive 32;", "}"].join("\n"));
  }
  blocks.push(`server {
  listen ${hostPort(http)};
  server_name ${name};
  include challenges.conf;
  location / {
${certificate !== undefined && site.redirectToHttps ? `    return 308 https://$host${port}$request_uri;` : answer}
  }
}`);
  if (certificate !== undefined) {
    const hsts = site.hstsSeconds === undefined
      ? ""
      : `  add_header Strict-Transport-Security "max-age=${site.hstsSeconds}" always;\n`;
    blocks.push(`server {
  ${secureListen(https, facts)}
  server_name ${name};
  ssl_certificate certs/${certificate.tag}.crt;
  ssl_certificate_key certs/${certificate.tag}.key;
  # A host is not served under another host's certificate (RFC 9110, section 7.4)
  if ($ssl_server_name !~* "^${pattern}\\.?$") {
    return 421 "421 misdirected request\\n";
  }
${hsts}  location / {
${answer}
  }
}`);
  }
  return blocks.join("\n") + "\n";
}

/** The unspecified IPv6 address takes IPv4 visitors, too, as it does with every other proxy here. */
function bothFamilies({ host }: Address): string {
  return host === "::" ? " ipv6only=off" : "";
}

function secureListen(https: Plan["https"], { http2Directive }: Pick<NginxFacts, "http2Directive">, more = ""): string {
  return http2Directive
    ? `listen ${hostPort(https)} ssl${more};\n  http2 on;`
    : `listen ${hostPort(https)} ssl http2${more};`;
}
