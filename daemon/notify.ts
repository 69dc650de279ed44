/**
 * Tells systemd how the daemon fares (sd_notify(3)), when it asked to be told.
 *
 * @module
 */

/** Sends states. */
export interface Notifier extends AsyncDisposable {
  /** For example `READY=1`. Never rejects: without systemd the daemon serves as well. */
  send(state: string): Promise<void>;
}

/** Options for {@linkcode openNotifier}. */
export interface NotifierOptions {
  /** `NOTIFY_SOCKET`; a leading `@` means an abstract socket. */
  readonly socket: string;
  /** A free path for our end, which must have a name in the file system for a moment. */
  readonly own: string;
  readonly onError: (error: unknown) => void;
}

/** Opens our end of the socket. */
export function openNotifier({ socket, own, onError }: NotifierOptions): Notifier {
  const to = { transport: "unixpacket" as const, path: socket.startsWith("@") ? `\0${socket.slice(1)}` : socket };
  let connection: Deno.DatagramConn | undefined;
  try {
    connection = Deno.listenDatagram({ transport: "unixpacket", path: own });
    Deno.removeSync(own); // nobody answers, so nobody needs the name, and a crash leaves nothing behind
  } catch (error) {
    onError(error);
  }
  return {
    async send(state) {
      try {
        await connection?.send(new TextEncoder().encode(state), to);
      } catch (error) {
        onError(error);
      }
    },
    [Symbol.asyncDispose]() {
      connection?.close();
      return Promise.resolve();
    },
  };
}
