/**
 * What tests against pebble share: a client with an account, and a server that shows answers to challenges.
 */
import { createServer } from "node:http";
import {
  AcmeClient,
  type AcmeClientOptions,
  type HttpSolver,
  httpSolver,
  obtainCertificate,
  type ObtainOptions,
} from "@helyos/acme";
import { generateKeyPair, type KeyPair } from "@helyos/pki";
import { type AcmeFaults, startFaults } from "../../support/acme_faults.ts";
import { type Pebble, type PebbleOptions, startPebble } from "../../support/pebble.ts";

/** Everything a certificate takes. */
export interface Bench extends AsyncDisposable {
  readonly pebble: Pebble;
  /** What stands between `client` and pebble. */
  readonly faults: AcmeFaults;
  /** A client whose account is registered. */
  readonly client: AcmeClient;
  readonly solver: HttpSolver;
  readonly key: KeyPair;
  /** Obtains a certificate for `key` by HTTP-01, for one name or as told. */
  obtain(options?: Partial<ObtainOptions>): ReturnType<typeof obtainCertificate>;
}

/** Starts pebble and all it needs. */
export async function startBench(options: PebbleOptions = {}): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble(options));
  const faults = stack.use(await startFaults(pebble));
  const client = stack.use(await registered(faults, { timeoutMs: 5000 }));
  const solver = httpSolver();
  stack.use(await serveChallenges(solver, pebble.httpPort));
  const key = await generateKeyPair();
  const open = stack.move();
  return {
    pebble,
    faults,
    client,
    solver,
    key,
    obtain: (wish) => obtainCertificate({ client, names: ["name.example.com"], key, solvers: [solver], ...wish }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

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
