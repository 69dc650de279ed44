import { isIP } from "node:net";
import type { PeerCertificate } from "node:tls";
import { matchesName } from "@helyos/pki";
import type { TlsConfig, TlsVersion } from "./config.ts";
import { TlsConfigError, TlsConnectionError } from "./errors.ts";
import { loadMaterial, type Material } from "./material.ts";
import { PathChecker, PathError, presentedBy } from "./path.ts";

/** What `node:tls.connect` and `node:https.request` take. */
export interface ClientTlsOptions {
  /** The lowest version to speak. */
  readonly minVersion: TlsVersion;
  /** Always given: the environment can otherwise switch verification off. */
  readonly rejectUnauthorized: true;
  /** Whom to trust, and nobody else. */
  readonly ca: string[];
  /** The certificate to show, with its chain. */
  readonly cert?: string;
  /** Its key, decrypted. */
  readonly key?: string;
  /** Looks at what the server showed, after the platform did; see {@linkcode buildClientTlsOptions}. */
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * Builds what `node:tls.connect` and `node:https.request` need to talk to a server of the configured CAs alone.
 *
 * The server must prove the name it was called by with a subject alternative name, read from DER (RFC 9525): a common
 * name does not count, nor does text that only looks like a name. The chain is looked at a second time for what the
 * platform lets pass: dates and path length of the trusted CA, keyCertSign on every issuer, and revocation if lists are
 * configured.
 *
 * The result is plain data: build it anew to pick up renewed files. Do not pass it to `fetch` or `Deno.connectTls`, which
 * would trust the system's CAs as well; use {@linkcode fetchTls}.
 *
 * @example Nothing to trust
 * ```ts
 * import { buildClientTlsOptions, TlsConfig } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(buildClientTlsOptions(new TlsConfig()), { code: "no_trust_anchor" });
 * ```
 * @param config Where the files are.
 * @returns The options.
 * @throws {TlsConfigError} If a file is missing, malformed or does not fit, or if no CA is configured.
 */
export async function buildClientTlsOptions(config: TlsConfig): Promise<ClientTlsOptions> {
  return clientOptionsOf(config, await loadMaterial(config));
}

/** The options for material that is already loaded. */
export function clientOptionsOf(config: TlsConfig, material: Material): ClientTlsOptions {
  const { own, anchors, revocations } = material;
  if (anchors === undefined) {
    throw new TlsConfigError("no_trust_anchor", "Cannot connect with this TLS configuration: no caCertificatesPath");
  }
  const checker = new PathChecker(anchors, revocations);
  return {
    minVersion: config.minVersion,
    rejectUnauthorized: true,
    ca: anchors.map(({ pem }) => pem),
    ...(own === undefined ? {} : { cert: own.cert, key: own.key }),
    checkServerIdentity: (host, certificate) => judgeServer(checker, host, certificate),
  };
}

function judgeServer(checker: PathChecker, host: string, presented: PeerCertificate): Error | undefined {
  const name = host.replace(/^\[(.*)\]$/, "$1");
  try {
    const shown = presentedBy(presented);
    if (shown.length === 0) throw new PathError("it showed no certificate");
    const [leaf] = checker.check(shown[0]!, () => shown, new Date());
    if (matchesName(leaf!, isIP(name) === 0 ? { dns: name } : { ip: name })) return undefined;
    const names = leaf!.names.map(({ kind, value }) => `${kind} ${JSON.stringify(value)}`).join(", ");
    return new TlsConnectionError(
      "wrong_name",
      `Cannot trust the server as "${name}": its certificate is for ${names || "no name at all"}`,
    );
  } catch (cause) {
    if (!(cause instanceof PathError)) throw cause;
    return new TlsConnectionError("untrusted_certificate", `Cannot trust the server "${name}": ${cause.message}`, {
      cause,
    });
  }
}
