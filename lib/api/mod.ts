/**
 * The wire contract of Helyos: what may be asked of `helyosd`, what it answers, and a client that speaks it.
 *
 * One {@linkcode Endpoint} value drives the daemon's validation and authorisation, this client's types, the audit name
 * and the OpenAPI document.
 *
 * @example List the projects
 * ```ts
 * import { callEndpoint, listProjects } from "@helyos/api";
 * import { deepEqual } from "node:assert/strict";
 *
 * // Anything shaped like fetch will do; `PinnedClient` of `@helyos/pinning` is the one to use against a daemon.
 * const fetcher = () => Promise.resolve(Response.json([]));
 * deepEqual(await callEndpoint(fetcher, listProjects, {}), []);
 * ```
 *
 * @module
 */
export * from "./audit.ts";
export * from "./certificates.ts";
export * from "./client.ts";
export * from "./endpoint.ts";
export * from "./endpoints.ts";
export * from "./failure.ts";
export * from "./identity.ts";
export * from "./openapi.ts";
export * from "./projects.ts";
export * from "./routes.ts";
export * from "./system.ts";
export * from "./tokens.ts";
export * from "./version.ts";
export * from "./workloads.ts";
