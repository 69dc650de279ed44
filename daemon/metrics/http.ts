/**
 * The endpoint of metrics.
 *
 * @module
 */
import { readMetrics } from "@helyos/api";
import { bind, type Binding, Prepared } from "../server/bind.ts";
import type { Store } from "../store/store.ts";
import { DEPLOYMENTS, NODES, PODS } from "../workloads/records.ts";
import type { Metrics } from "./metrics.ts";

/** What it needs. */
export interface MetricsDeps {
  readonly store: Store;
  readonly metrics: Metrics;
}

/** Serves metrics. */
export function metricsBindings({ store, metrics }: MetricsDeps): Binding[] {
  return [
    bind(readMetrics, async () => {
      const [nodes, pods, deployments] = await Promise.all(
        [NODES, PODS, DEPLOYMENTS].map(async (prefix) => (await store.list(prefix)).length),
      );
      const text = metrics.text({ nodes: nodes!, pods: pods!, deployments: deployments! });
      return new Prepared(text, "text/plain; version=0.0.4");
    }),
  ];
}
