/**
 * Certificates, keys, requests and revocation lists for an internal certificate authority.
 *
 * Nothing here is fetched, stored or logged: bytes and text go in, bytes and text come out.
 *
 * @module
 */

// Writing: keys, requests, certificates, revocation lists.
export * from "./errors.ts";

// Reading: parse, verify, inspect, lint.
