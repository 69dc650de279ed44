/** From a configuration to checked key material. Everything that can be wrong with it is found here, before any socket. */
import { type KeyObject, X509Certificate } from "node:crypto";
import { type Certificate, parseCertificate } from "@helyos/pki";
import type { TlsConfig } from "./config.ts";
import { TlsConfigError } from "./errors.ts";
import { type PathSink, pathsOf, readAll, readConfigured } from "./files.ts";
import { readPrivateKey } from "./private_key.ts";
import { readRevocations, type Revocations } from "./revocation.ts";

/** A certificate chain with its key. */
export interface OwnCertificate {
  /** The chain as PEM, leaf first; nothing but certificates. */
  readonly cert: string;
  /** The key as unencrypted PKCS#8 PEM. */
  readonly key: string;
  /** The leaf. */
  readonly leaf: Certificate;
}

/** Everything a configuration names, read and checked. */
export interface Material {
  /** What we show; nothing when the configuration has no certificate. */
  readonly own: OwnCertificate | undefined;
  /** Whom we trust; nothing when the configuration does not say, never an empty list. */
  readonly anchors: readonly Anchor[] | undefined;
  /** What is revoked; nothing when the configuration does not say. */
  readonly revocations: Revocations | undefined;
}

/** A CA we trust. */
export interface Anchor {
  readonly pem: string;
  readonly certificate: Certificate;
}

/**
 * Reads everything a configuration names.
 *
 * @param config The configuration.
 * @param seen Gets every path that was looked at, also when reading fails.
 * @throws {TlsConfigError} If anything is missing, malformed or does not fit together.
 */
export async function loadMaterial(config: TlsConfig, seen?: PathSink): Promise<Material> {
  const own = await loadOwn(config, seen);
  const anchors = await loadAnchors(config, seen);
  const revocations = config.revocationListsPath === undefined
    ? undefined
    : await readRevocations(config.revocationListsPath, { anchors: anchors ?? [], seen });
  return { own, anchors, revocations };
}

async function loadOwn(config: TlsConfig, seen: PathSink | undefined): Promise<OwnCertificate | undefined> {
  const { certificatePath, privateKeyPath, keyPassword: passphrase } = config;
  // An empty path is a typo, not an absence.
  if (certificatePath === undefined && privateKeyPath === undefined) return undefined;
  if (!certificatePath || !privateKeyPath) {
    const [has, lacks] = certificatePath ? ["a certificate", "privateKeyPath"] : ["a key", "certificatePath"];
    const start = !certificatePath && !privateKeyPath ? "both paths are empty" : `it has ${has} but no ${lacks}`;
    throw new TlsConfigError("incomplete_pair", `Cannot use the TLS configuration: ${start}`);
  }
  const chain = readCertificates(await readConfigured(certificatePath, "the certificate", seen), {
    path: certificatePath,
    code: "invalid_certificate",
  });
  const text = new TextDecoder().decode(await readConfigured(privateKeyPath, "the key", seen));
  const key = readPrivateKey(text, { path: privateKeyPath, passphrase });
  const [leaf] = chain as [Anchor, ...Anchor[]];
  if (!isKeyOf(leaf.pem, key, certificatePath)) {
    throw new TlsConfigError(
      "key_mismatch",
      `Cannot use the TLS configuration: the key in "${privateKeyPath}" is not that of the first certificate in ` +
        `"${certificatePath}"`,
      { path: privateKeyPath },
    );
  }
  return {
    cert: chain.map(({ pem }) => pem).join(""),
    key: key.export({ type: "pkcs8", format: "pem" }) as string,
    leaf: leaf.certificate,
  };
}

function isKeyOf(pem: string, key: KeyObject, path: string): boolean {
  try {
    return new X509Certificate(pem).checkPrivateKey(key);
  } catch (cause) {
    throw new TlsConfigError("invalid_certificate", `Cannot use the certificate in "${path}"`, { path, cause });
  }
}

async function loadAnchors(config: TlsConfig, seen: PathSink | undefined): Promise<Anchor[] | undefined> {
  if (config.caCertificatesPath === undefined) return undefined;
  const anchors: Anchor[] = [];
  const paths = pathsOf(config.caCertificatesPath);
  const files = await readAll(paths, { what: "the CA certificates", extensions: [".pem", ".crt", ".cer"], seen });
  for (const { path, bytes } of files) {
    for (const anchor of readCertificates(bytes, { path, code: "invalid_ca" })) {
      checkCa(anchor.certificate, path);
      anchors.push(anchor);
    }
  }
  // Whoever sets the field wants peers verified: nothing to verify them with must not mean "do not verify".
  if (anchors.length === 0) {
    const where = paths.length === 0 ? "caCertificatesPath is empty" : `no certificates in "${paths.join('", "')}"`;
    throw new TlsConfigError("no_trust_anchor", `Cannot use the TLS configuration: ${where}`);
  }
  return anchors;
}

/** RFC 5280 §4.2.1.9, §4.2.1.3: only a CA, and one that may sign certificates, can vouch for others. */
function checkCa(certificate: Certificate, path: string): void {
  const name = certificate.subject.toString();
  if (!certificate.isCa) {
    throw new TlsConfigError("invalid_ca", `Cannot trust "${name}" in "${path}": it is not a CA (no CA:TRUE)`, {
      path,
    });
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.has("keyCertSign")) {
    throw new TlsConfigError("invalid_ca", `Cannot trust "${name}" in "${path}": it may not sign certificates`, {
      path,
    });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----\r?\n[\s\S]*?-----END CERTIFICATE-----/g;

function readCertificates(
  bytes: Uint8Array,
  o: { readonly path: string; readonly code: "invalid_certificate" | "invalid_ca" },
): Anchor[] {
  const { path, code } = o;
  const text = new TextDecoder("latin1").decode(bytes);
  const blocks = text.match(CERTIFICATE) ?? [];
  // A block cut short would otherwise go unnoticed.
  if (blocks.length === 0 || blocks.length !== text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw new TlsConfigError(code, `Cannot read certificates: "${path}" holds no whole PEM certificate`, { path });
  }
  return blocks.map((block) => {
    const pem = `${block}\n`;
    try {
      return { pem, certificate: parseCertificate(pem) };
    } catch (cause) {
      throw new TlsConfigError(code, `Cannot read a certificate in "${path}"`, { path, cause });
    }
  });
}
