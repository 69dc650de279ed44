/**
 * Routes as they are stored: `routes/<domain>` holds a {@linkcode StoredRoute}.
 *
 * @module
 */
import type { Route, TlsMode } from "@helyos/api";
import type { Operation } from "../store/store.ts";

/** A route as it is stored: what its owner said, not how it fares. */
export interface StoredRoute {
  /** Lower-case ASCII. */
  readonly domain: string;
  readonly project: string;
  readonly deployment: string;
  readonly tls_mode: TlsMode;
  /** RFC 3339. */
  readonly created_at: string;
  /** What answers, as `host:port`, when Helyos does not run it. */
  readonly upstreams?: readonly string[];
}

/** How a route fares: what the proxy knows of it. */
export interface RouteFare {
  readonly status: Route["status"];
  readonly reason: string | null;
}

/** What the keys of all routes start with. */
export const ROUTES = "routes/";

/** Key of a route. */
export function routeKey(domain: string): string {
  return `${ROUTES}${domain}`;
}

/** The operation that stores a route. */
export function storeRoute(route: StoredRoute): Operation {
  return { put: routeKey(route.domain), value: route };
}
