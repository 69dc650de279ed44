/**
 * A visitor's connection: requests one after the other, each answered here or forwarded.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Exchange, type VisitorSide } from "./exchange.ts";
import { hasBody } from "./fields.ts";
import type { Limits } from "./limits.ts";
import { answerText, Refusal } from "./refusal.ts";
import { readRequest, type RequestHead, type Visitor } from "./request.ts";
import type { ServedSite } from "./table.ts";

/** What a connection asks the proxy. */
export interface Serving {
  readonly limits: Limits;
  /** Whether it is stopping: every response is the connection's last. */
  readonly isStopping: boolean;
  /** Changes whenever an answer of {@linkcode Serving.find} could. */
  readonly version: number;
  find(host: string): ServedSite | undefined;
  /** What answers ACME challenges. */
  readonly challenges: ServedSite | undefined;
  /** The port visitors reach HTTPS at. */
  readonly httpsPort: number;
  /** A request of the connection is being answered. */
  serves(connection: VisitorConnection): void;
  /** The connection owes a request anew: of those that do, it is the last that has to make room. */
  waits(connection: VisitorConnection): void;
  /** The connection is gone. */
  closed(connection: VisitorConnection): void;
}

/** How a connection came in. */
export interface Arrival {
  readonly secure: boolean;
  /** The name of the TLS handshake, lower-case. */
  readonly serverName: string;
}

const CHALLENGE = /^\/\.well-known\/acme-challenge\/[\w-]{1,256}$/;

/** Bytes that may come ahead of their turn. */
const MAX_AHEAD_BYTES = 65_536;

/** How long a visitor that has said its last word may wait for the rest of the response. */
const HALF_CLOSED_MS = 30_000;

/** A visitor's connection. */
export class VisitorConnection implements VisitorSide {
  readonly visitor: Visitor;
  /** Since when it owes a request, if it does. */
  waitingSince: number = performance.now();
  readonly #socket: Socket;
  readonly #serving: Serving;
  readonly #serverName: string;
  #pending: Buffer | undefined;
  #exchange: Exchange | undefined;
  #request: RequestHead | undefined;
  #deadline: number;
  #headStarted = false;
  #discarding = false;
  #halfClosed = false;
  #reading = false;
  #host = "";
  #site: ServedSite | undefined;
  #version = -1;
  /** How much of what was sent had not left when its deadline passed. */
  #unsent = 0;

  constructor(socket: Socket, serving: Serving, arrival: Arrival) {
    this.#socket = socket;
    this.#serving = serving;
    this.#serverName = arrival.serverName;
    this.visitor = { address: plainAddress(socket.remoteAddress ?? ""), secure: arrival.secure };
    this.#deadline = performance.now() + serving.limits.headMs;
    socket.on("data", (bytes: Buffer) => this.#received(bytes));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#ended());
    socket.on("error", () => this.abort());
    socket.on("close", () => this.#gone());
  }

  get isClosing(): boolean {
    return this.#serving.isStopping || this.#halfClosed;
  }

  get hasPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Whether no request is being answered. */
  get isIdle(): boolean {
    return this.#exchange === undefined && !this.#headStarted;
  }

  /** The domain a WebSocket is open to. */
  get tunnelDomain(): string | undefined {
    return this.#exchange?.isTunnel === true ? this.#exchange.site.site.domain : undefined;
  }

  #received(bytes: Buffer): void {
    if (this.#discarding) return;
    if (this.#pending === undefined && this.#exchange?.isTunnel === true) {
      this.#exchange.pushBody(bytes);
      return;
    }
    this.#pending = this.#pending === undefined ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#read();
  }

  pump(): void {
    this.#socket.resume();
    if (!this.#reading) this.#read();
  }

  /** Uses what has been received, as far as it can be used now. */
  #read(): void {
    this.#reading = true;
    try {
      while (this.#pending !== undefined && !this.#discarding) {
        if (this.#exchange === undefined ? !this.#readHead() : !this.#readBody(this.#exchange)) break;
      }
    } finally {
      this.#reading = false;
    }
  }

  #readBody(exchange: Exchange): boolean {
    const bytes = this.#pending!;
    if (!exchange.requestDone || exchange.isTunnel) {
      let consumed: number;
      try {
        consumed = exchange.pushBody(bytes);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const isUnanswered = exchange.isUnanswered;
        exchange.cancel();
        if (isUnanswered) this.#refuse(error.status);
        else this.abort();
        return false;
      }
      this.#pending = consumed === bytes.length ? undefined : bytes.subarray(consumed);
      if (consumed > 0) return true;
    }
    if (bytes.length > MAX_AHEAD_BYTES) this.pause();
    return false;
  }

  /** The visitor takes bytes again. */
  #drained(): void {
    if (this.#exchange !== undefined) this.#exchange.visitorDrain();
    else if (!this.#discarding) this.pump();
  }

  #readHead(): boolean {
    const { limits } = this.#serving;
    // Whoever asks on and on and takes no answer is asked to wait
    if (this.#socket.writableNeedDrain) {
      this.pause();
      return false;
    }
    let bytes = this.#pending!;
    // RFC 9112 §2.2: an empty line before the request line is left over from a bad client
    if (bytes.length >= 2 && bytes[0] === 0x0d && bytes[1] === 0x0a) {
      bytes = bytes.subarray(2);
      this.#pending = bytes.length === 0 ? undefined : bytes;
      if (this.#pending === undefined) return false;
    }
    if (!this.#headStarted) {
      this.#headStarted = true;
      this.#deadline = performance.now() + limits.headMs;
    }
    const end = bytes.indexOf("\r\n\r\n");
    if (end > limits.maxHeadBytes || end === -1 && bytes.length > limits.maxHeadBytes) {
      this.#refuse(431);
      return false;
    }
    if (end === -1) {
      // Without CRLF CRLF there may never be an end; a bare LF tells so at once
      const feed = bytes.indexOf(0x0a);
      if (feed === 0 || feed > 0 && bytes[feed - 1] !== 0x0d) this.#refuse(400);
      return false;
    }
    let request: RequestHead;
    try {
      request = readRequest(bytes, end, limits);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(error.status);
      return false;
    }
    this.#pending = bytes.length === end + 4 ? undefined : bytes.subarray(end + 4);
    this.#headStarted = false;
    this.#serve(request);
    return true;
  }

  /** What cannot be understood is answered, and nothing after it is read. */
  #refuse(status: number): void {
    this.#request = undefined;
    this.answer(status);
  }

  #serve(request: RequestHead): void {
    this.#request = request;
    const { secure } = this.visitor;
    const serving = this.#serving;
    if (
      !secure && serving.challenges !== undefined && CHALLENGE.test(request.target) &&
      (request.method === "GET" || request.method === "HEAD")
    ) {
      return this.#forward(request, serving.challenges);
    }
    const site = this.#find(request.host);
    if (site === undefined) return this.answer(404);
    if (request.hops >= serving.limits.maxHops) return this.answer(508);
    if (secure) {
      // RFC 9110 §7.4: a host is not served under another host's certificate
      if (request.host !== this.#serverName && serving.find(this.#serverName) !== site) return this.answer(421);
    } else if (site.site.redirectToHttps) {
      const port = serving.httpsPort === 443 ? "" : `:${serving.httpsPort}`;
      const target = request.target === "*" ? "/" : request.target;
      return this.answer(308, `Location: https://${request.host}${port}${target}\r\n`);
    }
    this.#forward(request, site);
  }

  #find(host: string): ServedSite | undefined {
    if (host !== this.#host || this.#version !== this.#serving.version) {
      this.#host = host;
      this.#version = this.#serving.version;
      this.#site = this.#serving.find(host);
    }
    return this.#site;
  }

  #forward(request: RequestHead, site: ServedSite): void {
    this.#deadline = Infinity;
    this.#serving.serves(this);
    this.#exchange = new Exchange(this, request, { site, limits: this.#serving.limits });
    this.#exchange.start();
  }

  send(bytes: Buffer | string): boolean {
    return typeof bytes === "string" ? this.#socket.write(bytes, "latin1") : this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  answer(status: number, fields = ""): void {
    const request = this.#request;
    const exchange = this.#exchange;
    // What comes after a request that was not read to its end cannot be told from its body
    const isWhole = request !== undefined &&
      (exchange === undefined ? !hasBody(request.framing) : exchange.requestDone);
    const close = !isWhole || request.close || this.isClosing;
    this.send(answerText(status, { fields, close, head: request?.method === "HEAD" }));
    this.complete(close);
  }

  complete(close: boolean): void {
    const exchange = this.#exchange;
    const isWhole = this.#request !== undefined &&
      (exchange === undefined ? !hasBody(this.#request.framing) : exchange.requestDone);
    this.#exchange = undefined;
    this.#request = undefined;
    const { limits, isStopping } = this.#serving;
    this.waitingSince = performance.now();
    this.#serving.waits(this);
    if (close || this.#halfClosed || isStopping && this.#pending === undefined) {
      this.#finish(isWhole ? limits.bodyMs : limits.lingerMs);
      return;
    }
    this.#deadline = this.waitingSince + limits.keepAliveMs;
    this.#socket.resume();
    if (this.#pending !== undefined && !this.#reading) this.#read();
  }

  end(): void {
    this.#exchange = undefined;
    this.#finish(this.#serving.limits.lingerMs);
  }

  /**
   * Says goodbye and reads on for a while: closing while bytes are under way would reset the connection, and the visitor might never
   * see the response (RFC 9112 §9.6).
   */
  #finish(ms: number): void {
    this.#discarding = true;
    this.#pending = undefined;
    this.#deadline = performance.now() + ms;
    this.#socket.end();
    this.#socket.resume();
  }

  abort(): void {
    this.#exchange?.cancel();
    this.#exchange = undefined;
    this.#socket.destroy();
  }

  #ended(): void {
    const exchange = this.#exchange;
    if (exchange?.isTunnel === true) return exchange.visitorEnd();
    // Whoever hangs up while a response streams has left; only a request may be followed by silence at once
    if (exchange === undefined || !exchange.requestDone || !exchange.isUnanswered) {
      exchange?.cancel();
      this.#exchange = undefined;
      this.#socket.destroySoon(); // which sends what is left, and says goodbye
      return;
    }
    this.#halfClosed = true;
    this.#deadline = performance.now() + HALF_CLOSED_MS;
  }

  #gone(): void {
    this.#exchange?.cancel();
    this.#exchange = undefined;
    this.#discarding = true;
    this.#serving.closed(this);
  }

  /** Acts on deadlines that have passed. */
  tick(now: number): void {
    const exchange = this.#exchange;
    if (exchange !== undefined && now >= exchange.deadline) return exchange.expire();
    if (now < this.#deadline) return;
    // A response is over when the visitor has it, however slow that is, as long as bytes leave
    const unsent = this.#socket.writableLength;
    if (exchange === undefined && unsent > 0 && unsent !== this.#unsent) {
      this.#unsent = unsent;
      this.#deadline = now + this.#serving.limits.bodyMs;
      return;
    }
    if (exchange === undefined && this.#headStarted && !this.#discarding) {
      this.#headStarted = false;
      return this.#refuse(408);
    }
    this.abort();
  }

  /** Ends it as soon as nothing is being answered; a WebSocket at once. */
  stop(): void {
    if (this.#exchange === undefined && !this.#headStarted) {
      if (!this.#discarding) this.#finish(this.#serving.limits.lingerMs);
    } else if (this.#exchange?.isTunnel === true) {
      this.abort();
    }
  }
}

/** IPv4 that came in over an IPv6 socket, as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
