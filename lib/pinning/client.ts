/**
 * The client alone, for programs that count the milliseconds of their start: the pin is known, nothing is compared.
 *
 * @module
 */
export {
  type FingerprintForm,
  PinningError,
  type PinningErrorCode,
  type PinningErrorDetails,
  type WrongClock,
} from "./errors.ts";
export { PinnedClient, type PinnedClientOptions } from "./pinned_client.ts";
export type { Trust } from "./target.ts";
