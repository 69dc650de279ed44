/**
 * Secrets at rest: the master key and what is sealed under it.
 *
 * @module
 */
export { checkMasterKey, openSealer } from "./master_key.ts";
export { openSealerWith } from "./seal.ts";
export { type Sealer, SecretError, type SecretErrorCode } from "./sealer.ts";
