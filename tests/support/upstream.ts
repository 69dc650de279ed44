/**
 * What answers behind a route.
 *
 * @module
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A server that tells which host it was asked for, and over which scheme the visitor came. */
export async function startUpstream(): Promise<{ readonly address: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    response.end(`${request.headers.host?.split(":")[0]} ${request.headers["x-forwarded-proto"]}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
