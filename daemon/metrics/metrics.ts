/**
 * The metrics of the wire contract (§1.4) that have something to count.
 *
 * @module
 */
import type { Meter } from "../server/handler.ts";
import { Counter, exposition, Gauge, Histogram, type Metric } from "./registry.ts";

/** What is there to be counted now. */
export interface Counts {
  readonly nodes: number;
  readonly pods: number;
  readonly deployments: number;
}

/** What the daemon measures. */
export interface Metrics {
  /** Counts requests by method, path pattern and status: patterns, not paths, so that their number is bounded. */
  readonly meter: Meter;
  /** Adds what a feature counts. */
  add(metrics: readonly Metric[]): void;
  /** The Prometheus text. */
  text(counts: Counts): string;
}

/** Starts at zero. */
export function createMetrics(): Metrics {
  const requests = new Counter("helyos_http_requests_total", "Total HTTP requests");
  const durations = new Histogram("helyos_http_request_duration_seconds", "HTTP request duration in seconds");
  let counts: Counts = { nodes: 0, pods: 0, deployments: 0 };
  const all: Metric[] = [
    requests,
    durations,
    new Gauge("helyos_nodes_total", "Current number of cluster nodes", () => counts.nodes),
    new Gauge("helyos_pods_total", "Current number of pods", () => counts.pods),
    new Gauge("helyos_deployments_total", "Current number of deployments", () => counts.deployments),
  ];
  return {
    meter(method, path) {
      const duration = durations.series({ method, path });
      const byStatus = new Map<number, { value: number }>();
      return (status, seconds) => {
        let series = byStatus.get(status);
        if (series === undefined) {
          byStatus.set(status, series = requests.series({ method, path, status: String(status) }));
        }
        series.value++;
        duration.observe(seconds);
      };
    },
    add(metrics) {
      all.push(...metrics);
    },
    text(now) {
      counts = now;
      return exposition(all);
    },
  };
}
