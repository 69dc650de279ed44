/**
 * Answers HTTP-01 challenges: from memory for a proxy inside the daemon, over loopback for any other.
 *
 * @module
 */
import { AcmeError, type HttpSolver, httpSolver, type Solver } from "@helyos/acme";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address, ChallengeResponder, ProxyStatus } from "./backend.ts";

const PATH = "/.well-known/acme-challenge/";

/** How long a proxy may take to answer what was just asked of it. */
const PATIENCE_MS = 15_000;

/** A responder that is also the solver which fills it. */
export interface Challenges extends ChallengeResponder, AsyncDisposable {
  /** Starts the listener on loopback; does nothing when it runs. */
  listen(): Promise<void>;
  /** Solves HTTP-01: `present` resolves once the proxy gives the answer to whoever asks it. */
  solver(status: () => ProxyStatus): Solver;
}

/** A responder without answers. */
export function createChallenges(): Challenges {
  const http = httpSolver();
  let server: Server | undefined;
  let listening: Promise<void> | undefined;
  let address: Address = { host: "127.0.0.1", port: 0 };
  return {
    get address() {
      return address;
    },
    answer: (token) => http.answer(`${PATH}${token}`),
    listen() {
      return listening ??= new Promise((resolve, reject) => {
        const created = server = createServer((incoming, response) => {
          const answer = http.answer(new URL(incoming.url ?? "/", "http://localhost").pathname);
          response.writeHead(answer === undefined ? 404 : 200, {
            "content-type": "application/octet-stream",
            "cache-control": "no-store",
          });
          response.end(answer ?? "");
        });
        created.once("error", reject);
        created.listen(0, "127.0.0.1", () => {
          address = { host: "127.0.0.1", port: (created.address() as AddressInfo).port };
          resolve();
        });
      });
    },
    solver: (status) => waiting(http, status),
    async [Symbol.asyncDispose]() {
      await listening?.catch(() => {/* it never listened */});
      if (server === undefined) return;
      server.closeAllConnections();
      await new Promise((resolve) => server!.close(resolve));
    },
  };
}

/** A CA that asks before the proxy answers would count a failure: so the proxy is asked first, by us. */
function waiting(http: HttpSolver, status: () => ProxyStatus): Solver {
  return {
    type: "http-01",
    async present(answer, signal) {
      await http.present(answer, signal);
      const deadline = Date.now() + PATIENCE_MS;
      for (let pause = 5;; pause = Math.min(pause * 2, 500)) {
        signal.throwIfAborted();
        const at = status().http;
        const seen = at && await ask(at, answer.name, answer.token).catch(() => undefined);
        if (seen === answer.keyAuthorization) return;
        if (Date.now() > deadline) {
          await http.cleanUp(answer);
          const { state, detail } = status();
          const why = state === "failing" ? detail : "the proxy does not give the answer";
          throw new AcmeError("unavailable", `Cannot prove ${answer.name}: ${why}`);
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    },
    cleanUp: (answer) => http.cleanUp(answer),
  };
}

/** Where to connect to reach a listener from this machine. */
export function dialled({ host, port }: Address): Address {
  return { host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port };
}

/**
 * Asks whoever listens at an address for the answer to a challenge.
 *
 * @returns The body; undefined when the answer is no 200.
 */
export function ask(at: Address, name: string, token: string, signal?: AbortSignal): Promise<string | undefined> {
  const { host, port } = dialled(at);
  return new Promise((resolve, reject) => {
    const sent = request({
      host,
      port,
      path: `${PATH}${token}`,
      headers: { host: name },
      agent: false,
      timeout: 5_000,
      ...(signal ? { signal } : {}),
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (text.length < 4096) text += chunk;
      });
      response.on("end", () => resolve(response.statusCode === 200 ? text : undefined));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error("it did not answer within 5 seconds")));
    sent.on("error", reject);
    sent.end();
  });
}
