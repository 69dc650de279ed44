import { equal, rejects } from "node:assert/strict";
import {
  createCrl,
  createRequest,
  createRootCa,
  exportPkcs12,
  generateKeyPair,
  issueCertificate,
  type KeyPair,
  parseRequest,
  verifyChain,
  verifyRequest,
} from "@helyos/pki";

const own = await generateKeyPair();
const other = await generateKeyPair();
const ca = await createRootCa({ commonName: "Example CA", key: own });

const foreignHash = await crypto.subtle.generateKey(
  { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  true,
  ["sign", "verify"],
) as CryptoKeyPair;

/** Pairs that are none: what they sign, nobody verifies. */
const UNSOUND: Readonly<Record<string, KeyPair>> = {
  "a private key of another": { ...own, privateKey: other.privateKey },
  "a public key of another": { ...own, publicKey: other.publicKey },
  "another algorithm": { ...own, algorithm: "ec-p384" },
  "another size": { ...foreignHash, algorithm: "rsa-3072" },
  "another hash": { ...foreignHash, algorithm: "rsa-2048" },
};

for (const [what, key] of Object.entries(UNSOUND)) {
  Deno.test(`Nothing is signed with a pair of ${what}`, async () => {
    const mismatch = { name: "PkiError", code: "key_mismatch" };
    const issuer = { certificate: ca.pem, key };
    const nextUpdate = new Date(Date.now() + 86_400_000);
    await rejects(() => createRootCa({ commonName: "Example CA", key }), mismatch);
    await rejects(() => createRequest({ key, commonName: "db.internal" }), mismatch);
    await rejects(() => createCrl({ issuer, number: 1, revoked: [], nextUpdate }), mismatch);
    const leaf = { issuer, profile: "client", publicKey: other.publicKey, commonName: "x" } as const;
    await rejects(() => issueCertificate(leaf), mismatch);
    await rejects(() => exportPkcs12({ key, certificate: ca.pem, passphrase: "secret" }), mismatch);
  });
}

Deno.test("createRootCa() and createRequest() take a pair of Web Crypto, also one that is locked in", async () => {
  const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign", "verify"]);
  const key: KeyPair = { algorithm: "ec-p384", ...made as CryptoKeyPair };
  const { pem } = await createRootCa({ commonName: "Example CA", key });
  equal((await verifyChain(pem, [], [pem], { at: new Date(), purpose: "any" })).ok, true);
  equal(await verifyRequest(parseRequest((await createRequest({ key, commonName: "x" })).pem)), true);
});
