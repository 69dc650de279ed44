/**
 * Lists deployments, pods and nodes.
 *
 * @module
 */
import { type Deployment, listDeployments, listNodes, listPods, type Node, type Pod } from "@helyos/api";
import { bind, type Binding } from "../server/bind.ts";
import type { Store } from "../store/store.ts";
import { DEPLOYMENTS, NODES, ofProject, PODS } from "./records.ts";

/** Serves the listings of workloads. */
export function workloadBindings({ store }: { readonly store: Store }): Binding[] {
  return [
    bind(listDeployments, ({ input }) => valuesBelow<Deployment>(store, DEPLOYMENTS, input.project)),
    bind(listPods, ({ input }) => valuesBelow<Pod>(store, PODS, input.project)),
    bind(listNodes, () => valuesBelow<Node>(store, NODES)),
  ];
}

async function valuesBelow<T>(store: Store, prefix: string, project?: string): Promise<T[]> {
  const start = project === undefined ? prefix : ofProject(prefix, project);
  return (await store.list<T>(start)).map((entry) => entry.value);
}
