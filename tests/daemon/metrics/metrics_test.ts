import { equal, match } from "node:assert/strict";
import { createMetrics } from "../../../daemon/metrics/metrics.ts";
import { Counter, exposition } from "../../../daemon/metrics/registry.ts";

const NOTHING = { nodes: 0, pods: 0, deployments: 0 };

Deno.test("createMetrics() shows gauges from the start and series after their first observation", () => {
  const metrics = createMetrics();
  metrics.meter("GET", "/health");
  const text = metrics.text({ ...NOTHING, pods: 3 });
  match(text, /^# HELP helyos_http_requests_total Total HTTP requests\n# TYPE helyos_http_requests_total counter\n#/);
  match(text, /\nhelyos_pods_total 3\n/);
  match(text, /\nhelyos_nodes_total 0\n/);
  equal(text.includes("/health"), false);
});

Deno.test("createMetrics() counts by method, pattern and status, and times into cumulative buckets", () => {
  const metrics = createMetrics();
  const count = metrics.meter("GET", "/api/v1/tokens/{name}");
  count(200, 0.001);
  count(200, 0.3);
  count(404, 60);
  const text = metrics.text(NOTHING);
  const labels = 'method="GET",path="/api/v1/tokens/{name}"';
  for (
    const line of [
      `helyos_http_requests_total{${labels},status="200"} 2`,
      `helyos_http_requests_total{${labels},status="404"} 1`,
      `helyos_http_request_duration_seconds_bucket{${labels},le="0.005"} 1`,
      `helyos_http_request_duration_seconds_bucket{${labels},le="0.25"} 1`,
      `helyos_http_request_duration_seconds_bucket{${labels},le="0.5"} 2`,
      `helyos_http_request_duration_seconds_bucket{${labels},le="10"} 2`,
      `helyos_http_request_duration_seconds_bucket{${labels},le="+Inf"} 3`,
      `helyos_http_request_duration_seconds_count{${labels}} 3`,
    ]
  ) equal(text.split("\n").includes(line), true, line);
});

Deno.test("exposition() escapes label values", () => {
  const counter = new Counter("c", "help");
  counter.add({ name: 'a"b\\c\nd' });
  equal(exposition([counter]).split("\n")[2], 'c{name="a\\"b\\\\c\\nd"} 1');
});
