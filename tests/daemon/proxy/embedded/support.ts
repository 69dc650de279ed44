/**
 * The embedded proxy's core in this thread, upstreams that say exactly what a test wants, and visitors that say anything.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import type { Address, ServedCertificate, Site } from "../../../../daemon/proxy/backend.ts";
import { ProxyCore } from "../../../../daemon/proxy/embedded/core.ts";
import { DEFAULT_LIMITS, type Limits } from "../../../../daemon/proxy/embedded/limits.ts";
import type { Change, FailedSite, PortsStatus } from "../../../../daemon/proxy/embedded/protocol.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** A site with what a test leaves open filled in. */
export function site(domain: string, upstreams: readonly Address[], more: Partial<Site> = {}): Site {
  return { domain, upstreams, tls: "none", redirectToHttps: false, ...more };
}

/** A proxy that listens on ports of the system's choice. */
export interface RunningCore extends AsyncDisposable {
  readonly core: ProxyCore;
  readonly http: number;
  readonly https: number;
  change(change: Partial<Change>): Promise<FailedSite[]>;
}

/** Starts a proxy with these sites. */
export async function startCore(
  sites: readonly Site[],
  options: {
    readonly limits?: Partial<Limits>;
    readonly certificates?: readonly ServedCertificate[];
    readonly challenges?: Address;
    readonly onPorts?: (ports: PortsStatus) => void;
  } = {},
): Promise<RunningCore> {
  const core = new ProxyCore({ ...DEFAULT_LIMITS, ...options.limits }, options.onPorts ?? (() => {}));
  const change = (part: Partial<Change>): Promise<FailedSite[]> =>
    core.change({
      putSites: [],
      dropDomains: [],
      putCertificates: [],
      dropCertificates: [],
      httpListen: LOOPBACK,
      httpsListen: LOOPBACK,
      challenges: options.challenges ?? { host: "127.0.0.1", port: 1 },
      sharing: "none",
      ...part,
    });
  await change({ putSites: sites, putCertificates: options.certificates ?? [] });
  return {
    core,
    get http() {
      return core.ports.http.bound?.port ?? 0;
    },
    get https() {
      return core.ports.https.bound?.port ?? 0;
    },
    change,
    [Symbol.asyncDispose]: () => core[Symbol.asyncDispose](),
  };
}

/** An upstream. */
export interface Upstream extends AsyncDisposable {
  readonly address: Address;
  /** Every head received, in order. */
  readonly heads: string[];
  /** How many connections were accepted. */
  readonly connections: () => number;
}

/** Starts an upstream that hands each connection over. */
export function startRawUpstream(serve: (socket: Socket, heads: string[]) => void): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const heads: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    serve(socket, heads);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        address: { host: "127.0.0.1", port: (server.address() as { port: number }).port },
        heads,
        connections: () => connections,
        [Symbol.asyncDispose]: () => {
          for (const socket of sockets) socket.destroy();
          return new Promise((done) => void server.close(() => done()));
        },
      });
    });
  });
}

/** Starts an upstream that answers every head with the same bytes; `undefined` hangs up instead. */
export function startUpstream(answer: (head: string, socket: Socket) => string | undefined): Promise<Upstream> {
  return startRawUpstream((socket, heads) => {
    let text = "";
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end + 4);
        text = text.slice(end + 4);
        heads.push(head);
        const response = answer(head, socket);
        if (response === undefined) return void socket.destroy();
        if (response !== "") socket.write(response, "latin1");
      }
    });
  });
}

/** A short response. */
export function ok(content: string, fields = ""): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${content.length}\r\n\r\n${content}`;
}

/** A visitor. */
export interface Caller extends Disposable {
  readonly socket: Socket;
  /** All received so far. */
  text(): string;
  send(text: string): void;
  /** Resolves once what was received matches; rejects when the connection ends without. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with all received when the connection has ended. */
  ended(): Promise<string>;
}

/** Connects, over TLS when a server name is given. */
export function call(port: number, options: { readonly serverName?: string } = {}): Promise<Caller> {
  let text = "";
  let isOver = false;
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((check) => check());
  const { serverName } = options;
  return new Promise((resolve, reject) => {
    const socket: Socket = serverName === undefined
      ? connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true })
      : connectTls({ port, host: "127.0.0.1", servername: serverName, rejectUnauthorized: false });
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      wake();
    });
    const over = () => {
      isOver = true;
      wake();
      reject(new Error("the connection was refused"));
    };
    socket.on("end", over);
    socket.on("close", over);
    socket.on("error", over);
    const caller: Caller = {
      socket,
      text: () => text,
      send: (more) => void socket.write(more, "latin1"),
      until: (pattern) =>
        new Promise((found, lost) => {
          const check = () => {
            if (pattern.test(text)) found(text);
            else if (isOver) lost(new Error(`the connection ended without ${pattern}: ${JSON.stringify(text)}`));
            else return;
            waiting.delete(check);
          };
          waiting.add(check);
          check();
        }),
      ended: () =>
        new Promise((found) => {
          const check = () => {
            if (!isOver) return;
            waiting.delete(check);
            found(text);
          };
          waiting.add(check);
          check();
        }),
      [Symbol.dispose]: () => void socket.destroy(),
    };
    socket.on(serverName === undefined ? "connect" : "secureConnect", () => resolve(caller));
  });
}

/** Sends one text and returns all that comes back until the proxy hangs up. */
export async function say(port: number, text: string, options: { readonly serverName?: string } = {}): Promise<string> {
  using caller = await call(port, options);
  caller.send(text);
  return await caller.ended();
}

/** A self-made certificate for these names. */
export async function certificate(id: string, names: readonly string[]): Promise<ServedCertificate> {
  const caKey = await generateKeyPair();
  const ca = await createRootCa({ commonName: "test", key: caKey });
  const key = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key: caKey },
    profile: "server",
    publicKey: key.publicKey,
    commonName: names[0]!,
    names: { dns: names },
  });
  return { id, names, certPem: leaf.pem, keyPem: await exportPrivateKey(key) };
}
