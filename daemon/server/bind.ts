/**
 * Joins an endpoint of the wire contract to the function that serves it.
 *
 * @module
 */
import type { Endpoint, Scope } from "@helyos/api";

/** Who calls. */
export interface Caller {
  /** The token's name. */
  readonly name: string;
  /** What it may do. */
  readonly scope: Scope;
  /** The token's id; null for what has no record. */
  readonly tokenId: string | null;
}

/** One call of an endpoint, judged and allowed. */
export interface Call<Input> {
  /** What the caller gave, as the endpoint's schema returned it. */
  readonly input: Input;
  /** Who calls; null on a public endpoint. */
  readonly caller: Caller | null;
  /** The address it came from. */
  readonly address: string;
}

/** An endpoint and what serves it. */
export interface Binding {
  // deno-lint-ignore no-explicit-any -- a list whose members differ in exactly that; bind() checks each pair
  readonly endpoint: Endpoint<any, any>;
  // deno-lint-ignore no-explicit-any -- as above
  readonly handle: (call: Call<any>) => unknown;
}

/** A JSON answer that was serialised before, or a text with a media type of its own. */
export class Prepared {
  /**
   * @param body The bytes to send.
   * @param contentType The media type, when it is not the endpoint's usual one.
   */
  constructor(readonly body: string, readonly contentType?: string) {}
}

/**
 * Serves an endpoint.
 *
 * @param endpoint Which operation.
 * @param handle What to do; throws {@linkcode Failure} to refuse. `Prepared` stands for an answer already serialised.
 */
export function bind<Input, Output>(
  endpoint: Endpoint<Input, Output>,
  handle: (call: Call<Input>) => Output | Prepared | Promise<Output | Prepared>,
): Binding {
  return { endpoint, handle };
}
