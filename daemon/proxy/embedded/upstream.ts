/**
 * Connections to one upstream, and whether it seems alive.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import type { Address } from "../backend.ts";
import type { Limits } from "./limits.ts";

/** Who uses a connection at the moment. */
export interface UpstreamUser {
  /** Bytes arrived. */
  upstreamData(bytes: Buffer): void;
  /** The upstream will send no more; nothing else is called after it. */
  upstreamEnd(): void;
  /** What was written has left, after a write that answered false. */
  upstreamDrain(): void;
}

/** A connection to an upstream. */
export class UpstreamConnection {
  readonly socket: Socket;
  readonly pool: UpstreamPool;
  /** Whether a request went over it before: then the upstream may be closing it at this moment. */
  isReused = false;
  user: UpstreamUser | undefined;
  idleSince = 0;
  idleUntil = 0;

  constructor(pool: UpstreamPool, socket: Socket) {
    this.pool = pool;
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      // Bytes nobody asked for: the next response would be believed to be the one before
      if (this.user === undefined) this.destroy();
      else this.user.upstreamData(bytes);
    });
    socket.on("drain", () => this.user?.upstreamDrain());
    const ended = () => {
      pool.forget(this);
      const user = this.user;
      this.user = undefined;
      socket.destroy();
      user?.upstreamEnd();
    };
    socket.on("end", ended);
    socket.on("error", ended);
    socket.on("close", ended);
  }

  /** Closes it; its user hears nothing more. */
  destroy(): void {
    this.user = undefined;
    this.pool.forget(this);
    this.socket.destroy();
  }
}

/** Where a new connection is reported. */
export interface Acquirer {
  connected(connection: UpstreamConnection): void;
  connectFailed(pool: UpstreamPool): void;
}

/** What is asked of a connection. */
export interface AcquireOptions {
  /** Nothing that was used before. */
  readonly fresh: boolean;
  /** Nothing that has been idle for longer than this. */
  readonly maxIdleMs: number;
}

/** One upstream. */
export class UpstreamPool {
  readonly address: Address;
  readonly #limits: Limits;
  #idle: UpstreamConnection[] = [];
  #failures = 0;
  #ejectedUntil = 0;
  #closed = false;

  constructor(address: Address, limits: Limits) {
    this.address = address;
    this.#limits = limits;
  }

  /** When it may be asked again; in the past when it seems alive. */
  get ejectedUntil(): number {
    return this.#ejectedUntil;
  }

  /** It answered. */
  succeeded(): void {
    this.#failures = 0;
    this.#ejectedUntil = 0;
  }

  /** It could not be reached, or broke off: it rests, the longer the more often. */
  failed(): void {
    const { ejectMs, ejectMaxMs } = this.#limits;
    const now = performance.now();
    if (now < this.#ejectedUntil) return; // many visitors who met the same failure are one failure
    this.#ejectedUntil = now + Math.min(ejectMs * 2 ** Math.min(this.#failures, 16), ejectMaxMs);
    this.#failures++;
  }

  /**
   * Gets a connection: one that is idle at once, else a new one.
   *
   * @returns Gives up waiting.
   */
  acquire(acquirer: Acquirer, { fresh, maxIdleMs }: AcquireOptions): () => void {
    const now = performance.now();
    // The one used last is the least likely to be closing
    while (!fresh) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      if (now >= connection.idleUntil) {
        connection.destroy();
      } else if (now - connection.idleSince > maxIdleMs) {
        this.#idle.push(connection);
        break;
      } else {
        connection.isReused = true;
        acquirer.connected(connection);
        return () => {};
      }
    }
    return this.#connect(acquirer);
  }

  #connect(acquirer: Acquirer): () => void {
    let settled = false;
    const { host, port } = this.address;
    let socket: Socket;
    const fail = () => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket?.destroy();
      acquirer.connectFailed(this);
    };
    const timer = setTimeout(fail, this.#limits.connectMs);
    try {
      socket = connect({ host, port, noDelay: true });
    } catch {
      queueMicrotask(fail);
      return () => void (settled = true, clearTimeout(timer));
    }
    socket.on("error", fail);
    socket.on("close", fail);
    socket.once("connect", () => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.setNoDelay(true);
      acquirer.connected(new UpstreamConnection(this, socket));
    });
    return () => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.destroy();
    };
  }

  /** Takes back a connection whose response is complete. */
  release(connection: UpstreamConnection, keepAliveSeconds: number | undefined): void {
    connection.user = undefined;
    const now = performance.now();
    // One second less than the upstream said: it must not close what a request is already under way on
    const keepMs = keepAliveSeconds === undefined
      ? this.#limits.idleUpstreamMs
      : Math.min(keepAliveSeconds * 1000 - 1000, 60_000);
    if (this.#closed || keepMs <= 0 || this.#idle.length >= this.#limits.maxIdleUpstream) return connection.destroy();
    connection.idleSince = now;
    connection.idleUntil = now + keepMs;
    connection.socket.resume();
    this.#idle.push(connection);
  }

  /** Closes what has been idle for too long. */
  sweep(now: number): void {
    if (this.#idle.length === 0 || now < this.#idle[0]!.idleUntil) return;
    for (const connection of this.#idle.filter(({ idleUntil }) => now >= idleUntil)) connection.destroy();
  }

  /** Closes every idle connection, and what is in use as soon as it no longer is. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle]) connection.destroy();
  }

  /** Drops a connection that closed. */
  forget(connection: UpstreamConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }
}
