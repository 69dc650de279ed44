/**
 * The version all parts of Helyos share.
 *
 * @module
 */

/** Version of daemon, CLI and libraries. */
export const VERSION = "0.4.0";

/** Version of the REST API. */
export const API_VERSION = "v1";
