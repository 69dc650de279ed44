/**
 * Public routes and the proxy that serves them, on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ADMIN_ONLY, ANY_SCOPE, DEPLOY_SCOPES, type Endpoint } from "./endpoint.ts";
import { nameSchema } from "./name.ts";
import type { ProjectFilter } from "./workloads.ts";

/** Where a route's certificate comes from: it has none, ACME, or an import. */
export type TlsMode = "none" | "auto" | "manual";

/** A public domain, what answers on it, and how it fares. */
export interface Route {
  /** The domain. */
  readonly domain: string;
  /** The deployment's project. */
  readonly project: string;
  /** The deployment. */
  readonly deployment: string;
  /** Where its certificate comes from. */
  readonly tls_mode: TlsMode;
  /** When it was added, RFC 3339. */
  readonly created_at: string;
  /** What answers, as `host:port`; empty while the deployment has nothing that runs: visitors get 503. */
  readonly upstreams: readonly string[];
  /** `served` by the proxy, `pending`, `no_upstream`, or `failed`. */
  readonly status: "served" | "pending" | "no_upstream" | "failed";
  /** Why it is not served; null when it is. */
  readonly reason: string | null;
}

/** A route to be. */
export interface NewRoute {
  /** A host name, or a wildcard such as `*.example.com`, in any script and letter case. */
  readonly domain: string;
  /** The deployment's project. */
  readonly project: string;
  /** The deployment. */
  readonly deployment: string;
  /**
   * `none`, `auto` or `manual`, in any letter case.
   * @default {"none"}
   */
  readonly tls_mode?: string | null | undefined;
  /** What answers, as `host:port`, when Helyos does not run it. */
  readonly upstreams?: readonly string[] | null | undefined;
}

/** What a route's creation answers. */
export interface RouteCreated {
  /** The domain, as stored. */
  readonly domain: string;
  /** Always `created`. */
  readonly status: string;
  /** Where its certificate really comes from: an import for the domain is served whatever was asked for; absent from older daemons. */
  readonly tls_mode?: TlsMode | undefined;
}

/** The proxy in front of the routes. */
export interface ProxyConfig {
  /** Which one serves: `traefik`, `caddy`, `nginx` or `embedded`. */
  readonly backend: string;
  /** Contact address of the ACME account; null while automatic certificates are off. */
  readonly acme_email: string | null;
  /** How the proxy fares, for people; absent from older daemons. */
  readonly state?: string | undefined;
}

/** What to change of the proxy. */
export interface ProxyConfigChange {
  /** Switch to this one; routes stay. */
  readonly backend?: "traefik" | "caddy" | "nginx" | "embedded" | null | undefined;
  /** Contact address of the ACME account. */
  readonly acme_email?: string | null | undefined;
}

const text = z.string();

const routeSchema: z.ZodType<Route> = z.object({
  domain: text,
  project: text,
  deployment: text,
  tls_mode: z.enum(["none", "auto", "manual"]),
  created_at: text,
  upstreams: z.array(text).default([]),
  status: z.enum(["served", "pending", "no_upstream", "failed"]).default("pending"),
  reason: text.nullable().default(null),
});

const proxySchema: z.ZodType<ProxyConfig> = z.object({
  backend: text,
  acme_email: text.nullable(),
  state: text.optional(),
});

/** Every route. */
export const listRoutes: Endpoint<ProjectFilter, Route[]> = {
  name: "route.list",
  summary: "Routes by domain, of one project or all",
  method: "GET",
  path: "/api/v1/routes",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  input: z.object({ project: text.optional() }),
  output: z.array(routeSchema),
};

/** Adds a route. */
export const createRoute: Endpoint<NewRoute, RouteCreated> = {
  name: "route.create",
  summary: "Serve a domain",
  method: "POST",
  path: "/api/v1/routes",
  allow: DEPLOY_SCOPES,
  status: 201,
  answer: "json",
  input: z.object({
    domain: text,
    project: nameSchema("project"),
    deployment: nameSchema("deployment"),
    tls_mode: text.nullish(),
    upstreams: z.array(text).max(64).nullish(),
  }),
  output: z.object({ domain: text, status: text, tls_mode: z.enum(["none", "auto", "manual"]).optional() }),
  refusals: {
    409: "the domain has a route, or the TLS mode cannot be served",
    422: "the domain or an upstream is malformed",
  },
};

/** Removes a route. */
export const deleteRoute: Endpoint<{ readonly domain: string }, void> = {
  name: "route.delete",
  summary: "Stop serving a domain",
  method: "DELETE",
  path: "/api/v1/routes/{domain}",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "empty",
  input: z.object({ domain: text }),
  refusals: { 404: "no route has this domain" },
};

/** Which proxy serves. */
export const readProxyConfig: Endpoint<Record<never, never>, ProxyConfig> = {
  name: "proxy.read",
  summary: "Which proxy serves the routes, and how it fares",
  method: "GET",
  path: "/api/v1/cluster/config/proxy",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  output: proxySchema,
};

/** Switches the proxy. */
export const updateProxyConfig: Endpoint<ProxyConfigChange, ProxyConfig & { readonly status: string }> = {
  name: "proxy.update",
  summary: "Switch the proxy or the ACME contact; routes stay",
  method: "POST",
  path: "/api/v1/cluster/config/proxy",
  allow: ADMIN_ONLY,
  status: 200,
  answer: "json",
  input: z.object({
    backend: z.enum(["traefik", "caddy", "nginx", "embedded"]).nullish(),
    acme_email: text.nullish(),
  }),
  output: z.object({ backend: text, acme_email: text.nullable(), state: text.optional(), status: text }),
  refusals: {
    409: "the command line of helyosd fixes it, or this proxy is not available there",
    422: "the contact is no e-mail address",
  },
};
