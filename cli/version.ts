/**
 * The version, without loading the rest of the wire contract.
 *
 * @module
 */
export { VERSION } from "@helyos/api/version";
