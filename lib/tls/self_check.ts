import { connect, type ConnectionOptions } from "node:tls";
import { clearTimeout, setTimeout } from "node:timers";
import { createRootCa, exportPrivateKey, generateKeyPair } from "@helyos/pki";
import { TlsConfigError, TlsConnectionError } from "./errors.ts";

/** A server to check: one of {@linkcode serveTls}, one of `node:https` or `node:tls`, or an address. */
export type CheckableServer =
  | { readonly addr: { readonly hostname: string; readonly port: number } }
  | { address(): { readonly address: string; readonly port: number } | string | null }
  | { readonly hostname: string; readonly port: number };

/** Options for {@linkcode selfCheck}. */
export interface SelfCheckOptions {
  /** The server name to ask for (SNI), when the server has several configurations. */
  readonly serverName?: string;
  /**
   * How long the server may take to refuse.
   * @default {5000}
   */
  readonly timeoutMs?: number;
}

/**
 * Makes sure that a running server really refuses clients it should not serve: it connects without a certificate, then with
 * one nobody signed, sends a request each time, and must get no answer.
 *
 * It finds a server that only looks like mutual TLS: one that got the certificate and key but not the CA, asks for
 * certificates without verifying them, or cannot ask at all, as `Deno.serve`. It says nothing about who *is* accepted.
 *
 * @example Nobody listens
 * ```ts ignore
 * import { selfCheck, serveTls } from "@helyos/tls";
 *
 * const server = await serveTls(handler, { config });
 * await selfCheck(server);
 * ```
 * @param server The server.
 * @param options Name and time.
 * @throws {TlsConfigError} `client_auth_not_enforced` if the server answers such a client.
 * @throws {TlsConnectionError} `unreachable`, `not_tls` or `timeout` if that cannot be found out.
 */
export async function selfCheck(server: CheckableServer, options: SelfCheckOptions = {}): Promise<void> {
  const address = addressOf(server);
  await mustRefuse(address, { what: "without a certificate", tls: {}, options });
  const key = await generateKeyPair();
  const stranger = await createRootCa({ commonName: "Nobody", key });
  const tls = { cert: stranger.pem, key: await exportPrivateKey(key) };
  await mustRefuse(address, { what: "with a certificate nobody signed", tls, options });
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(server: CheckableServer): Address {
  let hostname: string | undefined;
  let port: number | undefined;
  if ("addr" in server) ({ hostname, port } = server.addr);
  else if ("address" in server) {
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ address: hostname, port } = address);
  } else ({ hostname, port } = server);
  if (hostname === undefined || port === undefined) throw new TypeError("Cannot check the server: it does not listen");
  // What means "every address" to listen on is none to connect to.
  if (hostname === "0.0.0.0") hostname = "127.0.0.1";
  if (hostname === "::") hostname = "::1";
  return { host: hostname, port };
}

async function mustRefuse(
  address: Address,
  o: { readonly what: string; readonly tls: ConnectionOptions; readonly options: SelfCheckOptions },
): Promise<void> {
  const { timeoutMs = 5000, serverName } = o.options;
  const where = `${address.host}:${address.port}`;
  await new Promise<void>((resolve, reject) => {
    let isSecure = false;
    // What the server is does not matter here, only whether it answers.
    const socket = connect({
      ...address,
      ...o.tls,
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new TlsConnectionError("timeout", `Cannot check ${where}: it neither answers nor refuses`));
    }, timeoutMs);
    const finish = (result: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      result();
    };
    socket.once("secureConnect", () => {
      isSecure = true;
      // Under TLS 1.3 the server judges only now; a round trip tells.
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    });
    socket.once("data", () =>
      finish(() =>
        reject(
          new TlsConfigError("client_auth_not_enforced", `The server at ${where} answers a client ${o.what}`),
        )
      ));
    socket.on("error", (cause: Error & { code?: string }) =>
      finish(() => {
        if (isRefusal(cause, isSecure)) resolve();
        else if (cause.code === "ECONNREFUSED") {
          reject(new TlsConnectionError("unreachable", `Cannot check ${where}: nobody listens`, { cause }));
        } else reject(new TlsConnectionError("not_tls", `Cannot check ${where}: no TLS there`, { cause }));
      }));
    socket.once(
      "close",
      () =>
        finish(() =>
          isSecure ? resolve() : reject(new TlsConnectionError("not_tls", `Cannot check ${where}: no TLS there`))
        ),
    );
  });
}

/** After the handshake any end is one; before it, an alert is (TLS 1.2 judges clients within). */
function isRefusal(error: Error & { code?: string }, isSecure: boolean): boolean {
  return isSecure || /alert|certificate ?required|bad ?certificate|unknown ?ca/i.test(`${error.code} ${error.message}`);
}
