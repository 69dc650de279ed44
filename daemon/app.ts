/**
 * The daemon's features, a line each.
 *
 * @module
 */
import { auditBindings } from "./audit/http.ts";
import { certificateBindings } from "./certificates/http.ts";
import type { Deps } from "./deps.ts";
import { metricsBindings } from "./metrics/http.ts";
import { projectBindings } from "./projects/http.ts";
import { proxyBindings } from "./proxy/http.ts";
import { routeBindings } from "./routes/http.ts";
import type { Binding } from "./server/bind.ts";
import { systemBindings } from "./system/http.ts";
import { tokenBindings } from "./tokens/http.ts";
import { workloadBindings } from "./workloads/http.ts";

/** Everything the API serves. */
export function appBindings(deps: Deps): Binding[] {
  return [
    ...systemBindings({ ca: () => deps.trust.ca }),
    ...metricsBindings(deps),
    ...tokenBindings({ ...deps, forget: (ids) => deps.verifier.forget(ids) }),
    ...projectBindings(deps),
    ...workloadBindings(deps),
    ...routeBindings({ ...deps, ...deps.edge.routes }),
    ...certificateBindings({ ...deps, ...deps.edge.certificates }),
    ...proxyBindings(deps.edge),
    ...auditBindings(deps),
  ];
}
