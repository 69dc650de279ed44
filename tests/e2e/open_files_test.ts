/**
 * Story: more connections than the daemon may have files open. Visitors of routes leave the API what it needs, and whoever uses up what is
 * left gets it back to work by leaving.
 */
import { equal, match } from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { freePort } from "../support/free_port.ts";
import { helyos, type RunningDaemon, startDaemon, temporaryFolder } from "../support/process.ts";

const OPEN_FILES = 500;

/** Connections without a word: more than can be served, until the listener's queue is full or they are turned away. */
async function silence(port: number): Promise<Disposable> {
  const sockets: Socket[] = [];
  let settled = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  for (let index = 0; index < 2 * OPEN_FILES; index++) {
    const settle = () => void (++settled === OPEN_FILES && resolve());
    sockets.push(
      connect({ port, host: "127.0.0.1" }).on("error", () => {}).once("connect", settle).once("close", settle).resume(),
    );
  }
  await promise;
  return { [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()) };
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}

async function until(daemon: RunningDaemon, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it never happened: ${what}\n${daemon.log()}`);
}

Deno.test("helyosd answers its API while visitors open more connections than it may, and them when some leave", async () => {
  await using home = await temporaryFolder();
  const http = await freePort();
  await using daemon = await startDaemon({
    home: home.path,
    openFiles: OPEN_FILES,
    flags: ["--tls", "off", "--proxy-backend", "embedded", "--http-listen", `127.0.0.1:${http}`],
  });
  const added = await helyos(["route", "add", "app.test", "-p", "shop", "--deployment", "web"], { home: home.path });
  equal(added.code, 0, added.stderr);
  const visit = () => statusOf(`http://127.0.0.1:${http}/`);
  await until(daemon, "the proxy listens", async () => await visit() === 404);
  {
    using _flood = await silence(http);
    for (let turn = 0; turn < 10; turn++) equal(await statusOf(`${daemon.url}/health`), 200, daemon.log());
  }
  await until(daemon, "visitors are answered", async () => await visit() === 404);
});

Deno.test("helyosd answers its API again after somebody used up every connection", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({ home: home.path, openFiles: OPEN_FILES, flags: ["--tls", "off"] });
  const port = Number(new URL(daemon.url).port);
  for (let turn = 0; turn < 2; turn++) {
    {
      using _flood = await silence(port);
    }
    await until(daemon, "the API answers", async () => await statusOf(`${daemon.url}/health`) === 200);
  }
  match(daemon.log(), /open files/);
  equal(await daemon.stop(), 0);
});
