/**
 * `node:crypto`, loaded when it is first used: importing it would cost every program 15 ms at start, also those that
 * only want to read a certificate.
 *
 * @module
 */
declare const process: { getBuiltinModule(id: "node:crypto"): typeof import("node:crypto") };

let loaded: typeof import("node:crypto") | undefined;

/** @internal The module. */
export function nodeCrypto(): typeof import("node:crypto") {
  return loaded ??= process.getBuiltinModule("node:crypto");
}
