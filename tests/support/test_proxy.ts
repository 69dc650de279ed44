/**
 * A proxy backend for tests: real listeners and real TLS, and answers that say what it would have done.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import type { Address, DesiredProxy, ProxyBackend, ProxyStatus, SiteStatus } from "../../daemon/proxy/backend.ts";

/** The backend, and what it was told. */
export class TestProxy implements ProxyBackend {
  readonly name = "embedded";
  readonly applied: DesiredProxy[] = [];
  /** When set, told as the reason why nothing can be bound. */
  broken: string | undefined;
  /** When set, every site's leaf stays what it was before. */
  stuck = false;
  /** What is answered instead of challenges. */
  lie: string | undefined;
  #http: Server | undefined;
  #https: TlsServer | undefined;
  #serving: DesiredProxy | undefined;
  #tls: DesiredProxy | undefined;

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    this.applied.push(desired);
    this.#serving = desired;
    if (!this.stuck) this.#tls = desired;
    if (desired.sites.length > 0 && this.broken === undefined) {
      if (this.#http === undefined) {
        const http = createServer((request, response) => this.#answer(request, response));
        await listening(http, desired.httpListen);
        this.#http = http;
      }
      if (this.#https === undefined && desired.certificates.length > 0) {
        const { certPem: cert, keyPem: key } = desired.certificates[0]!;
        const https = createTlsServer({
          cert,
          key,
          SNICallback: (name, done) => done(null, this.#context(name)),
        }, (request, response) => this.#answer(request, response));
        await listening(https, desired.httpsListen);
        this.#https = https;
      }
    }
    return desired.sites.map(({ domain }) => ({ domain, state: "served" }));
  }

  status(): ProxyStatus {
    if (this.broken !== undefined) return { state: "failing", detail: this.broken };
    if (this.#http === undefined) return { state: "idle", detail: "nothing to serve" };
    return {
      state: "serving",
      detail: "serving",
      http: addressOf(this.#http),
      ...(this.#https === undefined ? {} : { https: addressOf(this.#https) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#http, this.#https]) {
      if (server === undefined) continue;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #site(name: string) {
    const wildcard = `*${name.slice(name.indexOf("."))}`;
    const { sites } = this.#tls!;
    return sites.find(({ domain }) => domain === name) ?? sites.find(({ domain }) => domain === wildcard);
  }

  #context(name: string) {
    const tls = this.#site(name)?.tls ?? "none";
    const id = tls === "none" ? undefined : tls.certificateId;
    const certificate = this.#tls!.certificates.find((one) => one.id === id);
    return certificate && createSecureContext({ cert: certificate.certPem, key: certificate.keyPem });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const token = request.url?.match(/^\/\.well-known\/acme-challenge\/(.+)$/)?.[1];
    const answer = token && this.#serving!.challenges.answer(token);
    // Only the CA says who it is: the daemon's own look at the answer is told the truth
    const fromCa = request.headers["user-agent"] !== undefined;
    if (answer) return void response.end(this.lie !== undefined && fromCa ? this.lie : answer);
    const site = this.#serving!.sites.find(({ domain }) => domain === request.headers.host?.split(":")[0]);
    response.writeHead(site === undefined ? 404 : site.upstreams.length === 0 ? 503 : 200);
    response.end(site?.upstreams.map(({ host, port }) => `${host}:${port}`).join(" "));
  }
}

function listening(server: Server | TlsServer, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });
}

function addressOf(server: Server | TlsServer): Address {
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}
