/**
 * Workloads as they are stored: what the wire shows, below one key prefix for each kind.
 *
 * | key | value |
 * |---|---|
 * | `deployments/<project>/<name>` | `Deployment` |
 * | `pods/<project>/<deployment>/<id>` | `Pod` |
 * | `nodes/<name>` | `Node` |
 *
 * Parts of a key are percent-encoded, so that a slash always separates.
 *
 * @module
 */

/** What the keys of all deployments start with. */
export const DEPLOYMENTS = "deployments/";
/** What the keys of all pods start with. */
export const PODS = "pods/";
/** What the keys of all nodes start with. */
export const NODES = "nodes/";

/** What the keys of a project's entries below `prefix` start with. */
export function ofProject(prefix: string, project: string): string {
  return `${prefix}${encodeURIComponent(project)}/`;
}
