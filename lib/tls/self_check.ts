import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
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

const GRACE_MS = 100;

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
    const wire = connectCounting(address);
    const socket = connect({
      socket: wire.stream,
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
        if (isRefusal(cause, isSecure || wire.received() > 0)) resolve();
        else if (cause.code === "ECONNREFUSED") {
          reject(new TlsConnectionError("unreachable", `Cannot check ${where}: nobody listens`, { cause }));
        } else reject(new TlsConnectionError("not_tls", `Cannot check ${where}: no TLS there`, { cause }));
      }));
    // What came in before the end may still wait to be decrypted.
    wire.onClose(() =>
      setTimeout(
        () =>
          finish(() =>
            isSecure || wire.received() > 0
              ? resolve()
              : reject(new TlsConnectionError("not_tls", `Cannot check ${where}: no TLS there`))
          ),
        GRACE_MS,
      )
    );
  });
}

interface Wire {
  readonly stream: Duplex;
  readonly received: () => number;
  readonly onClose: (listener: () => void) => void;
}

/** A TCP connection that tells how much came in: the platform counts only what it could decrypt. */
function connectCounting(address: Address): Wire {
  let received = 0;
  const socket = connectTcp(address);
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, encoding, done) => void socket.write(chunk, encoding, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk: Uint8Array) => {
    received += chunk.byteLength;
    if (!stream.push(chunk)) socket.pause();
  });
  socket.once("end", () => stream.push(null));
  socket.once("error", (error) => stream.destroy(error));
  return { stream, received: () => received, onClose: (listener) => void socket.once("close", listener) };
}

/**
 * After the handshake any end is one. Within it an alert is, and an end without a word once the server has spoken: TLS 1.2
 * judges clients there. What is no TLS at all fails otherwise.
 */
function isRefusal(error: Error & { code?: string }, hasSpoken: boolean): boolean {
  const text = `${error.code} ${error.message}`;
  if (/corrupt message|invalid ?content ?type|InvalidMessage|wrong.version/i.test(text)) return false;
  return hasSpoken || /alert|certificate ?required|bad ?certificate|unknown ?ca/i.test(text);
}
