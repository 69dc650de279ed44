/**
 * Certificates read and verified, without loading what issues them: for programs that start often, such as a command line.
 *
 * @example A chain that leads to a root
 * ```ts
 * import { createRootCa, generateKeyPair } from "@helyos/pki";
 * import { parseCertificate, verifyChain } from "@helyos/pki/verify";
 * import { equal } from "node:assert/strict";
 *
 * const { der } = await createRootCa({ commonName: "Example CA", key: await generateKeyPair() });
 *
 * equal(parseCertificate(der).isCa, true);
 * equal((await verifyChain(der, [], [der])).ok, true);
 * ```
 *
 * @module
 */
export type * from "../mod.ts";
export { parseCertificate, parseCertificates } from "../certificate.ts";
export { PkiError } from "../errors.ts";
export { matchesName } from "../matching.ts";
export { verifyChain } from "./verify_chain.ts";
