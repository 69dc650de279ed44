/**
 * How a daemon fares, from several answers at once.
 *
 * @module
 */
import type { Deployment, Endpoint, Identity, Pod } from "@helyos/api";
import type { Connection, TlsLabel } from "./connect.ts";
import { CliError } from "./failure.ts";

const DAY_MS = 86_400_000;

/** What `helyos status` shows. */
export interface ClusterStatus {
  /** `single-node`, or how many nodes there are. */
  readonly cluster: string;
  /** How many nodes are registered. */
  readonly nodes: number;
  /** How many projects there are. */
  readonly projects: number;
  readonly deployments: { readonly running: number; readonly stopped: number; readonly total: number };
  readonly pods: { readonly restarting: number; readonly running: number; readonly total: number };
  /** The daemon's address. */
  readonly server: string;
  /** How it is trusted. */
  readonly tls: TlsLabel;
  /** The daemon's version; null when it does not say. */
  readonly version: string | null;
  /** Until when its certificate is valid; null without TLS. */
  readonly certificate: { readonly days_left: number; readonly not_after: string } | null;
  /** Whose token this is; null when the daemon does not say. */
  readonly identity: Identity | null;
}

/**
 * Asks a daemon how it fares.
 *
 * @param connection The daemon.
 * @param now The present.
 * @returns Its status. What only newer or clustered daemons answer may be missing.
 * @throws {CliError} If it cannot be reached, is not verified, or refuses.
 */
export async function readStatus(connection: Connection, now: Date): Promise<ClusterStatus> {
  const api = await import("@helyos/api");
  // The first request opens the connection the others then share, and fails alone when there is none.
  const projects = await connection.call(api.listProjects, {});
  const [deployments, pods, nodes, version, identity] = await Promise.all([
    connection.call(api.listDeployments, {}),
    connection.call(api.listPods, {}),
    optional(connection, api.listNodes),
    optional(connection, api.readVersion),
    optional(connection, api.whoami),
  ]);
  const count = nodes?.length ?? 0;
  const certificate = await serverCertificate(connection);
  return {
    cluster: count <= 1 ? "single-node" : `multi-node (${count} nodes)`,
    nodes: count,
    projects: projects.length,
    deployments: {
      running: withStatus(deployments, "running"),
      stopped: withStatus(deployments, "stopped"),
      total: deployments.length,
    },
    pods: { restarting: withStatus(pods, "restarting"), running: withStatus(pods, "running"), total: pods.length },
    server: connection.server,
    tls: connection.tls,
    version: version?.version ?? null,
    certificate: certificate === undefined ? null : {
      days_left: Math.floor((certificate.notAfter.getTime() - now.getTime()) / DAY_MS),
      not_after: certificate.notAfter.toISOString(),
    },
    identity: identity ?? null,
  };
}

/** The certificate the server showed on the verified connection that carried the answers. */
async function serverCertificate(connection: Connection): Promise<{ readonly notAfter: Date } | undefined> {
  const [presented] = await connection.presented();
  if (presented === undefined) return undefined;
  const { parseCertificate, PkiError } = await import("@helyos/pki/verify");
  try {
    return parseCertificate(presented);
  } catch (error) {
    // Only a server that is not verified can have shown something unreadable and still have answered.
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}

function withStatus<T extends Deployment | Pod>(things: readonly T[], status: T["status"]): number {
  return things.filter((thing) => thing.status === status).length;
}

async function optional<Output>(
  connection: Connection,
  endpoint: Endpoint<Record<never, never>, Output>,
): Promise<Output | undefined> {
  try {
    return await connection.call(endpoint, {});
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
}
