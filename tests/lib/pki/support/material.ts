/**
 * Certificates of every kind we make, for others to judge.
 *
 * @module
 */
import {
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  type IssuedCertificate,
  type KeyAlgorithm,
  type KeyPair,
  type PermittedNames,
  type ProfileName,
} from "@helyos/pki";

/** The kinds of keys that are judged; RSA's larger sizes are written by the same code as the smallest. */
export const ALGORITHMS: readonly KeyAlgorithm[] = ["ec-p256", "ec-p384", "ed25519", "rsa-2048"];

/** The kinds of leaves. */
export const LEAVES: readonly ProfileName[] = ["server", "client", "peer"];

const pairs = new Map<string, Promise<KeyPair>>();

/** A key for a role: made once, since RSA takes its time. */
export function keyFor(role: string, algorithm: KeyAlgorithm): Promise<KeyPair> {
  const name = `${role} ${algorithm}`;
  const pair = pairs.get(name) ?? generateKeyPair(algorithm);
  pairs.set(name, pair);
  return pair;
}

/** A CA and the one that works for it. */
export interface Authority {
  /** The root. */
  readonly root: IssuedCertificate;
  /** The root's key. */
  readonly rootKey: KeyPair;
  /** The CA below it. */
  readonly intermediate: IssuedCertificate;
  /** The key of the CA below it. */
  readonly intermediateKey: KeyPair;
}

/** Makes a root of one kind of key and a CA of the same kind below it. */
export async function authority(algorithm: KeyAlgorithm, permit?: PermittedNames): Promise<Authority> {
  const rootKey = await keyFor("root", algorithm);
  const intermediateKey = await keyFor("intermediate", algorithm);
  const limits = permit === undefined ? {} : { permit };
  const root = await createRootCa({ commonName: "Helyos Service CA", key: rootKey, pathLength: 1, ...limits });
  const intermediate = await issueCertificate({
    issuer: { certificate: root.pem, key: rootKey },
    profile: "intermediate",
    publicKey: intermediateKey.publicKey,
    commonName: "Helyos Issuing CA",
    ...limits,
  });
  return { root, rootKey, intermediate, intermediateKey };
}

/** A certificate, what leads to its root, and its key. */
export interface Identity {
  /** The certificate, PEM. */
  readonly certificate: string;
  /** The certificate and the CA above it, PEM. */
  readonly chain: string;
  /** The key, PEM. */
  readonly key: string;
}

/** Issues a leaf of a CA below the root. */
export async function identity(
  ca: Authority,
  profile: ProfileName,
  options: { readonly algorithm?: KeyAlgorithm; readonly commonName?: string } = {},
): Promise<Identity> {
  const { algorithm = "ec-p256", commonName = "db.internal" } = options;
  const pair = await keyFor("leaf", algorithm);
  const { pem } = await issueCertificate({
    issuer: { certificate: ca.intermediate.pem, key: ca.intermediateKey },
    profile,
    publicKey: pair.publicKey,
    commonName,
    names: {
      dns: [commonName, "localhost", "bücher.internal"],
      ip: ["127.0.0.1", "::1"],
      uri: ["spiffe://cluster.internal/db"],
      email: ["ops@db.internal"],
    },
  });
  return { certificate: pem, chain: pem + ca.intermediate.pem, key: await exportPrivateKey(pair) };
}
