/**
 * The proxies there are.
 *
 * @module
 */

/** Their names, as `--proxy-backend` takes them. */
export const BACKENDS = ["embedded"] as const;

/** A proxy's name. */
export type BackendName = typeof BACKENDS[number];

/** The one that serves when nobody chose. */
export const DEFAULT_BACKEND: BackendName = "embedded";
