/**
 * Routes as they are stored: `routes/<domain>` holds a `Route` as the wire shows it.
 *
 * @module
 */

/** What the keys of all routes start with. */
export const ROUTES = "routes/";
