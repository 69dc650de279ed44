/**
 * The proxy itself: two ports, a table of sites, a table of certificates, and everybody who is connected.
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContext, type TLSSocket } from "node:tls";
import { pace } from "@helyos/tls/pace";
import type { Site } from "../backend.ts";
import { CertificateTable } from "./certificates.ts";
import { type Arrival, type Serving, VisitorConnection } from "./connection.ts";
import type { Limits } from "./limits.ts";
import { Port } from "./port.ts";
import type { Change, FailedSite, PortsStatus } from "./protocol.ts";
import { ServedSite, SiteTable } from "./table.ts";
import { UpstreamPool } from "./upstream.ts";

/** How often deadlines are looked at: they are late by no more. */
const TICK_MS = 250;

/** A proxy in this thread. */
export class ProxyCore implements Serving, AsyncDisposable {
  readonly limits: Limits;
  readonly #sites: SiteTable;
  readonly #certificates = new CertificateTable();
  readonly #connections = new Set<VisitorConnection>();
  /** Those that owe a request, in the order in which they began to. */
  readonly #waiting = new Set<VisitorConnection>();
  readonly #http: Port;
  readonly #https: Port;
  readonly #ticker: ReturnType<typeof setInterval>;
  /** Sockets whose handshake is not over, and since when. */
  readonly #handshakes = new Map<Socket, number>();
  #challenges: { key: string; site: ServedSite; pool: UpstreamPool } | undefined;
  #emptied: (() => void) | undefined;
  isStopping = false;

  /**
   * @param limits Its bounds.
   * @param onPorts Called when a port has been bound or lost.
   */
  constructor(limits: Limits, onPorts: (ports: PortsStatus) => void) {
    this.limits = limits;
    this.#sites = new SiteTable(limits);
    const onStatus = () => onPorts(this.ports);
    this.#http = new Port({ limits, onStatus, make: () => this.#plainServer() });
    this.#https = new Port({ limits, onStatus, make: () => this.#tlsServer() });
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  get version(): number {
    return this.#sites.version;
  }

  get challenges(): ServedSite | undefined {
    return this.#challenges?.site;
  }

  get httpsPort(): number {
    return this.#https.status.bound?.port ?? 443;
  }

  /** Where it listens. */
  get ports(): PortsStatus {
    return { http: this.#http.status, https: this.#https.status };
  }

  find(host: string): ServedSite | undefined {
    return this.#sites.find(host);
  }

  /**
   * Takes over what is different now. Connections that are open stay so.
   *
   * @returns The sites that cannot be served.
   */
  async change(change: Change): Promise<FailedSite[]> {
    this.#certificates.put(change.putCertificates);
    const challengeKey = `${change.challenges.host} ${change.challenges.port}`;
    if (this.#challenges?.key !== challengeKey) {
      this.#challenges?.pool.close();
      const pool = new UpstreamPool(change.challenges, this.limits);
      this.#challenges = { key: challengeKey, pool, site: new ServedSite(challengeSite(change), [pool]) };
    }
    this.#sites.change(change.putSites, change.dropDomains);
    this.#certificates.drop(change.dropCertificates);
    if (change.dropDomains.length > 0) this.#closeTunnels(new Set(change.dropDomains));
    const wanted = this.#sites.size > 0;
    const needsTls = wanted && this.#sites.some((site) => site.tls !== "none");
    await Promise.all([
      this.#http.want(wanted ? change.httpListen : undefined, change.sharing),
      this.#https.want(needsTls ? change.httpsListen : undefined, change.sharing),
    ]);
    if (!wanted) { for (const connection of this.#connections) connection.stop(); }
    await this.#certificates.examine();
    return this.#failed();
  }

  #failed(): FailedSite[] {
    const failed: FailedSite[] = [];
    for (const { domain, tls } of this.#sites.all()) {
      const reason = tls === "none" ? undefined : this.#certificates.flaw(tls.certificateId);
      if (reason !== undefined) failed.push({ domain, reason });
    }
    return failed;
  }

  #closeTunnels(domains: ReadonlySet<string>): void {
    for (const connection of this.#connections) {
      const domain = connection.tunnelDomain;
      if (domain !== undefined && domains.has(domain)) connection.stop();
    }
  }

  #plainServer(): Server {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#hasRoom()) this.#welcome(socket, { secure: false, serverName: "" });
      else socket.destroy();
    });
    return server;
  }

  #tlsServer(): Server {
    const server = createTlsServer({
      allowHalfOpen: true,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: this.limits.handshakeMs,
      SNICallback: (name, done) => {
        const context = this.#contextFor(name);
        if (context === undefined) done(new Error("unknown name"));
        else done(null, context);
      },
    }, (socket: TLSSocket) => {
      const { servername: name, _parent: raw } = socket as TLSSocket & {
        servername?: string | false;
        _parent?: Socket;
      };
      if (raw !== undefined) this.#handshakes.delete(raw);
      pace(socket);
      this.#welcome(socket, { secure: true, serverName: typeof name === "string" ? nameOf(name) : "" });
    });
    server.on("connection", (socket: Socket) => {
      if (!this.#hasRoom()) return void socket.destroy();
      this.#handshakes.set(socket, performance.now());
      socket.on("close", () => this.#handshakes.delete(socket));
    });
    // Among these: a handshake that took too long, which is not closed otherwise
    server.on("tlsClientError", (_error: Error, socket: Socket) => void socket.destroy());
    return server;
  }

  #contextFor(serverName: string): SecureContext | undefined {
    const site = this.#sites.find(nameOf(serverName))?.site;
    return site === undefined || site.tls === "none" ? undefined : this.#certificates.context(site.tls.certificateId);
  }

  /** Whether one more visitor can be; if need be, whoever has owed a request or a handshake for longest leaves. */
  #hasRoom(): boolean {
    if (this.#handshakes.size + this.#connections.size < this.limits.maxConnections) return true;
    const [shaking, begun = Infinity] = this.#handshakes.entries().next().value ?? [];
    const [silent] = this.#waiting;
    if (silent !== undefined && silent.waitingSince <= begun) {
      silent.abort();
      this.#waiting.delete(silent);
      return this.#connections.delete(silent);
    }
    shaking?.destroy();
    return shaking !== undefined && this.#handshakes.delete(shaking);
  }

  #welcome(socket: Socket, arrival: Arrival): void {
    if (this.isStopping) return void socket.destroy();
    socket.setNoDelay(true);
    const connection = new VisitorConnection(socket, this, arrival);
    this.#connections.add(connection);
    this.#waiting.add(connection);
  }

  serves(connection: VisitorConnection): void {
    this.#waiting.delete(connection);
  }

  waits(connection: VisitorConnection): void {
    this.#waiting.delete(connection);
    if (this.#connections.has(connection)) this.#waiting.add(connection);
  }

  closed(connection: VisitorConnection): void {
    this.#connections.delete(connection);
    this.#waiting.delete(connection);
    if (this.#connections.size === 0) this.#emptied?.();
  }

  #tick(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.tick(now);
    this.#http.listenOn();
    this.#https.listenOn();
    this.#sites.sweep(now);
    this.#challenges?.pool.sweep(now);
  }

  /** Stops: no new connections, open requests end within the grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.isStopping = true;
    await Promise.all([this.#http.want(undefined, "none"), this.#https.want(undefined, "none")]);
    for (const connection of this.#connections) connection.stop();
    if (this.#connections.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#emptied = resolve;
      const timer = setTimeout(resolve, this.limits.graceMs);
      await promise;
      clearTimeout(timer);
    }
    clearInterval(this.#ticker);
    for (const connection of this.#connections) connection.abort();
    for (const socket of this.#handshakes.keys()) socket.destroy();
    this.#sites.close();
    this.#challenges?.pool.close();
  }
}

function challengeSite({ challenges }: Change): Site {
  return { domain: "", upstreams: [challenges], tls: "none", redirectToHttps: false };
}

function nameOf(serverName: string): string {
  const name = serverName.toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
