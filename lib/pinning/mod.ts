/**
 * Pinning: a client that believes one CA and nobody else, and how it gets to know that CA.
 *
 * - {@linkcode fetchCa} asks a server for its CA, the one request that is not verified;
 * - {@linkcode parseFingerprint} and {@linkcode matchFingerprint} compare it with what a person was told;
 * - {@linkcode PinnedClient} and {@linkcode pinnedFetch} speak to the server from then on;
 * - {@linkcode followRollover} moves the pin when the server gets a new CA.
 *
 * Works with `--allow-net` alone.
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
export {
  type Fingerprint,
  fingerprintForms,
  fingerprintOfCertificate,
  fingerprintOfPem,
  fingerprintOfPublicKey,
  matchFingerprint,
  parseFingerprint,
  type PemText,
} from "./fingerprint.ts";
export { fetchCa, type FetchCaOptions, type FetchedCa } from "./fetch_ca.ts";
export { PinnedClient, type PinnedClientOptions } from "./pinned_client.ts";
export { type PinnedFetch, pinnedFetch } from "./pinned_fetch.ts";
export { followRollover, type NewPin, type Rollover, type RolloverOptions } from "./rollover.ts";
export type { Trust } from "./target.ts";
