/**
 * What the features need, made once by `main.ts`.
 *
 * @module
 */
import type { Edge } from "./edge.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Store } from "./store/store.ts";
import type { Hasher } from "./tokens/hasher.ts";
import type { TokenVerifier } from "./tokens/verifier.ts";
import type { TrustState } from "./trust/trust.ts";

/** Everything. A feature declares the part it uses. */
export interface Deps {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly verifier: TokenVerifier;
  readonly trust: TrustState;
  readonly metrics: Metrics;
  readonly edge: Edge;
  readonly now: () => Date;
}
