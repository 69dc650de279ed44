/**
 * Every endpoint of the REST API, in the order the documentation lists them.
 *
 * @module
 */
import { listAudit } from "./audit.ts";
import {
  deleteCertificate,
  diagnoseCertificate,
  importCertificate,
  listCertificates,
  readCertificate,
  renewCertificate,
} from "./certificates.ts";
import type { Endpoint } from "./endpoint.ts";
import { createProject, deleteProject, listProjects, resumeProject, suspendProject } from "./projects.ts";
import { createRoute, deleteRoute, listRoutes, readProxyConfig, updateProxyConfig } from "./routes.ts";
import { readCa, readHealth, readMetrics, readOpenApi, readVersion } from "./system.ts";
import { createToken, listTokens, revokeToken, rotateToken, whoami } from "./tokens.ts";
import { listDeployments, listNodes, listPods } from "./workloads.ts";

/** Any operation, whatever it takes and answers. */
// deno-lint-ignore no-explicit-any -- a list whose members differ in exactly that
export type AnyEndpoint = Endpoint<any, any>;

/** Every endpoint. */
export const ENDPOINTS: readonly AnyEndpoint[] = [
  readHealth,
  readMetrics,
  readVersion,
  readCa,
  readOpenApi,
  whoami,
  listTokens,
  createToken,
  revokeToken,
  rotateToken,
  listProjects,
  createProject,
  suspendProject,
  resumeProject,
  deleteProject,
  listDeployments,
  listPods,
  listNodes,
  listRoutes,
  createRoute,
  deleteRoute,
  importCertificate,
  listCertificates,
  readCertificate,
  renewCertificate,
  deleteCertificate,
  diagnoseCertificate,
  readProxyConfig,
  updateProxyConfig,
  listAudit,
];
