/**
 * Ports for programs that cannot be told to choose one.
 *
 * @module
 */
import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Below those that the system gives to outgoing connections and to whoever lets it choose. */
const FIRST = 20_000;
const COUNT = 12_000;

/** So long nobody else is given the same port: the program it is for takes a moment to listen. */
const KEPT_MS = 10 * 60_000;

/** Other test files, which know nothing of this one, run at the same time. */
const TAKEN = join(tmpdir(), `helyos-ports-${Deno.uid()}`);

/** A port that is free now, and that nobody else is given. */
export async function freePort(): Promise<number> {
  mkdirSync(TAKEN, { recursive: true });
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (take(join(TAKEN, String(port))) && await isFree(port)) return port;
  }
}

/** Whether the file was not there yet. */
function take(path: string): boolean {
  try {
    closeSync(openSync(path, "wx"));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - since > KEPT_MS) rmSync(path, { force: true });
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
