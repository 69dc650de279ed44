/**
 * What tests against pebble share: a client with an account, and a server that shows answers to challenges.
 */
import { createServer } from "node:http";
import { AcmeClient, type AcmeClientOptions, type HttpSolver } from "@helyos/acme";
import { generateKeyPair } from "@helyos/pki";

/** Serves the answers of `solver` where pebble asks for them. */
export async function serveChallenges(solver: Pick<HttpSolver, "answer">, port: number): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const answer = solver.answer(request.url ?? "");
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/octet-stream" });
    response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A client whose account is registered. */
export async function registered(
  server: { readonly directoryUrl: string; readonly ca: string },
  options: Partial<AcmeClientOptions> = {},
): Promise<AcmeClient> {
  const { directoryUrl, ca } = server;
  const client = new AcmeClient({ directoryUrl, ca, accountKey: await generateKeyPair(), ...options });
  await client.register({ emails: ["ops@example.com"] });
  return client;
}
