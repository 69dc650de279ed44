/**
 * One request and its response, between a visitor and an upstream. Nothing is kept that could be streamed: whoever is slow slows the
 * other side down.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type BodyReader, LAST_CHUNK, passBody, readBody } from "./body.ts";
import { type Framing, hasBody } from "./fields.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { forwardedRequest, isIdempotent, type RequestHead, type Visitor } from "./request.ts";
import { forwardedResponse, framingForVisitor, readResponse, type ResponseHead } from "./response.ts";
import type { ServedSite } from "./table.ts";
import type { Acquirer, UpstreamConnection, UpstreamPool, UpstreamUser } from "./upstream.ts";

/** The visitor's side of an exchange. */
export interface VisitorSide {
  readonly visitor: Visitor;
  /** Whether the connection is to end after this response, whatever the request says. */
  readonly isClosing: boolean;
  /** Whether bytes of the body have arrived already. */
  readonly hasPending: boolean;
  /** Sends bytes; false when they wait. */
  send(bytes: Buffer | string): boolean;
  /** Hands the request's body to {@linkcode Exchange.pushBody}, now and as it arrives. */
  pump(): void;
  pause(): void;
  resume(): void;
  /** No more is sent. */
  end(): void;
  /** The request is answered by the proxy; the exchange is over. */
  answer(status: number): void;
  /** The response is complete; the exchange is over. */
  complete(close: boolean): void;
  /** The response breaks off; the exchange is over. */
  abort(): void;
}

/** How often a request is sent at most. */
const MAX_ATTEMPTS = 3;

/** How many responses of the 1xx class are taken before the final one. */
const MAX_INTERIM = 16;

/** Content that is sent together with the head before it. */
const MAX_JOINED_BYTES = 8_192;

/** An idle connection older than this may be closing; what must not be repeated takes a younger one. */
const SAFE_IDLE_MS = 1_000;

/** One request and its response. */
export class Exchange implements UpstreamUser, Acquirer {
  /** When {@linkcode Exchange.expire} is due, by `performance.now()`. */
  deadline = Infinity;
  /** The site it is for. */
  readonly site: ServedSite;
  readonly #side: VisitorSide;
  readonly #request: RequestHead;
  readonly #limits: Limits;
  #phase: "connecting" | "awaiting" | "streaming" | "tunnel" | "over" = "connecting";
  #connection: UpstreamConnection | undefined;
  #cancel: () => void = () => {};
  #tried: UpstreamPool[] = [];
  #attempts = 0;
  #requestBody: BodyReader;
  #bodyBytes = 0;
  /** Whether the upstream does not take what the visitor has sent. */
  #isHeld = false;
  #inbox: Buffer | undefined;
  #interim = 0;
  #response: ResponseHead | undefined;
  #responseBody: BodyReader | undefined;
  #framing: Framing | undefined;
  #close = false;

  constructor(side: VisitorSide, request: RequestHead, to: { readonly site: ServedSite; readonly limits: Limits }) {
    this.#side = side;
    this.#request = request;
    this.site = to.site;
    this.#limits = to.limits;
    this.#requestBody = readBody(request.framing);
  }

  /** Whether the whole request has been received. */
  get requestDone(): boolean {
    return this.#requestBody.done;
  }

  /** Whether the connection has become a tunnel. */
  get isTunnel(): boolean {
    return this.#phase === "tunnel";
  }

  /** Sends the request. */
  start(): void {
    const { framing } = this.#request;
    if (framing.kind === "length" && framing.bytes > this.#limits.maxBodyBytes) return this.#answer(413);
    this.#attempt();
  }

  #attempt(again?: UpstreamPool): void {
    const pool = again ?? this.site.pick(this.#tried);
    if (pool === undefined || this.#attempts++ >= MAX_ATTEMPTS) return this.#answer(this.site.size === 0 ? 503 : 502);
    if (again === undefined) this.#tried.push(pool);
    this.#phase = "connecting";
    this.deadline = Infinity; // the pool keeps the time
    this.#cancel = pool.acquire(this, {
      fresh: again !== undefined,
      maxIdleMs: isIdempotent(this.#request) ? Infinity : SAFE_IDLE_MS,
    });
  }

  connected(connection: UpstreamConnection): void {
    const side = this.#side;
    this.#connection = connection;
    connection.user = this;
    this.#phase = "awaiting";
    this.#inbox = undefined;
    connection.socket.write(forwardedRequest(this.#request, side.visitor), "latin1");
    if (this.#requestBody.done) {
      this.#wait(this.#limits.responseMs);
    } else {
      if (this.#request.expectsContinue && !side.hasPending) side.send("HTTP/1.1 100 Continue\r\n\r\n");
      this.#wait(this.#limits.bodyMs);
      side.pump();
    }
  }

  connectFailed(pool: UpstreamPool): void {
    pool.failed();
    this.#attempt(); // nothing was sent, so any request may go elsewhere
  }

  /**
   * Takes bytes from the visitor.
   *
   * @returns How many were part of the body; none while there is nowhere to put them.
   * @throws {Refusal}
   */
  pushBody(bytes: Buffer): number {
    const connection = this.#connection;
    if (connection === undefined) return 0;
    if (this.#phase === "tunnel") {
      this.#wait(this.#limits.tunnelMs);
      if (!connection.socket.write(bytes)) this.#side.pause();
      return bytes.length;
    }
    const consumed = passBody(this.#requestBody, bytes, {
      chunked: this.#request.framing.kind === "chunked",
      judge: (length) => {
        this.#bodyBytes += length;
        if (this.#bodyBytes > this.#limits.maxBodyBytes) throw new Refusal(413, "a body that is too long");
      },
      give: (sent) => {
        if (connection.socket.write(sent)) return;
        this.#isHeld = true;
        this.#side.pause();
      },
    });
    if (this.#phase === "awaiting") {
      this.#wait(this.#requestBody.done ? this.#limits.responseMs : this.#limits.bodyMs);
    } else {
      this.#wait(this.#limits.silenceMs);
    }
    return consumed;
  }

  upstreamData(bytes: Buffer): void {
    if (this.#phase === "tunnel") {
      this.#wait(this.#limits.tunnelMs);
      this.#toVisitor(bytes);
    } else if (this.#phase === "streaming") {
      this.#wait(this.#limits.silenceMs);
      this.#pass(bytes, (content) => this.#toVisitor(content));
    } else {
      this.#inbox = this.#inbox === undefined ? bytes : Buffer.concat([this.#inbox, bytes]);
      this.#readHeads();
    }
  }

  #readHeads(): void {
    while (this.#phase === "awaiting" && this.#inbox !== undefined) {
      const inbox = this.#inbox;
      const end = inbox.indexOf("\r\n\r\n");
      const { maxHeadBytes, maxFields } = this.#limits;
      if (end > maxHeadBytes || end === -1 && inbox.length > maxHeadBytes) return this.#answer(502);
      if (end === -1) return;
      let response: ResponseHead;
      try {
        response = readResponse(inbox, end, { method: this.#request.method, maxFields });
      } catch (error) {
        if (error instanceof Refusal) return this.#answer(502);
        throw error;
      }
      const rest = inbox.length === end + 4 ? undefined : inbox.subarray(end + 4);
      this.#inbox = undefined;
      if (response.status === 101) return this.#openTunnel(response, rest);
      if (response.status >= 200) return this.#stream(response, rest);
      if (++this.#interim > MAX_INTERIM) return this.#answer(502);
      // 100 was ours to say (RFC 9110 §10.1.1); others, such as 103, are for the visitor
      if (response.status !== 100 && this.#request.isModern) {
        this.#side.send(
          forwardedResponse(response, { close: false, framing: response.framing, hstsSeconds: undefined }),
        );
      }
      this.#inbox = rest;
    }
  }

  #openTunnel(response: ResponseHead, rest: Buffer | undefined): void {
    // A 101 that was not asked for would turn the next request into raw bytes
    if (!this.#request.isWebSocket || !response.isWebSocket) return this.#answer(502);
    this.#connection!.pool.succeeded();
    this.#phase = "tunnel";
    this.#wait(this.#limits.tunnelMs);
    this.#side.send(forwardedResponse(response, { close: false, framing: response.framing, hstsSeconds: undefined }));
    if (rest !== undefined) this.#toVisitor(rest);
    this.#side.pump();
  }

  #stream(response: ResponseHead, rest: Buffer | undefined): void {
    const request = this.#request;
    this.#connection!.pool.succeeded();
    this.#phase = "streaming";
    this.#response = response;
    this.#responseBody = readBody(response.framing);
    this.#framing = framingForVisitor(response, request.isModern);
    this.#close = request.close || this.#side.isClosing || !this.#requestBody.done || this.#framing.kind === "close";
    this.#wait(this.#limits.silenceMs);
    const head = forwardedResponse(response, {
      close: this.#close,
      framing: this.#framing,
      hstsSeconds: this.#side.visitor.secure ? this.site.site.hstsSeconds : undefined,
    });
    let content: Buffer | undefined;
    if (rest !== undefined && !this.#push(rest, (bytes) => void (content = bytes))) return;
    // What is short leaves with the head; a copy of more would cost more than a second write
    const isShort = content !== undefined && content.length <= MAX_JOINED_BYTES;
    let isTaken = this.#side.send(isShort ? Buffer.concat([Buffer.from(head, "latin1"), content!]) : head);
    if (content !== undefined && !isShort) isTaken = this.#side.send(content);
    if (!isTaken) this.#stall();
    if (this.#responseBody.done) this.#finish(rest === undefined ? 0 : rest.length - this.#consumed);
  }

  #consumed = 0;

  /** Decodes bytes of the response's body; false when the exchange ended by it. */
  #push(bytes: Buffer, take: (bytes: Buffer) => void): boolean {
    try {
      this.#consumed = passBody(this.#responseBody!, bytes, { chunked: this.#framing!.kind === "chunked", give: take });
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#abort();
      return false;
    }
  }

  #pass(bytes: Buffer, take: (bytes: Buffer) => void): void {
    if (this.#push(bytes, take) && this.#responseBody!.done) this.#finish(bytes.length - this.#consumed);
  }

  #finish(leftOver: number): void {
    const connection = this.#connection!;
    this.#connection = undefined;
    this.#phase = "over";
    // More than a response, or an answer before the question was complete: the connection cannot be trusted with another
    if (leftOver > 0 || !this.#response!.keepAlive || !this.#requestBody.done) connection.destroy();
    else connection.pool.release(connection, this.#response!.keepAliveSeconds);
    this.#side.complete(this.#close);
  }

  #toVisitor(bytes: Buffer): void {
    if (!this.#side.send(bytes)) this.#stall();
  }

  #stall(): void {
    this.#connection?.socket.pause();
    this.#wait(this.#limits.bodyMs);
  }

  /** The visitor takes bytes again. */
  visitorDrain(): void {
    if (this.#phase === "tunnel") this.#wait(this.#limits.tunnelMs);
    else if (this.#phase === "streaming") this.#wait(this.#limits.silenceMs);
    this.#connection?.socket.resume();
  }

  upstreamDrain(): void {
    if (this.#isHeld && this.#phase === "awaiting") {
      this.#wait(this.#requestBody.done ? this.#limits.responseMs : this.#limits.bodyMs);
    }
    this.#isHeld = false;
    this.#side.resume();
  }

  upstreamEnd(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    if (this.#phase === "tunnel") {
      this.#phase = "over";
      this.#side.end();
    } else if (this.#phase === "streaming") {
      if (this.#response!.framing.kind !== "close") return this.#abort();
      this.#phase = "over";
      if (this.#framing!.kind === "chunked") this.#side.send(LAST_CHUNK);
      this.#side.complete(this.#close);
    } else {
      this.#retry(connection);
    }
  }

  /** The upstream broke off without an answer: nobody knows whether it acted on the request. */
  #retry(connection: UpstreamConnection): void {
    const isRepeatable = isIdempotent(this.#request) && !hasBody(this.#request.framing) && this.#inbox === undefined &&
      this.#interim === 0;
    if (!connection.isReused) connection.pool.failed();
    if (!isRepeatable) return this.#answer(502);
    // A connection that was idle had just been closed, most likely: the same upstream, over a new one
    this.#attempt(connection.isReused ? connection.pool : undefined);
  }

  /** The visitor will send no more. */
  visitorEnd(): void {
    this.#wait(this.#limits.bodyMs);
    this.#connection?.socket.end();
  }

  /** The deadline has passed. */
  expire(): void {
    if (this.#phase === "awaiting") this.#answer(this.#requestBody.done || this.#isHeld ? 504 : 408);
    else this.#abort();
  }

  /** Ends it without another word to the visitor. */
  cancel(): void {
    this.#phase = "over";
    this.#cancel();
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #answer(status: number): void {
    this.cancel();
    this.#side.answer(status);
  }

  #abort(): void {
    this.cancel();
    this.#side.abort();
  }

  /** Whether the visitor has heard nothing yet, so that an answer of the proxy's own is possible. */
  get isUnanswered(): boolean {
    return this.#phase === "connecting" || this.#phase === "awaiting";
  }

  #wait(ms: number): void {
    this.deadline = performance.now() + ms;
  }
}
