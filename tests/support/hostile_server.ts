/**
 * A server under an attacker's control: it speaks TLS with whatever certificate it is given and remembers every byte.
 *
 * @module
 */
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** What the attacker shows and says. */
export interface HostileServerOptions {
  /** PEM of the chain he shows; without one he speaks plain text. */
  readonly cert?: string;
  /** PEM of its key. */
  readonly key?: string;
  /**
   * What he answers to a request, as raw HTTP.
   * @default a 200 with an empty JSON object
   */
  readonly answer?: (request: string) => string;
}

/** The attacker. */
export interface HostileServer extends AsyncDisposable {
  /** His port on the loopback. */
  readonly port: number;
  /** Everything that reached him in the clear, headers and bodies. */
  received(): string;
  /** How many connections were opened. */
  connections(): number;
}

/** An HTTP answer with a body. */
export function httpAnswer(status: string, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status}\r\n${lines}content-length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`;
}

/** Starts the attacker on a free port of the loopback. */
export async function startHostileServer(options: HostileServerOptions = {}): Promise<HostileServer> {
  const answer = options.answer ?? (() => httpAnswer("200 OK", "{}", { "content-type": "application/json" }));
  const open = new Set<Socket>();
  let received = "";
  let connections = 0;
  function talk(socket: Socket): void {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {}); // The victim hangs up when it sees who this is.
    socket.on("data", (chunk: Uint8Array) => {
      const text = new TextDecoder("latin1").decode(chunk);
      received += text;
      // A server of plain HTTP does not wait for the end of what it cannot read.
      if (text.includes("\r\n\r\n") || !options.cert) socket.write(answer(text));
    });
  }
  const server: Server = options.cert && options.key
    ? createTlsServer({ cert: options.cert, key: options.key }, talk)
    : createTcpServer(talk);
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
