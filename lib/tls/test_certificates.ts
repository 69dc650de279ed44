import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, type Issuer } from "@helyos/pki";
import { TlsConfig } from "./config.ts";

/** What {@linkcode generateTestCertificates} made. */
export interface TestCertificates {
  /** For a server that demands certificates of the CA. */
  readonly server: TlsConfig;
  /** For a client of that server. */
  readonly client: TlsConfig;
  /** The CA's certificate. */
  readonly caPath: string;
}

/** Options for {@linkcode generateTestCertificates}. */
export interface TestCertificatesOptions {
  /** The time; the clock's, when left out. */
  readonly now?: Date;
  /**
   * How long they live.
   * @default {365}
   */
  readonly validityDays?: number;
}

const NAMES = { dns: ["localhost"], ip: ["127.0.0.1", "::1"] } as const;

/**
 * Makes throw-away certificates for tests: a CA, and a server and a client signed by it.
 *
 * Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` into the folder, over what is there, the keys
 * readable by their owner alone from the first byte. EC P-256, ECDSA with SHA-256, valid from five minutes ago for 365 days,
 * for `localhost`, `127.0.0.1` and `::1`. The subjects are `Haystack Test CA`, `Haystack Test Server` and
 * `Haystack Test Client`; the server's certificate is for servers only, the client's for clients only.
 *
 * The key of the CA is forgotten: nothing more can be issued by it. Not for production, where a CA must be able to renew.
 *
 * @example A server and a client in a test
 * ```ts ignore
 * import { fetchTls, generateTestCertificates, serveTls } from "@helyos/tls";
 *
 * const { server: config, client } = await generateTestCertificates("/tmp/certificates");
 * await using server = await serveTls(() => new Response("hello"), { config, port: 0 });
 * await using fetch = await fetchTls(client);
 * const response = await fetch(`https://localhost:${server.addr.port}/`);
 * ```
 * @param directory The folder; made, with its parents, if it is not there.
 * @param options Time and validity.
 * @returns Configurations for both ends.
 * @throws {RangeError} If `validityDays` is not a positive number.
 * @throws Node's error if the folder cannot be made or written.
 */
export async function generateTestCertificates(
  directory: string | URL,
  options: TestCertificatesOptions = {},
): Promise<TestCertificates> {
  const { now = new Date(), validityDays = 365 } = options;
  if (!(validityDays > 0)) throw new RangeError(`Cannot make certificates that live ${validityDays} days`);
  const folder = typeof directory === "string" ? directory : fileURLToPath(directory);
  await mkdir(folder, { recursive: true });

  const key = await generateKeyPair("ec-p256");
  const ca = await createRootCa({ commonName: "Haystack Test CA", key, lifetimeDays: validityDays, now });
  const made = { folder, issuer: { certificate: ca.pem, key }, validityDays, now };
  const caPath = join(folder, "ca.pem");
  const server = await issue("server", made);
  const client = await issue("client", made);
  await write(caPath, ca.pem, 0o644);
  // A string would be split at a colon in it.
  const caCertificatesPath = caPath.includes(":") ? [caPath] : caPath;
  const configOf = ({ certificatePath, privateKeyPath }: Leaf) =>
    new TlsConfig({ certificatePath, privateKeyPath, caCertificatesPath });
  return { server: configOf(server), client: configOf(client), caPath };
}

interface Leaf {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
}

async function issue(
  profile: "server" | "client",
  made: { readonly folder: string; readonly issuer: Issuer; readonly validityDays: number; readonly now: Date },
): Promise<Leaf> {
  const key = await generateKeyPair("ec-p256");
  const { pem } = await issueCertificate({
    issuer: made.issuer,
    profile,
    publicKey: key.publicKey,
    commonName: profile === "server" ? "Haystack Test Server" : "Haystack Test Client",
    commonNameKind: "label",
    names: NAMES,
    lifetimeSeconds: Math.round(made.validityDays * 86_400),
    now: made.now,
  });
  const leaf = {
    certificatePath: join(made.folder, `${profile}.pem`),
    privateKeyPath: join(made.folder, `${profile}.key`),
  };
  await write(leaf.privateKeyPath, await exportPrivateKey(key), 0o600);
  await write(leaf.certificatePath, pem, 0o644);
  return leaf;
}

/** A new file in place of an old one: an old one's mode would stay, and a reader never sees half of it. */
async function write(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await using file = await open(temporary, "wx", mode);
    await file.writeFile(text);
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
