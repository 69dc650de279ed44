import type { TlsConfig, TlsVersion } from "./config.ts";
import { TlsConfigError } from "./errors.ts";
import { loadMaterial, type Material } from "./material.ts";

/** What `node:tls.createServer` and `node:https.createServer` take. */
export interface ServerTlsOptions {
  /** The lowest version to speak. */
  readonly minVersion: TlsVersion;
  /** The certificate to show, with its chain. */
  readonly cert: string;
  /** Its key, decrypted. */
  readonly key: string;
  /** Whose clients to accept; empty, and then nobody's, when none are demanded. */
  readonly ca: string[];
  /** Whether clients are asked for a certificate. */
  readonly requestCert: boolean;
  /** Whether clients without an acceptable certificate are refused; always the same as `requestCert`. */
  readonly rejectUnauthorized: boolean;
}

/** Options for {@linkcode buildServerTlsOptions}. */
export interface ServerTlsOptionsInit {
  /**
   * State what you expect, and a configuration that says otherwise is refused: `"require"` without a CA, `"none"` with one.
   * By default a CA means that clients need a certificate.
   */
  readonly clientAuth?: "require" | "none";
}

/**
 * Builds what `node:tls.createServer` and `node:https.createServer` need.
 *
 * With a CA in the configuration every client must show a certificate of it: mutual TLS. Without, clients are asked for
 * none. There is no way in between. Revocation lists are refused here, since the platform would ignore them:
 * {@linkcode serveTls} looks at them.
 *
 * Do not pass the result to `Deno.serve`, which ignores the CA; {@linkcode selfCheck} finds out such a server.
 *
 * @example A certificate is needed
 * ```ts
 * import { buildServerTlsOptions, TlsConfig } from "@helyos/tls";
 * import { rejects } from "node:assert/strict";
 *
 * await rejects(buildServerTlsOptions(new TlsConfig()), { code: "incomplete_pair" });
 * ```
 * @param config Where the files are.
 * @param options What you expect of client authentication.
 * @returns The options.
 * @throws {TlsConfigError} If a file is missing, malformed or does not fit, or if `clientAuth` contradicts the configuration.
 * @throws {RangeError} If `clientAuth` is something else.
 */
export async function buildServerTlsOptions(
  config: TlsConfig,
  options: ServerTlsOptionsInit = {},
): Promise<ServerTlsOptions> {
  const { clientAuth } = options;
  if (clientAuth !== undefined && clientAuth !== "require" && clientAuth !== "none") {
    throw new RangeError(`Cannot build server options: clientAuth is ${JSON.stringify(clientAuth)}`);
  }
  if (clientAuth === "require" && config.caCertificatesPath === undefined) {
    throw new TlsConfigError(
      "client_auth_without_ca",
      "Cannot demand client certificates: the TLS configuration has no caCertificatesPath",
    );
  }
  if (clientAuth === "none" && config.caCertificatesPath !== undefined) {
    throw new TlsConfigError(
      "client_auth_disabled",
      "Cannot serve without client certificates: the TLS configuration has caCertificatesPath, which demands them",
    );
  }
  if (config.revocationListsPath !== undefined) {
    throw new TlsConfigError(
      "revocation_not_enforced",
      "Cannot build server options that look at revocation lists: the platform ignores them; use serveTls",
    );
  }
  return serverOptionsOf(config, await loadMaterial(config));
}

/** The options for material that is already loaded. */
export function serverOptionsOf(config: TlsConfig, material: Material): ServerTlsOptions {
  const { own, anchors } = material;
  if (own === undefined) {
    throw new TlsConfigError("incomplete_pair", "Cannot serve with this TLS configuration: no certificate and no key");
  }
  return {
    minVersion: config.minVersion,
    cert: own.cert,
    key: own.key,
    ca: anchors?.map(({ pem }) => pem) ?? [],
    requestCert: anchors !== undefined,
    rejectUnauthorized: anchors !== undefined,
  };
}
