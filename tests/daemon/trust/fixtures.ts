/**
 * Certificates and surroundings for the tests of the control plane's trust.
 *
 * @module
 */
import {
  createRootCa,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  type Issuer,
  type SubjectNames,
} from "@helyos/pki";
import { openSealer } from "../../../daemon/secrets/mod.ts";
import type { Sealer } from "../../../daemon/secrets/mod.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { Store } from "../../../daemon/store/store.ts";

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A CA of the test's own. */
export async function newCa(commonName = "test CA", now?: Date): Promise<Issuer & { readonly cert: string }> {
  const key = await generateKeyPair();
  const { pem } = await createRootCa({ commonName, key, pathLength: 1, ...(now && { now }) });
  return { certificate: pem, cert: pem, key };
}

/** A server certificate under a CA. */
export async function newLeaf(
  issuer: Issuer,
  options: { names?: SubjectNames; lifetimeSeconds?: number; now?: Date } = {},
): Promise<Pair> {
  const key = await generateKeyPair();
  const { pem } = await issueCertificate({
    issuer,
    profile: "server",
    publicKey: key.publicKey,
    commonName: "leaf",
    names: { dns: ["localhost"] },
    lifetimeSeconds: 86_400,
    ...options,
  });
  return { cert: pem, key: await exportPrivateKey(key) };
}

/** What is needed to open trust in a folder of its own. */
export interface World extends AsyncDisposable {
  readonly dataDir: string;
  readonly store: Store;
  readonly sealer: Sealer;
  readonly log: { info(line: string): void; warn(line: string): void; error(line: string): void };
  /** What was logged, `level message`. */
  readonly lines: string[];
  readonly now: () => Date;
  /** Moves the clock. */
  advance(ms: number): void;
}

/** An empty data directory with a clock at the present. */
export async function newWorld(): Promise<World> {
  const dataDir = await Deno.makeTempDir();
  const store = await openSqliteStore(":memory:");
  const lines: string[] = [];
  let offset = 0;
  return {
    dataDir,
    store,
    sealer: await openSealer(dataDir),
    lines,
    log: {
      info: (line) => lines.push(`info ${line}`),
      warn: (line) => lines.push(`warn ${line}`),
      error: (line) => lines.push(`error ${line}`),
    },
    now: () => new Date(Date.now() + offset),
    advance: (ms) => offset += ms,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

/** One day in milliseconds. */
export const DAY = 86_400_000;
