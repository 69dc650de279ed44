import { deepEqual } from "node:assert/strict";
import { type AlgorithmIdentifier, algorithmOf, publicKeyOf } from "../../../lib/pki/certificate.ts";
import { DerReader } from "../../../lib/pki/der.ts";
import { verifySignature } from "../../../lib/pki/verify/signature.ts";
import { hex, readVectors } from "../../support/vectors.ts";

interface Group {
  type: string;
  sha: string;
  sLen?: number;
  publicKeyDer: string;
  tests: { tcId: number; msg: string; sig: string; result: "valid" | "invalid" | "acceptable" }[];
}

const FILES = [
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp384r1_sha384",
  "ed25519",
  "rsa_signature_2048_sha256",
  "rsa_signature_3072_sha256",
  "rsa_signature_4096_sha384",
  "rsa_signature_4096_sha512",
  "rsa_pss_2048_sha256_mgf1_32",
  "rsa_pss_3072_sha256_mgf1_32",
  "rsa_pss_4096_sha384_mgf1_48",
  "rsa_pss_4096_sha512_mgf1_64",
];

const ECDSA: Record<string, string> = { "SHA-256": "02", "SHA-384": "03", "SHA-512": "04" };
const RSA: Record<string, string> = { "SHA-256": "0b", "SHA-384": "0c", "SHA-512": "0d" };
const HASH: Record<string, string> = { "SHA-256": "01", "SHA-384": "02", "SHA-512": "03" };

/** The AlgorithmIdentifier a certificate signed this way would carry. */
function algorithm(group: Group): AlgorithmIdentifier {
  return algorithmOf(new DerReader(hex(spelled(group))), "signature");
}

function spelled({ type, sha, sLen = 0 }: Group): string {
  if (type === "EddsaVerify") return "300506032b6570";
  if (type === "EcdsaVerify") return `300a06082a8648ce3d0403${ECDSA[sha]}`;
  if (type === "RsassaPkcs1Verify") return `300d06092a864886f70d0101${RSA[sha]}0500`;
  const hash = `300d06096086480165030402${HASH[sha]}0500`;
  const salt = `a2030201${sLen.toString(16).padStart(2, "0")}`;
  return `304106092a864886f70d01010a3034a00f${hash}a11c301a06092a864886f70d010108${hash}${salt}`;
}

for (const file of FILES) {
  const vectors = readVectors(`wycheproof/${file}.json`);
  Deno.test({
    name: `verifySignature() gives every verdict of Wycheproof ${file}`,
    ignore: vectors === undefined,
    async fn() {
      const wrong: number[] = [];
      let seen = 0;
      for (const group of vectors.testGroups as Group[]) {
        const key = publicKeyOf(new DerReader(hex(group.publicKeyDer)));
        for (const { tcId, msg, sig, result } of group.tests) {
          const signature = { bytes: hex(sig), unusedBits: 0 };
          const verdict = await verifySignature(key, { data: hex(msg), algorithm: algorithm(group), signature });
          if (result !== "acceptable" && (verdict === "good") !== (result === "valid")) wrong.push(tcId);
          seen++;
        }
      }
      deepEqual({ wrong, seen }, { wrong: [], seen: vectors.numberOfTests });
    },
  });
}
