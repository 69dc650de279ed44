import { TlsConfigError } from "./errors.ts";
import type { Handler } from "./handler.ts";
import { RunningServer } from "./running_server.ts";
import type { ServeTlsOptions, TlsServer } from "./serve_options.ts";

/**
 * Serves HTTP over TLS: with a CA in the configuration, to clients with a certificate of that CA alone.
 *
 * The handler is only ever called for a client whose certificate was shown, verified by the platform, and looked at again:
 * dates and path length of the CA, keyCertSign on every issuer, and revocation if lists are configured. Files that change
 * are reloaded while connections go on.
 *
 * @example A server that greets its clients by name
 * ```ts ignore
 * import { serveTls, TlsConfig } from "@helyos/tls";
 *
 * await using server = await serveTls(
 *   (_request, info) => new Response(`hello ${info.peer?.identity.name}`),
 *   {
 *     config: new TlsConfig({
 *       certificatePath: "server.pem",
 *       privateKeyPath: "server.key",
 *       caCertificatesPath: "ca.pem",
 *     }),
 *     port: 8443,
 *   },
 * );
 * await server.finished;
 * ```
 * @param handler Answers each request.
 * @param options Configuration, address and limits.
 * @returns The server, once it listens.
 * @throws {TlsConfigError} If the configuration cannot be used; no socket is opened then.
 * @throws {TypeError} If there is no configuration.
 * @throws The signal's reason if it is aborted already, or node's error if the address cannot be listened on.
 */
export async function serveTls(handler: Handler, options: ServeTlsOptions): Promise<TlsServer> {
  const configs = Array.isArray(options.config) ? options.config : [options.config];
  if (configs.length === 0 || configs.includes(undefined)) throw new TypeError("Cannot serve: no TLS configuration");
  // node asks for certificates per server, not per name: one configuration of a mixture would not be what it says.
  if (
    configs.some((config) =>
      (config.caCertificatesPath === undefined) !== (configs[0]!.caCertificatesPath === undefined)
    )
  ) {
    throw new TlsConfigError(
      "client_auth_disabled",
      "Cannot serve configurations with and without caCertificatesPath together: use two servers",
    );
  }
  options.signal?.throwIfAborted();
  const server = new RunningServer(handler, configs, options);
  await server.start();
  return server;
}
