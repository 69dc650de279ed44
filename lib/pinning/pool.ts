/**
 * Connections that wait for their next request.
 *
 * @module
 */
import type { Connection } from "./connection.ts";

/** Connections kept beyond this number are closed. */
const MAX_IDLE = 16;

/** A connection unused for longer is closed rather than used: servers and firewalls give up on it about then. */
const MAX_IDLE_MS = 60_000;

interface Idle {
  readonly connection: Connection;
  readonly since: number;
}

/** Keeps judged connections to one origin. */
export class Pool {
  readonly #idle: Idle[] = [];
  readonly #busy = new Set<Connection>();
  #closed = false;

  /**
   * Takes the connection that was used last.
   *
   * @param maxIdleMs How long it may have waited.
   * @returns The connection; undefined when a new one is needed.
   */
  take(maxIdleMs: number = MAX_IDLE_MS): Connection | undefined {
    const deadline = performance.now() - MAX_IDLE_MS;
    while (this.#idle[0] && this.#idle[0].since < deadline) this.#idle.shift()!.connection.socket.destroy();
    const last = this.#idle.at(-1);
    if (!last || last.since < performance.now() - maxIdleMs) return undefined;
    this.#idle.pop();
    const { connection } = last;
    if (connection.socket.destroyed || !connection.socket.writable) return this.take(maxIdleMs);
    connection.socket.ref();
    this.#busy.add(connection);
    return connection;
  }

  /**
   * Takes note of a new connection.
   *
   * @param connection The connection, in use.
   */
  add(connection: Connection): void {
    const { socket } = connection;
    if (this.#closed) return void socket.destroy();
    this.#busy.add(connection);
    // The HTTP client says so when an answer has been read to its end and the server keeps the connection open.
    socket.on("free", () => this.#release(connection));
    const forget = () => {
      this.#busy.delete(connection);
      const at = this.#idle.findIndex((idle) => idle.connection === connection);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    socket.once("close", forget).once("end", forget);
  }

  #release(connection: Connection): void {
    this.#busy.delete(connection);
    if (this.#closed || connection.socket.destroyed) return void connection.socket.destroy();
    // A program whose work is done ends, although its connections wait.
    connection.socket.unref();
    this.#idle.push({ connection, since: performance.now() });
    if (this.#idle.length > MAX_IDLE) this.#idle.shift()!.connection.socket.destroy();
  }

  /** Closes every connection, those in use as well. */
  close(): void {
    this.#closed = true;
    for (const { socket } of [...this.#busy, ...this.#idle.map(({ connection }) => connection)]) socket.destroy();
    this.#idle.length = 0;
    this.#busy.clear();
  }
}
