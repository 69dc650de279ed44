/** Certificates for these tests: sound ones from our own CA code, unsound ones from openssl. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, type KeyPair } from "@helyos/pki";
import { type Handler, serveTls, type ServeTlsOptions, TlsConfig, type TlsServer } from "@helyos/tls";
import { temporaryFolder } from "../../support/process.ts";
import { tool } from "../../support/tools.ts";

export { temporaryFolder };

const NAMES = { dns: ["localhost"], ip: ["127.0.0.1", "::1"] };

/** A certificate and key in files. */
export interface Leaf {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  readonly pem: string;
  readonly der: Uint8Array;
  readonly serial: string;
}

/** A CA whose key is at hand. */
export class Ca {
  constructor(
    readonly folder: string,
    readonly name: string,
    readonly key: KeyPair,
    readonly pem: string,
    readonly path: string,
  ) {}

  static async make(folder: string, name = "ca", o: { now?: Date; days?: number } = {}): Promise<Ca> {
    const key = await generateKeyPair();
    const { pem } = await createRootCa({
      commonName: `Test ${name}`,
      key,
      ...(o.days === undefined ? {} : { lifetimeDays: o.days }),
      ...(o.now === undefined ? {} : { now: o.now }),
    });
    const path = join(folder, `${name}.pem`);
    await writeFile(path, pem);
    return new Ca(folder, name, key, pem, path);
  }

  async issue(
    profile: "server" | "client",
    o: {
      name?: string;
      cn?: string;
      names?: { dns?: string[]; ip?: string[]; uri?: string[]; email?: string[] };
      seconds?: number;
      now?: Date;
      passphrase?: string;
    } = {},
  ): Promise<Leaf> {
    const key = await generateKeyPair();
    const { pem, der, serial } = await issueCertificate({
      issuer: { certificate: this.pem, key: this.key },
      profile,
      publicKey: key.publicKey,
      commonName: o.cn ?? (profile === "server" ? "localhost" : "client-01"),
      commonNameKind: "label",
      names: o.names ?? NAMES,
      ...(o.seconds === undefined ? {} : { lifetimeSeconds: o.seconds }),
      ...(o.now === undefined ? {} : { now: o.now }),
    });
    const base = join(this.folder, o.name ?? `${this.name}-${profile}`);
    const privateKey = await exportPrivateKey(key, o.passphrase === undefined ? {} : { passphrase: o.passphrase });
    await writeFile(`${base}.pem`, pem);
    await writeFile(`${base}.key`, privateKey, { mode: 0o600 });
    return { certificatePath: `${base}.pem`, privateKeyPath: `${base}.key`, pem, der, serial };
  }

  /** Writes certificate and key for openssl to sign with. */
  async files(): Promise<{ cert: string; key: string }> {
    const key = join(this.folder, `${this.name}.key`);
    await writeFile(key, await exportPrivateKey(this.key), { mode: 0o600 });
    return { cert: this.path, key };
  }
}

/** A configuration of files and a CA. */
export function configOf(leaf: Leaf | undefined, ca: Ca | string | undefined, extra = {}): TlsConfig {
  return new TlsConfig({
    certificatePath: leaf?.certificatePath,
    privateKeyPath: leaf?.privateKeyPath,
    caCertificatesPath: typeof ca === "string" ? ca : ca?.path,
    ...extra,
  });
}

/** A server with mutual TLS on the loopback, a client for it, and the CA of both. */
export interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly ca: Ca;
  readonly serverConfig: TlsConfig;
  readonly clientConfig: TlsConfig;
  readonly server: TlsServer;
  readonly url: string;
  /** How often the handler was called. */
  readonly calls: () => number;
}

export async function stage(
  handler: Handler = () => new Response("hello"),
  options: Partial<ServeTlsOptions> = {},
): Promise<Stage> {
  const temporary = await temporaryFolder();
  const folder = temporary.path;
  const ca = await Ca.make(folder);
  const serverConfig = configOf(await ca.issue("server"), ca);
  const clientConfig = configOf(await ca.issue("client"), ca);
  let calls = 0;
  const counting: Handler = (request, info) => {
    calls++;
    return handler(request, info);
  };
  const server = await serveTls(counting, { config: serverConfig, port: 0, hostname: "127.0.0.1", ...options });
  return {
    folder,
    ca,
    serverConfig,
    clientConfig,
    server,
    url: `https://localhost:${server.addr.port}/`,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

const execute = promisify(execFile);

/** Runs openssl in a folder. */
export async function openssl(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(tool("openssl"), args, { cwd: folder });
  return stdout;
}

/** Has openssl issue what our own code refuses to: any extensions, below any issuer. */
export async function forge(
  folder: string,
  o: {
    name: string;
    subject?: string;
    extensions: string;
    issuer: { cert: string; key: string };
    days?: number;
  },
): Promise<{ certificatePath: string; privateKeyPath: string }> {
  const { name } = o;
  await writeFile(join(folder, `${name}.ext`), o.extensions);
  await openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${name}.key`);
  await openssl(
    folder,
    "req",
    "-utf8",
    "-new",
    "-key",
    `${name}.key`,
    "-subj",
    o.subject ?? `/CN=${name}`,
    "-out",
    `${name}.csr`,
  );
  await openssl(
    folder,
    ...["x509", "-req", "-in", `${name}.csr`, "-CA", o.issuer.cert, "-CAkey", o.issuer.key, "-set_serial"],
    ...[String(Math.floor(Math.random() * 1e9)), "-days", String(o.days ?? 2)],
    ...["-extfile", `${name}.ext`, "-out", `${name}.pem`],
  );
  return { certificatePath: join(folder, `${name}.pem`), privateKeyPath: join(folder, `${name}.key`) };
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
