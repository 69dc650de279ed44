/**
 * How long the proxy waits, and how much it takes.
 *
 * @module
 */

/** Every bound of the proxy. Times in milliseconds. */
export interface Limits {
  /** For a TLS handshake. */
  readonly handshakeMs: number;
  /** From a request's first byte to the end of its head. */
  readonly headMs: number;
  /** Between two requests of a connection. */
  readonly keepAliveMs: number;
  /** Without a byte of a request's body, and without the visitor taking a byte of the response. */
  readonly bodyMs: number;
  /** For an upstream to accept a connection. */
  readonly connectMs: number;
  /** From the end of the request to the upstream's response head. */
  readonly responseMs: number;
  /** Without a byte of a response's body: silence of server-sent events. */
  readonly silenceMs: number;
  /** Without a byte either way in a WebSocket. */
  readonly tunnelMs: number;
  /** How long an upstream's idle connection is kept when the upstream does not say: Node.js closes its own after five seconds. */
  readonly idleUpstreamMs: number;
  /** How long a connection is read on after a response that came before the request's end, so that the response arrives. */
  readonly lingerMs: number;
  /** How long open requests may take when the proxy stops. */
  readonly graceMs: number;
  /** The first pause before an upstream that failed is asked again; doubled each time. */
  readonly ejectMs: number;
  /** The longest such pause. */
  readonly ejectMaxMs: number;
  /** The first pause before a port is bound again; doubled each time. */
  readonly bindRetryMs: number;
  /** The longest such pause. */
  readonly bindRetryMaxMs: number;
  /** Of a message's head. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly maxTargetBytes: number;
  /** Of a request's body; `Infinity` for no bound. */
  readonly maxBodyBytes: number;
  /** Of visitors at once; more are turned away. */
  readonly maxConnections: number;
  /** Of connections kept for one upstream. */
  readonly maxIdleUpstream: number;
  /** How often a request may have passed a Helyos before: an upstream that leads back here is a loop. */
  readonly maxHops: number;
}

/** What is used unless told otherwise. */
export const DEFAULT_LIMITS: Limits = {
  handshakeMs: 10_000,
  headMs: 15_000,
  keepAliveMs: 60_000,
  bodyMs: 60_000,
  connectMs: 5_000,
  responseMs: 60_000,
  silenceMs: 600_000,
  tunnelMs: 3_600_000,
  idleUpstreamMs: 4_000,
  lingerMs: 2_000,
  graceMs: 5_000,
  ejectMs: 1_000,
  ejectMaxMs: 30_000,
  bindRetryMs: 500,
  bindRetryMaxMs: 30_000,
  maxHeadBytes: 32_768,
  maxFields: 128,
  maxTargetBytes: 16_384,
  maxBodyBytes: Infinity,
  maxConnections: 10_000,
  maxIdleUpstream: 128,
  maxHops: 8,
};
