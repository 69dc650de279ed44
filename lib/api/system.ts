/**
 * What the daemon says about itself, mostly without a token.
 *
 * @module
 */
import { z } from "zod";
import type { Endpoint } from "./endpoint.ts";

/** Version of the daemon and of the API it speaks. */
export interface Version {
  /** The daemon's version, for example `0.4.0`. */
  readonly version: string;
  /** The API's version, always `v1`. */
  readonly api: string;
}

/** The control plane's own CA. */
export interface CaDocument {
  /** The CA certificate as PEM, byte-identical across restarts. */
  readonly pem: string;
  /** SHA-256 of the bytes of `pem`: lower-case hex in pairs joined by colons. */
  readonly sha256: string;
}

/** `ok` while the daemon serves. */
export const readHealth: Endpoint<Record<never, never>, string> = {
  name: "health.read",
  summary: "Whether the daemon serves: the two letters `ok`",
  method: "GET",
  path: "/health",
  allow: "public",
  status: 200,
  answer: "text",
};

/** Prometheus metrics. */
export const readMetrics: Endpoint<Record<never, never>, string> = {
  name: "metrics.read",
  summary: "Metrics in the Prometheus text format",
  method: "GET",
  path: "/metrics",
  allow: "public",
  status: 200,
  answer: "text",
};

/** Version of the daemon. */
export const readVersion: Endpoint<Record<never, never>, Version> = {
  name: "version.read",
  summary: "Version of the daemon and of the API",
  method: "GET",
  path: "/api/v1/version",
  allow: "public",
  status: 200,
  answer: "json",
  output: z.object({ version: z.string(), api: z.string() }),
};

/** The CA to pin. */
export const readCa: Endpoint<Record<never, never>, CaDocument> = {
  name: "ca.read",
  summary: "The control plane's own CA and its fingerprint, to be pinned at login",
  method: "GET",
  path: "/api/v1/ca",
  allow: "public",
  status: 200,
  answer: "json",
  output: z.object({ pem: z.string(), sha256: z.string() }),
  refusals: { 404: "TLS is off, or a supplied certificate is served" },
};

/** The OpenAPI document. */
export const readOpenApi: Endpoint<Record<never, never>, unknown> = {
  name: "openapi.read",
  summary: "This API as an OpenAPI 3.1 document",
  method: "GET",
  path: "/api/v1/openapi.json",
  allow: "public",
  status: 200,
  answer: "json",
  output: z.unknown(),
};
