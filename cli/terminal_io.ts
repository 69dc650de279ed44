/**
 * The real terminal, environment, clock and files.
 *
 * @module
 */
import type { Io, TextSink, TextSource } from "./io.ts";

const encoder = new TextEncoder();

/**
 * What `main.ts` gives the commands.
 *
 * @returns The process's own streams and surroundings.
 */
export function terminalIo(): Io {
  return {
    stdin: stdinSource(),
    stdout: sinkOf(Deno.stdout),
    stderr: sinkOf(Deno.stderr),
    env: (name) => Deno.env.get(name) || undefined,
    now: () => new Date(),
    readFile: readNamedFile,
  };
}

/** No file that people name to a command is as large; a device or a log given by mistake is, or never ends. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

async function readNamedFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of file.readable) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

type Stream = typeof Deno.stdout | typeof Deno.stderr;

function sinkOf(stream: Stream): TextSink {
  return {
    isTerminal: stream.isTerminal(),
    get columns() {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80; // Not a terminal.
      }
    },
    write(text) {
      let bytes = encoder.encode(text);
      while (bytes.length > 0) bytes = bytes.subarray(writeSome(stream, bytes));
    },
  };
}

/** A pipe that somebody made non-blocking and nobody empties: wait a millisecond and try again. */
function writeSome(stream: Stream, bytes: Uint8Array): number {
  try {
    return stream.writeSync(bytes);
  } catch (error) {
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}

const INTERRUPTIONS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function stdinSource(): TextSource {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(4096);
  let pending = "";
  let ended = false;
  const next = async (): Promise<Uint8Array | undefined> => {
    const size = await Deno.stdin.read(chunk);
    return size === null ? undefined : chunk.slice(0, size);
  };
  return {
    isTerminal: Deno.stdin.isTerminal(),
    async readLine() {
      while (!ended && !pending.includes("\n")) {
        const bytes = await next();
        ended = bytes === undefined;
        pending += decoder.decode(bytes, { stream: !ended });
      }
      if (pending === "") return undefined;
      const end = pending.indexOf("\n");
      const line = end < 0 ? pending : pending.slice(0, end);
      pending = end < 0 ? "" : pending.slice(end + 1);
      return line.replace(/\r$/, "");
    },
    async raw(read) {
      const giveUp = () => {
        Deno.stdin.setRaw(false);
        Deno.exit(130);
      };
      for (const signal of INTERRUPTIONS) Deno.addSignalListener(signal, giveUp);
      Deno.stdin.setRaw(true);
      try {
        return await read(next);
      } finally {
        Deno.stdin.setRaw(false);
        for (const signal of INTERRUPTIONS) Deno.removeSignalListener(signal, giveUp);
      }
    },
  };
}
