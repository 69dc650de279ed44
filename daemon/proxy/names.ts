/**
 * The proxies there are.
 *
 * @module
 */

/** Their names, as `--proxy-backend` takes them. */
export const BACKENDS = ["traefik", "caddy", "nginx", "embedded"] as const;

/** A proxy's name. */
export type BackendName = typeof BACKENDS[number];

/** The one that serves when nobody chose and its program is there; else the embedded one does. */
export const DEFAULT_BACKEND: BackendName = "traefik";
