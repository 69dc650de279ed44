/**
 * What the daemon and the proxy's threads tell each other.
 *
 * @module
 */
import type { Address, ServedCertificate, Site } from "../backend.ts";
import type { Limits } from "./limits.ts";

/** What became different since the last change. */
export interface Change {
  readonly putSites: readonly Site[];
  readonly dropDomains: readonly string[];
  readonly putCertificates: readonly ServedCertificate[];
  readonly dropCertificates: readonly string[];
  readonly httpListen: Address;
  readonly httpsListen: Address;
  readonly challenges: Address;
  readonly sharing: Sharing;
}

/**
 * Whether other threads listen at the same addresses. With `first` nobody does yet, which is made sure of: sharing would let two
 * daemons bind one port without an error, and each take half the visitors.
 */
export type Sharing = "none" | "first" | "others";

/** One of the proxy's ports. */
export interface PortStatus {
  /** Where it is bound; absent while it is not. */
  readonly bound?: Address;
  /** Why it is not. */
  readonly failure?: string;
}

/** Both ports. */
export interface PortsStatus {
  readonly http: PortStatus;
  readonly https: PortStatus;
}

/** To a thread. */
export type Order =
  | { readonly kind: "start"; readonly limits: Limits }
  | { readonly kind: "change"; readonly id: number; readonly change: Change }
  | { readonly kind: "stop" };

/** From a thread. */
export type Report =
  | {
    readonly kind: "changed";
    readonly id: number;
    readonly failed: readonly FailedSite[];
    readonly ports: PortsStatus;
  }
  | { readonly kind: "ports"; readonly ports: PortsStatus }
  | { readonly kind: "stopped" }
  /** Something went wrong that nobody expected: the thread is not to be trusted any more. */
  | { readonly kind: "crashed"; readonly reason: string };

/** A site that cannot be served. */
export interface FailedSite {
  readonly domain: string;
  readonly reason: string;
}
