/**
 * The files of the control plane's own CA in the data directory.
 *
 * | file | mode | what |
 * |---|---|---|
 * | `http-ca.pem` | 0644 | the CA's certificate, which clients pin |
 * | `http-server.pem` | 0644 | the server's certificate |
 * | `http-server-key.pem` | 0600 | its key |
 * | `http-ca-key.sealed` | 0600 | the CA's key and certificate, sealed under `master.key` |
 *
 * Each is replaced in one step, and what belongs together can be told apart after a crash between two of them: the sealed
 * file holds the CA's certificate beside its key, and a server key without its certificate is simply made anew.
 *
 * @module
 */
import { type Sealer, SecretError } from "../secrets/sealer.ts";
import { readFileIfAny, writeFileAtomic } from "../store/private_files.ts";
import { TrustError } from "./errors.ts";

/** Names in the data directory. */
export const FILES = {
  ca: "http-ca.pem",
  cert: "http-server.pem",
  key: "http-server-key.pem",
  authority: "http-ca-key.sealed",
} as const;

/** What a public file's mode is. */
const PUBLIC_FILE = 0o644;

/** Under which name the authority is sealed. */
const SEAL_NAME = "http-ca-key";

/** The CA's certificate and the key that signs for it. */
export interface Authority {
  readonly ca: string;
  readonly key: string;
  /** Earlier CAs that clients may still have pinned, newest first. */
  readonly previous: readonly Predecessor[];
}

/** A CA that was followed by another one. */
export interface Predecessor {
  readonly ca: string;
  /** The link certificate: name and key of the CA that followed, signed by this one. */
  readonly link: string;
}

/** What the files hold; what is not there is absent. */
export interface Material {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly authority?: Authority;
}

/**
 * Reads whatever is there.
 *
 * @param sealer Opens the authority; without one it is reported as absent.
 * @throws {TrustError} `unreadable`.
 * @throws {SecretError} If the authority does not open.
 */
export async function readMaterial(dataDir: string, sealer: Sealer | undefined): Promise<Material> {
  const text = async (name: string): Promise<string | undefined> => {
    const bytes = await read(dataDir, name);
    return bytes && new TextDecoder().decode(bytes);
  };
  const [ca, cert, key, sealed] = [
    await text(FILES.ca),
    await text(FILES.cert),
    await text(FILES.key),
    await read(dataDir, FILES.authority),
  ];
  const authority = sealed && sealer ? await openAuthority(dataDir, sealed, sealer) : undefined;
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), ...(authority && { authority }) };
}

/** Keeps a new CA. The sealed file comes first: a CA that clients may have seen can always sign again. */
export async function writeAuthority(dataDir: string, authority: Authority, sealer: Sealer): Promise<void> {
  const clear = new TextEncoder().encode(JSON.stringify(authority));
  await writeFileAtomic(`${dataDir}/${FILES.authority}`, await sealer.seal(SEAL_NAME, clear));
  clear.fill(0);
  await writeCa(dataDir, authority.ca);
}

/** Puts the public CA certificate in its place. */
export async function writeCa(dataDir: string, ca: string): Promise<void> {
  await writeFileAtomic(`${dataDir}/${FILES.ca}`, ca, { mode: PUBLIC_FILE });
}

/** Keeps a new server certificate: killed between the two files, the next start finds that they differ and makes both anew. */
export async function writeServer(
  dataDir: string,
  server: { readonly cert: string; readonly key: string },
): Promise<void> {
  await writeFileAtomic(`${dataDir}/${FILES.key}`, server.key);
  await writeFileAtomic(`${dataDir}/${FILES.cert}`, server.cert, { mode: PUBLIC_FILE });
}

async function read(dataDir: string, name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readFileIfAny(`${dataDir}/${name}`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TrustError("unreadable", `Cannot read ${dataDir}/${name}: ${why}`, { cause });
  }
}

async function openAuthority(dataDir: string, sealed: Uint8Array, sealer: Sealer): Promise<Authority> {
  let clear: Uint8Array;
  try {
    clear = await sealer.open(SEAL_NAME, sealed);
  } catch (cause) {
    throw new SecretError(
      "sealed_invalid",
      `secret error: cannot open ${dataDir}/${FILES.authority}: it was altered, or master.key is not the one it was sealed under; ` +
        `restore the two from one backup, or move ${FILES.authority} away to go on without being able to renew`,
      { cause },
    );
  }
  const { ca, key, previous } = JSON.parse(new TextDecoder().decode(clear)) as Authority;
  clear.fill(0);
  return { ca, key, previous };
}
